"""Slots: sessions at once, and who has to do with one."""

from __future__ import annotations

import threading
from datetime import timedelta

from mailsluice.model import MailboxKey
from mailsluice.polling.slots import Slots
from session.fakes import HandClock
from support.waiting import wait_until

KEY, OTHER = MailboxKey("h", "a"), MailboxKey("h", "b")


def test_an_extra_session_has_a_slot_only_while_one_is_free() -> None:
    slots = Slots(2, HandClock())
    with slots.own():
        with slots.own(), slots.extra(KEY) as none_left:
            assert not none_left
        with slots.extra(KEY) as one_left:
            assert one_left


def test_extra_sessions_leave_half_of_all_slots_to_polls() -> None:
    slots = Slots(5, HandClock())
    with slots.extra(KEY) as first, slots.extra(OTHER) as second, slots.extra(KEY) as third:
        assert (first, second, third) == (True, True, False)
        with slots.own(), slots.own(), slots.own():
            pass


def test_where_there_is_one_place_it_is_for_polls() -> None:
    with Slots(1, HandClock()).extra(KEY) as free:
        assert not free


def test_a_poll_waits_for_a_slot_that_an_extra_session_has() -> None:
    slots = Slots(2, HandClock())
    began: list[str] = []

    def poll() -> None:
        with slots.own():
            began.append("poll")

    with slots.own():
        with slots.extra(KEY):
            assert not slots.crowded
            thread = threading.Thread(target=poll)
            thread.start()
            wait_until(lambda: slots.crowded, "the poll waits")
            began.append("extra")
        thread.join()
    assert began == ["extra", "poll"]
    assert not slots.crowded


def test_a_mailbox_opened_once_only_is_left_alone_for_an_hour() -> None:
    clock = HandClock()
    slots = Slots(9, clock)
    assert slots.leave_alone(KEY)
    assert not slots.leave_alone(KEY)
    for minutes, expected in ((0, False), (59, False), (1, True)):
        clock.advance(timedelta(minutes=minutes))
        with slots.extra(KEY) as free, slots.extra(OTHER) as free_for_other:
            assert (free, free_for_other) == (expected, True)


def test_more_slots_let_in_who_waits() -> None:
    slots = Slots(1, HandClock())
    inside = threading.Event()

    def poll() -> None:
        with slots.own():
            inside.set()

    with slots.own():
        thread = threading.Thread(target=poll)
        thread.start()
        wait_until(lambda: slots.crowded, "the poll waits")
        slots.resize(2)
        assert inside.wait(20)
    thread.join()


def test_fewer_slots_throw_nobody_out_and_let_nobody_in() -> None:
    slots = Slots(4, HandClock())
    with slots.own(), slots.own():
        slots.resize(2)
        with slots.extra(KEY) as free:
            assert not free
    with slots.own(), slots.extra(KEY) as free:
        assert free
