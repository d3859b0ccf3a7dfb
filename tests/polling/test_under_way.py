"""What is told of the polls that go on now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from mailsluice.polling.under_way import Running, UnderWay

BEGUN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Clock:
    time = BEGUN

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0


def mailbox(name: str) -> Mailbox:
    usual = {"name": name, "address": f"{name}@x.example", "credential": "acme", "host": "here"}
    return Mailbox.model_validate({**usual, "sink": {"kind": "spool", "path": "/spool"}, "every": "1m"})


A, B = mailbox("a"), mailbox("b")


def test_a_poll_that_begins_is_at_its_sink_and_has_nothing_yet() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        assert under_way.now() == {A.key: Running(BEGUN, Phase.SINK, 0, 0, 0)}


def test_a_poll_is_in_its_latest_phase_and_its_messages_and_octets_are_counted() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        under_way.phase(A, Phase.LISTING)
        under_way.phase(A, Phase.RETRIEVE)
        under_way.planned(A, 12)
        under_way.arrived(A, 100)
        under_way.arrived(A, 200)

        assert under_way.now()[A.key] == Running(BEGUN, Phase.RETRIEVE, 2, 12, 300)


def test_what_turns_out_later_to_be_fetched_adds_to_what_was_planned() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        under_way.planned(A, 2)
        under_way.planned(A, 3)

        assert under_way.now()[A.key].messages == 5


def test_a_message_that_nobody_planned_may_come() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        under_way.arrived(A, 100)

        assert under_way.now()[A.key].message == 1


def test_of_two_polls_each_has_its_own_counts() -> None:
    clock = Clock()
    under_way = UnderWay(clock)
    with under_way.polling(A):
        clock.time += timedelta(seconds=5)
        with under_way.polling(B):
            under_way.planned(B, 7)

            assert under_way.now() == {
                A.key: Running(BEGUN),
                B.key: Running(BEGUN + timedelta(seconds=5), messages=7),
            }


def test_nothing_is_kept_of_a_poll_that_has_ended() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        pass
    under_way.arrived(A, 100)

    assert under_way.now() == {}


def test_nothing_is_kept_of_a_poll_that_failed() -> None:
    under_way = UnderWay(Clock())
    with pytest.raises(ValueError, match="full"), under_way.polling(A):
        raise ValueError("full")

    assert under_way.now() == {}


def test_what_was_looked_at_does_not_change_any_more() -> None:
    under_way = UnderWay(Clock())
    with under_way.polling(A):
        looked = under_way.now()
    assert list(looked) == [A.key]


def test_no_count_is_lost_among_threads() -> None:
    under_way = UnderWay(Clock())

    def receive() -> None:
        for _ in range(200):
            under_way.arrived(A, 1)

    with under_way.polling(A):
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(receive) for _ in range(4)]:
                done.result()

        assert (under_way.now()[A.key].message, under_way.now()[A.key].octets) == (800, 800)
