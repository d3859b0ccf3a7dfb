"""The claim on a staging directory: who has it, and how that is known again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsluice.errors import MailboxLocked, StagingLost
from mailsluice.files.directory import Directory
from mailsluice.sink.claim import FILE, Claim, Written, new_token, read
from support.sinks import FEEDER


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    found = Directory.find(tmp_path)
    assert found is not None
    with found:
        yield found


@pytest.fixture
def claim(directory: Directory) -> Iterator[Claim]:
    with Claim.take(directory, FEEDER, new_token()) as claim:
        claim.enter()
        yield claim


def test_it_says_whose_directory_this_is(claim: Claim, directory: Directory) -> None:
    written = read(directory)
    assert written is not None
    assert (written.place, written.feeder, written.commits, written.heir) == (claim.place, FEEDER, 0, "")


def test_a_directory_keeps_its_place_whoever_takes_it(directory: Directory) -> None:
    places = set()
    for _ in range(3):
        with Claim.take(directory, FEEDER, new_token()) as claim:
            claim.enter()
            places.add(claim.place)
    assert len(places) == 1


def test_another_process_is_told_who_has_it(claim: Claim, directory: Directory) -> None:
    assert claim.is_there(directory)
    with pytest.raises(MailboxLocked, match=r"a@b\.example is being polled by another process, \d+ on host"):
        Claim.take(directory, FEEDER, new_token())


def test_it_remembers_how_far_its_own_ledger_had_come(directory: Directory) -> None:
    with Claim.take(directory, FEEDER, new_token()) as claim:
        claim.enter()
        claim.note(7)
        claim.note(5)
    with Claim.take(directory, FEEDER, new_token()) as again:
        assert again.commits_before == 7
    with Claim.take(directory, replace(FEEDER, ledger="another"), new_token()) as other:
        assert other.commits_before == 0


def test_what_was_noted_outlives_the_next_poll(directory: Directory) -> None:
    with Claim.take(directory, FEEDER, new_token()) as claim:
        claim.enter()
        claim.note(7)
    for _ in range(2):
        with Claim.take(directory, FEEDER, new_token()) as claim:
            claim.enter()
            assert claim.commits_before == 7


def test_who_finds_another_token_there_has_lost_it(
    claim: Claim, directory: Directory, tmp_path: Path
) -> None:
    claim.refuse_if_lost(directory)
    (tmp_path / FILE).unlink()
    with Claim.take(directory, FEEDER, new_token()) as other:
        other.enter()
        with pytest.raises(StagingLost, match="took the staging directory"):
            claim.refuse_if_lost(directory)
        assert not claim.is_there(directory)
        other.refuse_if_lost(directory)


def test_a_claim_that_is_gone_was_taken_by_nobody(claim: Claim, directory: Directory, tmp_path: Path) -> None:
    (tmp_path / FILE).unlink()
    claim.refuse_if_lost(directory)
    assert not claim.is_there(directory)


def test_a_claim_that_was_emptied_was_taken_by_nobody(
    claim: Claim, directory: Directory, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(b"")
    claim.refuse_if_lost(directory)
    assert not claim.is_there(directory)


@given(st.binary(max_size=300))
def test_whatever_stands_there_says_something_or_nothing(octets: bytes) -> None:
    written = Written.read(octets)
    assert len(written.place) in {0, 32}
    assert written.feeder is None


def test_a_claim_whose_end_was_torn_still_names_its_place(claim: Claim, tmp_path: Path) -> None:
    whole = (tmp_path / FILE).read_bytes()
    for length in range(33, len(whole)):
        assert Written.read(whole[:length]).place == claim.place
