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
    with places.own(), places.further(KEY) as first, places.further(KEY) as second:
        assert (first, second) == (True, False)
    with places.own(), places.further(KEY) as again:
        assert again


def test_a_poll_waits_for_a_place_that_a_further_session_has() -> None:
    places = Places(1, HandClock())
    begun = threading.Event()

    def poll() -> None:
        with places.own():
            begun.set()

    with places.further(KEY):
        thread = threading.Thread(target=poll)
        thread.start()
        assert not begun.wait(0.05)
    wait_until(begun.is_set, "the poll has its place")
    thread.join()


def test_a_mailbox_opened_once_only_is_left_alone_for_an_hour() -> None:
    clock = HandClock()
    places = Places(9, clock)
    places.leave_alone(KEY)
    for minutes, expected in ((0, False), (59, False), (1, True)):
        clock.advance(timedelta(minutes=minutes))
        with places.further(KEY) as free, places.further(OTHER) as free_for_other:
            assert (free, free_for_other) == (expected, True)
