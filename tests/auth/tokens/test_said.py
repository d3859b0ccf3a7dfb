from __future__ import annotations

from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from mailsluice.auth.tokens.said import SaidToday


def test_a_warning_is_new_once_a_day_for_all_processes(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "said"
    assert SaidToday(path, clock).is_new("one")
    assert SaidToday(path, clock).is_new("two")
    for _ in range(1439):
        clock.seconds += 60
        assert not SaidToday(path, clock).is_new("one")
    clock.seconds += 60
    assert SaidToday(path, clock).is_new("one")


@pytest.mark.parametrize("part", [0.1, 0.6, 0.9])
def test_in_the_same_second_it_is_not_new_again(tmp_path: Path, clock: HandClock, part: float) -> None:
    clock.seconds += part - clock.now().timestamp() % 1
    assert SaidToday(tmp_path / "said", clock).is_new("one")
    assert not SaidToday(tmp_path / "said", clock).is_new("one")


def test_a_clock_set_back_silences_nothing_for_long(tmp_path: Path, clock: HandClock) -> None:
    said = SaidToday(tmp_path / "said", clock)
    assert said.is_new("one")
    clock.ahead -= 86_400 * 3652
    assert said.is_new("one")
    assert not said.is_new("one")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"no number\n", b"x " + b"9" * 5000, b"nan nan\n"])
def test_a_damaged_note_is_a_warning_more(tmp_path: Path, clock: HandClock, content: bytes) -> None:
    path = tmp_path / "said"
    path.touch(0o600)
    path.write_bytes(content)
    assert SaidToday(path, clock).is_new("one")
    assert not SaidToday(path, clock).is_new("one")


def test_where_nothing_can_be_noted_a_process_remembers_for_itself(tmp_path: Path, clock: HandClock) -> None:
    said = SaidToday(tmp_path / "missing" / "said", clock)
    assert said.is_new("one")
    assert not said.is_new("one")


def test_the_note_does_not_grow_for_ever(tmp_path: Path, clock: HandClock) -> None:
    said = SaidToday(tmp_path / "said", clock)
    for number in range(300):
        assert said.is_new(str(number))
    assert len((tmp_path / "said").read_text().splitlines()) == 200
