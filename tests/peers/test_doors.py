"""The IMAP door of a real server: it opens by the login of POP3, and a refusal is understood."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailsluice.checking.knocking import doors
from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door
from mailsluice.errors import LoginRefused, Phase
from mailsluice.model import BearerToken
from mailsluice.net.connections import Connections
from mailsluice.pop3.deadlines import Deadlines
from peers.dovecot import Dovecot, PeerMailbox

MAIL = b"Subject: x\r\n\r\nbody\r\n"


@pytest.fixture
def mailbox(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    monkeypatch.setitem(doors.PORTS, Door.IMAP, dovecot.imap_port)
    return Mailbox.model_validate(
        {
            "name": "peer",
            "address": peer.address,
            "credential": "peer",
            "host": dovecot.host,
            "ca_file": str(dovecot.ca_file),
            "sink": {"kind": "spool", "path": str(tmp_path / "spool")},
        }
    )


def knock(mailbox: Mailbox, token: str) -> None:
    doors.knock(
        Door.IMAP,
        mailbox,
        BearerToken(token),
        clock=SystemClock(),
        connections=Connections(),
        deadlines=Deadlines(),
    )


def test_the_door_opens_and_nothing_in_the_mailbox_changes(
    dovecot: Dovecot, peer: PeerMailbox, mailbox: Mailbox
) -> None:
    peer.deliver(MAIL)
    before = [path.name for path in (peer.maildir / "new").iterdir()]
    knock(mailbox, dovecot.token())

    assert [path.name for path in (peer.maildir / "new").iterdir()] == before
    assert peer.remaining() == [MAIL]


def test_a_token_that_has_ended_is_refused_with_the_reason_of_the_challenge(
    dovecot: Dovecot, mailbox: Mailbox
) -> None:
    token = dovecot.token(expires_in=-int(timedelta(hours=1).total_seconds()))
    with pytest.raises(LoginRefused, match=r"\(status \w+") as refused:
        knock(mailbox, token)

    assert refused.value.phase is Phase.AUTH
    assert refused.value.reply.startswith("NO ")
