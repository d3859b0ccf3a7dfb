"""What a poll tells those who watch it: its phases in their order, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailsluice.config.models import Mailbox
from mailsluice.errors import Phase
from session.world import ONE, THREE, TWO, World


class Watcher:
    """Notes what it is told of the one mailbox there is."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def polling(self, mailbox: Mailbox) -> Iterator[None]:
        assert mailbox.name == "invoices"
        self.told.append("begins")
        try:
            yield
        finally:
            self.told.append("ends")

    def phase(self, mailbox: Mailbox, phase: Phase) -> None:
        assert mailbox.name == "invoices"
        self.told.append(phase.value)

    def planned(self, mailbox: Mailbox, messages: int) -> None:
        assert mailbox.name == "invoices"
        self.told.append(f"{messages} planned")

    def arrived(self, mailbox: Mailbox, octets: int) -> None:
        assert mailbox.name == "invoices"
        self.told.append(f"{octets} octets")


@pytest.fixture
def watcher(world: World) -> Watcher:
    watcher = Watcher()
    world.progress = watcher
    return watcher


def test_a_poll_goes_through_its_phases_in_order(world: World, watcher: Watcher) -> None:
    world.deliver(ONE, TWO)
    world.poll()

    assert watcher.told == [
        "begins",
        "token",
        "connect",
        "auth",
        "listing",
        "retrieve",
        "2 planned",
        f"{len(ONE)} octets",
        f"{len(TWO)} octets",
        "quit",
        "ends",
    ]


def test_a_poll_without_new_mail_retrieves_nothing(world: World, watcher: Watcher) -> None:
    world.poll()

    assert watcher.told == ["begins", "token", "connect", "auth", "listing", "quit", "ends"]


def test_what_an_earlier_poll_stored_is_deleted_in_a_phase_of_its_own(world: World, watcher: Watcher) -> None:
    world.configure(leave_on_server=True)
    world.deliver(ONE, TWO, THREE)
    world.poll()
    world.configure(leave_on_server=False)
    world.pass_days(1)
    del watcher.told[:]
    world.poll()

    assert watcher.told[-4:] == ["listing", "delete", "quit", "ends"]


def test_a_poll_that_fails_has_ended(world: World, watcher: Watcher) -> None:
    world.deliver(ONE, TWO)
    world.server.cut = {b"u2"}
    world.poll()

    assert watcher.told[-1] == "ends"
    assert watcher.told.count("begins") == 1


def test_a_mailbox_that_is_polled_already_does_not_begin_again(world: World, watcher: Watcher) -> None:
    with world.ledger.leases.hold(world.mailbox.key):
        assert world.outcome()[0] == "mailbox-locked"

    assert watcher.told == []
