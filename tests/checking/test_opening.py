"""The opening of one mailbox: what is done there, and what never is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.checking.means import Means
from mailsluice.checking.opening import Opened, try_mailbox
from mailsluice.checking.steps import State, Step
from mailsluice.config.models import Mailbox
from mailsluice.errors import CommandRefused, DeadlineExceeded, LedgerError, LoginRefused
from mailsluice.ledger import Ledger, open_ledger
from mailsluice_sandbox import Close, Fault, Refuse, Sandbox, SandboxMailbox, Silence, mail
from support.checks import line, loaded, means_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def theirs(sandbox: Sandbox) -> SandboxMailbox:
    found = sandbox.mailbox("a@acme.example")
    found.deliver(mail.invoice(1))
    return found


@pytest.fixture
def means(sandbox: Sandbox, theirs: SandboxMailbox, tmp_path: Path) -> Means:
    theirs.full_access = True
    return means_of(loaded(tmp_path, sandbox, "a"))


@pytest.fixture
def box(means: Means) -> Mailbox:
    return means.config.mailboxes["a"]


@pytest.fixture
def ledger(means: Means) -> Iterator[Ledger]:
    open_ledger(means.config.service).close()
    with open_ledger(means.config.service, read_only=True) as ledger:
        yield ledger


def opened(box: Mailbox, means: Means) -> Opened:
    return try_mailbox(box, means.credentials.login(box), means)


def test_it_logs_in_counts_and_leaves(theirs: SandboxMailbox, box: Mailbox, means: Means) -> None:
    assert opened(box, means) == Opened()

    assert [line.step.value for line in means.journal.lines] == ["connect", "AUTH", "STAT", "QUIT"]
    assert line(means, Step.STAT).detail.startswith("1 message, ")
    verbs = [command.split()[0] for command in theirs.sessions[-1].commands]
    assert not {"UIDL", "LIST", "RETR", "TOP", "DELE"} & set(verbs)
    assert len(theirs.messages) == 1


def test_a_refusal_of_the_login_is_one_at_auth(theirs: SandboxMailbox, box: Mailbox, means: Means) -> None:
    theirs.full_access = False

    found = opened(box, means)

    assert found.step is Step.AUTH
    assert isinstance(found.error, LoginRefused)


def test_a_refusal_after_the_login_is_one_at_stat(sandbox: Sandbox, box: Mailbox, means: Means) -> None:
    sandbox.faults.add(Fault("STAT", Refuse("Command is not valid in this state.")))
    found = opened(box, means)
    assert found.step is Step.STAT
    assert isinstance(found.error, CommandRefused)


def test_a_server_that_hangs_up_at_quit_is_no_error_as_in_a_poll(
    sandbox: Sandbox, box: Mailbox, means: Means
) -> None:
    sandbox.faults.add(Fault("QUIT", Close()))
    assert opened(box, means) == Opened()


def test_silence_is_no_verdict(sandbox: Sandbox, box: Mailbox, means: Means) -> None:
    armed = sandbox.faults.add(Fault("AUTH", Silence()))
    hasty = replace(means, deadlines=replace(means.deadlines, auth=0.05))

    found = opened(box, hasty)
    armed.release()

    assert isinstance(found.error, DeadlineExceeded)
    assert line(means, Step.AUTH).state is State.NO_ANSWER


def test_no_second_session_is_opened_while_a_poll_goes_on(
    theirs: SandboxMailbox, box: Mailbox, means: Means, ledger: Ledger
) -> None:
    before = len(theirs.sessions)

    with ledger.leases.hold(box.key):
        found = opened(box, replace(means, ledger=ledger))

    assert found == Opened(is_polled=True)
    assert len(theirs.sessions) == before
    assert line(means, Step.AUTH).state is State.LEFT_OUT


def test_no_poll_begins_meanwhile_if_there_ever_was_one(
    box: Mailbox, means: Means, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.leases.hold(box.key):
        pass
    held: list[bool] = []

    def session(*_: object) -> Opened:
        found = opened(box, replace(means, ledger=ledger))
        held.append(found.is_polled)
        return Opened()

    monkeypatch.setattr("mailsluice.checking.opening._session", session)
    opened(box, replace(means, ledger=ledger))

    assert held == [True]


def test_no_file_is_made_for_a_mailbox_that_was_never_polled(
    box: Mailbox, means: Means, ledger: Ledger
) -> None:
    def files() -> set[Path]:
        return set(means.config.service.state_dir.rglob("*"))

    before = files()
    assert opened(box, replace(means, ledger=ledger)) == Opened()
    assert files() == before


def test_a_lock_that_cannot_be_used_is_told_and_the_mailbox_is_tried_all_the_same(
    box: Mailbox, means: Means, ledger: Ledger
) -> None:
    with ledger.leases.hold(box.key):
        pass
    (lock,) = (means.config.service.state_dir / "locks").iterdir()
    lock.chmod(0o666)

    found = opened(box, replace(means, ledger=ledger))

    assert found.step is Step.LEDGER
    assert isinstance(found.error, LedgerError)
    assert line(means, Step.LEDGER).state is State.FAILED
    assert line(means, Step.STAT).state is State.OK
