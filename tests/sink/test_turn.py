"""Whose turn a mailbox is in a sink, where several ledgers feed it with that mailbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.errors import MailboxLocked
from support.sinks import KINDS, LEDGER, MAILBOX, OTHER, Sink, held, sink_of


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def of(kind: str, path: Path, ledger: str, mailbox: str = MAILBOX) -> Sink:
    return sink_of(kind, path / "sink", owner=f"{mailbox}-{ledger}")


def turns(path: Path) -> list[str]:
    return sorted(found.name for found in path.glob("sink/*staging/*.turn"))


def test_two_ledgers_that_delete_never_poll_one_mailbox_at_once(kind: str, tmp_path: Path) -> None:
    other = of(kind, tmp_path, OTHER)
    with held(of(kind, tmp_path, LEDGER)), pytest.raises(MailboxLocked, match="which feeds"), held(other):
        pass
    with held(other):
        pass


def test_other_mailboxes_do_not_wait(kind: str, tmp_path: Path) -> None:
    with held(of(kind, tmp_path, LEDGER)), held(of(kind, tmp_path, OTHER, mailbox="9" * 16)):
        pass


def test_who_has_no_turn_claims_nothing(kind: str, tmp_path: Path) -> None:
    with held(of(kind, tmp_path, LEDGER)), pytest.raises(MailboxLocked), held(of(kind, tmp_path, OTHER)):
        pass
    (claim,) = tmp_path.glob(f"sink/*staging/{MAILBOX}-{OTHER}/claim")
    assert claim.read_bytes() == b""


def test_the_file_goes_with_the_last_ledger_that_feeds_the_sink_with_the_mailbox(
    kind: str, tmp_path: Path
) -> None:
    both = [of(kind, tmp_path, LEDGER), of(kind, tmp_path, OTHER)]
    for sink in both:
        with held(sink):
            pass
    for sink, expected in zip(both, ([f"{MAILBOX}.turn"], []), strict=True):
        with held(sink) as staging:
            staging.remove()
        assert turns(tmp_path) == expected
