"""Who is polled aside of the others, and whose session gives way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.outcome import Answer
from mailsluice.polling.answers import LULL, Answers, Silence


def mailbox(name: str, host: str) -> Mailbox:
    sink = SpoolSink.model_validate({"path": "/spool"})
    common = {"name": name, "address": f"{name}@x.example", "credential": "acme", "host": host}
    return Mailbox.model_validate({**common, "sink": sink, "every": "1m"})


class Minute:
    """The standing of `a` to `d` of one host and of `other` of another."""

    def __init__(self) -> None:
        self.answers = Answers([*(mailbox(name, "here") for name in "abcd"), mailbox("other", "there")])

    def polled(
        self, name: str, answer: Answer = Answer.GIVEN, *, at: float, served: bool = True
    ) -> Sequence[str]:
        self.answers.begin(name, at)
        return self.ended(name, answer, served=served and answer is Answer.GIVEN)

    def ended(self, name: str, answer: Answer, *, served: bool = False) -> Sequence[str]:
        return sorted(self.answers.end(name, answer, served=served))

    def give_way(self, *silent: Silence, waiting: Sequence[str], now: float, kept: int = 0) -> list[str]:
        self.answers.give_way(silent, waiting, kept, now - LULL)
        return [silent[place].name for place in self.answers.give_way(silent, waiting, kept, now)]


@pytest.fixture
def minute() -> Minute:
    return Minute()


@pytest.mark.parametrize("answer", [Answer.MISSED, Answer.NOT_AWAITED])
def test_a_mailbox_without_an_answer_is_polled_aside_until_it_has_one(minute: Minute, answer: Answer) -> None:
    assert not minute.answers.is_aside("a")
    minute.polled("a", answer, at=0)
    assert minute.answers.is_aside("a")
    minute.polled("a", at=60, served=False)
    assert not minute.answers.is_aside("a")


def test_a_silent_session_gives_way_to_a_mailbox_whose_server_answers_meanwhile(minute: Minute) -> None:
    minute.answers.begin("a", 0)
    minute.polled("b", at=2)

    assert minute.give_way(Silence("a", 1), waiting=["c"], now=20) == ["a"]


def test_none_gives_way_where_no_whole_poll_was_served_since_it_fell_silent(minute: Minute) -> None:
    minute.polled("b", at=0)

    assert minute.give_way(Silence("a", 1), waiting=["c"], now=20) == []


def test_what_another_host_serves_proves_nothing_for_mailboxes_that_wait_for_this_one(minute: Minute) -> None:
    minute.polled("other", at=2)

    assert minute.give_way(Silence("a", 1), waiting=["c"], now=20) == []
    assert minute.give_way(Silence("a", 1), waiting=["other"], now=40) == ["a"]


def test_none_gives_way_before_a_lull(minute: Minute) -> None:
    minute.polled("b", at=2)

    assert minute.give_way(Silence("a", 1), waiting=["c"], now=LULL + 0.9) == []


def test_none_gives_way_to_a_mailbox_that_only_just_waits(minute: Minute) -> None:
    minute.polled("b", at=2)
    silent = [Silence("a", 1)]

    assert minute.answers.give_way(silent, ["c"], 0, 20) == []
    assert minute.answers.give_way(silent, [], 0, 21) == []
    assert minute.answers.give_way(silent, ["c"], 0, 26) == []
    assert minute.answers.give_way(silent, ["c"], 0, 26 + LULL) == [0]


def test_as_many_give_way_as_wait_and_the_youngest_first(minute: Minute) -> None:
    minute.polled("d", at=10)
    silent = [Silence("a", 1), Silence("b", 3), Silence("c", 2)]

    assert minute.give_way(*silent, waiting=["d"], now=20) == ["b"]


def test_as_many_as_are_kept_give_way_to_nobody(minute: Minute) -> None:
    minute.polled("d", at=10)

    assert minute.give_way(Silence("a", 1), waiting=["d"], now=20, kept=1) == []


def test_those_kept_are_who_gave_way_before_and_who_waits_longest(minute: Minute) -> None:
    minute.polled("c", Answer.NOT_AWAITED, at=0)
    minute.polled("d", at=10)
    minute.polled("other", at=10)
    silent = [Silence("a", 1), Silence("b", 3), Silence("c", 4)]

    assert minute.give_way(*silent, waiting=["d", "other"], now=20, kept=1) == ["b", "a"]


def test_mailboxes_that_failed_with_their_host_are_back_once_it_serves_one(minute: Minute) -> None:
    for name in "abc":
        minute.polled(name, Answer.MISSED, at=1)

    assert minute.polled("d", at=2) == ["a", "b", "c"]
    assert not minute.answers.is_aside("a")
    assert minute.polled("d", at=3) == []


def test_a_poll_begun_before_proves_no_host_to_be_back(minute: Minute) -> None:
    minute.answers.begin("d", 0)
    minute.polled("a", Answer.MISSED, at=1)

    assert minute.ended("d", Answer.GIVEN, served=True) == []


def test_a_mailbox_that_hung_while_its_host_served_another_is_not_back(minute: Minute) -> None:
    minute.answers.begin("a", 0)
    minute.polled("b", at=1)
    minute.ended("a", Answer.MISSED)

    assert minute.polled("b", at=2) == []
    assert minute.answers.is_aside("a")


def test_a_mailbox_is_back_with_its_host_once_until_it_is_served_itself(minute: Minute) -> None:
    minute.polled("a", Answer.MISSED, at=1)
    assert minute.polled("b", at=2) == ["a"]
    minute.polled("a", Answer.MISSED, at=3)
    assert minute.polled("b", at=4) == []
    minute.polled("a", at=5)
    minute.polled("a", Answer.MISSED, at=6)
    assert minute.polled("b", at=7) == ["a"]


def test_a_reload_keeps_what_is_known_of_mailboxes_that_are_where_they_were(minute: Minute) -> None:
    minute.polled("a", Answer.MISSED, at=0)
    minute.polled("b", Answer.MISSED, at=0)

    minute.answers.follow([mailbox("a", "here"), mailbox("b", "elsewhere"), mailbox("new", "here")])

    assert [minute.answers.is_aside(name) for name in ("a", "b", "new")] == [True, False, False]


def test_a_removed_mailbox_that_is_still_under_way_is_nobody_to_judge(minute: Minute) -> None:
    minute.answers.begin("a", 0)
    minute.polled("b", at=2)
    minute.answers.follow([mailbox("b", "here"), mailbox("c", "here")])

    assert not minute.answers.is_aside("a")
    assert minute.give_way(Silence("a", 1), waiting=["a", "c"], now=20) == []
