"""What every ledger promises of the lease on a mailbox: `session.ports.Leases`, on each implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.ledgers import KEY, OTHER
from mailsluice.config.models import Service
from mailsluice.errors import MailboxLocked
from mailsluice.session.ports import Leases, Ledger

HOLDER = f"""
import sys
from mailsluice.config.models import Service
from mailsluice.ledger import open_ledger
from mailsluice.model import MailboxKey
with open_ledger(Service.model_validate_json(sys.argv[1])) as ledger:
    with ledger.leases.hold(MailboxKey{(KEY.host, KEY.address)}):
        print("held", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def holder(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which holds KEY until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, service.model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


@pytest.fixture
def leases(ledger: Ledger) -> Leases:
    return ledger.leases


def hold(leases: Leases) -> None:
    with leases.hold(KEY):
        pass


def test_a_mailbox_that_is_held_cannot_be_had_until_it_is_free(leases: Leases) -> None:
    with leases.hold(KEY), pytest.raises(MailboxLocked):
        hold(leases)
    hold(leases)


def test_mailboxes_are_held_one_by_one(leases: Leases) -> None:
    with leases.hold(KEY), leases.hold(OTHER):
        pass


def test_it_is_held_against_other_threads(leases: Leases) -> None:
    with leases.hold(KEY), ThreadPoolExecutor(1) as thread, pytest.raises(MailboxLocked):
        thread.submit(hold, leases).result()


def test_it_is_held_against_whoever_opened_the_ledger_too(
    leases: Leases, opened: Callable[[], Ledger]
) -> None:
    with opened() as other:
        with leases.hold(KEY), pytest.raises(MailboxLocked):
            hold(other.leases)
        hold(other.leases)


def test_who_leaves_it_by_an_error_lets_go(leases: Leases) -> None:
    with pytest.raises(ZeroDivisionError), leases.hold(KEY):
        raise ZeroDivisionError
    hold(leases)


def test_it_is_held_against_other_processes(leases: Leases, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(MailboxLocked):
        hold(leases)
    holder.communicate()
    hold(leases)


def test_it_is_free_when_its_holder_was_killed(leases: Leases, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    hold(leases)
