"""Places: sessions at once, and who has to do with one."""

from __future__ import annotations

import threading
from datetime import timedelta

from mailsluice.model import MailboxKey
from mailsluice.session.places import Places
from session.fakes import HandClock
from support.waiting import wait_until

KEY, OTHER = MailboxKey("h", "a"), MailboxKey("h", "b")


def test_a_further_session_has_a_place_only_while_one_is_free() -> None:
    places = Places(2, HandClock())
    with places.own():
        with places.own(), places.further(KEY) as none_left:
            assert not none_left
        with places.further(KEY) as one_left:
            assert one_left


def test_further_sessions_leave_half_of_all_places_to_polls() -> None:
    places = Places(5, HandClock())
    with places.further(KEY) as first, places.further(OTHER) as second, places.further(KEY) as third:
        assert (first, second, third) == (True, True, False)
        with places.own(), places.own(), places.own():
            pass


def test_where_there_is_one_place_it_is_for_polls() -> None:
    with Places(1, HandClock()).further(KEY) as free:
        assert not free


def test_a_poll_waits_for_a_place_that_a_further_session_has() -> None:
    places = Places(2, HandClock())
    began: list[str] = []

    def poll() -> None:
        with places.own():
            began.append("poll")

    with places.own():
        with places.further(KEY):
            assert not places.crowded
            thread = threading.Thread(target=poll)
            thread.start()
            wait_until(lambda: places.crowded, "the poll waits")
            began.append("further")
        thread.join()
    assert began == ["further", "poll"]
    assert not places.crowded


def test_a_mailbox_opened_once_only_is_left_alone_for_an_hour() -> None:
    clock = HandClock()
    places = Places(9, clock)
    assert places.leave_alone(KEY)
    assert not places.leave_alone(KEY)
    for minutes, expected in ((0, False), (59, False), (1, True)):
        clock.advance(timedelta(minutes=minutes))
        with places.further(KEY) as free, places.further(OTHER) as free_for_other:
            assert (free, free_for_other) == (expected, True)


def test_more_places_let_in_who_waits() -> None:
    places = Places(1, HandClock())
    inside = threading.Event()

    def poll() -> None:
        with places.own():
            inside.set()

    with places.own():
        thread = threading.Thread(target=poll)
        thread.start()
        wait_until(lambda: places.crowded, "the poll waits")
        places.resize(2)
        assert inside.wait(20)
    thread.join()


def test_fewer_places_throw_nobody_out_and_let_nobody_in() -> None:
    places = Places(4, HandClock())
    with places.own(), places.own():
        places.resize(2)
        with places.further(KEY) as free:
            assert not free
    with places.own(), places.further(KEY) as free:
        assert free
