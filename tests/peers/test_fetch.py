"""What Dovecot hands out is stored to the octet, once, and deleted as the mailbox's section says."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from peers.account import Account, with_lf
from peers.dovecot import Dovecot, PeerMailbox
from support.program import PATIENCE, Daemon
from support.staging import staged_in
from support.waiting import wait_until

BODIES = {
    "plain": b"plain\r\n",
    "umlauts": "Grüße, schönes Wetter, weiße Straße\r\n".encode(),
    "8-bit": bytes(range(0x80, 0x100)) + b"\r\n",
    "controls-and-nul": bytes(set(range(0x20)) - {0x0A, 0x0D}) + b"\x00\x00\r\n\x00\r\n",
    "dot-lines": b".\r\n..\r\n...\r\n.leading\r\n \r\n.\r\n",
    "bare-cr": b"a\rb\r\r\n\r.\r\n\r\r\r\n",
    "long-line": b"x" * 1_000_000 + b"\r\n",
    "dots-on-a-long-line": b"." * 100_000 + b"\r\n",
    "blank-lines-at-the-end": b"\r\n" * 5000,
    "no-body": b"",
    "25-MB": (bytes(range(0x20, 0x7F)) + b"..\r\n.") * 250_000 + b"\r\n",
}


def message(body: bytes, *fields: str) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode() + b"\r\n" + body


def messages(count: int) -> list[bytes]:
    return [message(b"%d\r\n" % number, f"Subject: {number}") for number in range(count)]


@pytest.fixture
def account(dovecot: Dovecot, peer: PeerMailbox, tmp_path: Path) -> Account:
    return Account(dovecot, peer, tmp_path)


class Delivery:
    """One message of each kind, fetched in one poll."""

    def __init__(self, dovecot: Dovecot, sink: str, folder: Path) -> None:
        peer = dovecot.mailbox(f"{sink}-{secrets.token_hex(4)}@contoso.test")
        self.account = Account(dovecot, peer, folder)
        self.account.configure(sink=sink)
        self.sent = {kind: message(body, f"X-Kind: {kind}") for kind, body in BODIES.items()}
        self.uidls = dict(zip(self.sent, peer.deliver_many(self.sent.values()), strict=True))
        self.polled = self.account.poll()

    def stored(self, kind: str) -> list[bytes]:
        header = f"X-Kind: {kind}".encode()
        return [octets for octets in self.account.stored() if octets.splitlines()[0] == header]


@pytest.fixture(scope="module")
def spool(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return Delivery(dovecot, "spool", tmp_path_factory.mktemp("spool"))


@pytest.fixture(scope="module")
def maildir(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    return Delivery(dovecot, "maildir", tmp_path_factory.mktemp("maildir"))


@pytest.mark.parametrize("kind", BODIES)
def test_a_spool_has_each_message_octet_for_octet(spool: Delivery, kind: str) -> None:
    assert spool.stored(kind) == [spool.sent[kind]]


@pytest.mark.parametrize("kind", BODIES)
def test_a_maildir_has_each_message_with_lf_and_nothing_else_changed(maildir: Delivery, kind: str) -> None:
    assert maildir.stored(kind) == [with_lf(maildir.sent[kind])]


@pytest.mark.parametrize("kind", BODIES)
def test_a_description_names_the_octets_beside_it(spool: Delivery, kind: str) -> None:
    (description,) = [
        description
        for _, description in spool.account.spooled()
        if description["uidl"] == spool.uidls[kind].decode()
    ]
    assert description["size"] == len(spool.sent[kind])
    assert description["sha256"] == hashlib.sha256(spool.sent[kind]).hexdigest()


def test_what_is_stored_is_deleted(spool: Delivery, maildir: Delivery) -> None:
    for delivery in (spool, maildir):
        assert delivery.polled.code == 0
        assert delivery.polled.report["deleted"] == len(BODIES)
        assert delivery.account.peer.remaining() == []
        assert staged_in(delivery.account.sink) == []


def test_a_description_says_what_the_header_says(account: Account) -> None:
    subject = "Rechnung für März: drei Räder"
    words = [base64.b64encode(part.encode()).decode() for part in (subject[:14], subject[14:])]
    (uidl,) = account.peer.deliver_many(
        [
            message(
                b"x\r\n",
                f"Subject: =?UTF-8?B?{words[0]}?=\r\n =?utf-8?b?{words[1]}?=",
                "From: =?iso-8859-1?Q?J=FCrgen_M=FCller?= <juergen@fabrikam.test>",
                "To: Rechnungen <rechnungen@contoso.test>,\r\n\tbuchhaltung@contoso.test",
                "Message-ID: <1@fabrikam.test>",
                "Date: Mon, 03 Mar 2025 09:00:00 +0100",
            )
        ]
    )
    before = datetime.now(UTC)
    account.poll()
    ((octets, description),) = account.spooled()
    assert before - timedelta(seconds=1) < datetime.fromisoformat(str(description.pop("stored_at")))
    assert description == {
        "mailbox": "box",
        "address": account.peer.address,
        "uidl": uidl.decode(),
        "size": len(octets),
        "sha256": hashlib.sha256(octets).hexdigest(),
        "subject": subject,
        "from": "Jürgen Müller <juergen@fabrikam.test>",
        "from_addresses": ["juergen@fabrikam.test"],
        "to": "Rechnungen <rechnungen@contoso.test>, buchhaltung@contoso.test",
        "to_addresses": ["rechnungen@contoso.test", "buchhaltung@contoso.test"],
        "message_id": "<1@fabrikam.test>",
        "date": "Mon, 03 Mar 2025 09:00:00 +0100",
    }


@pytest.mark.parametrize("sink", ["spool", "maildir"])
def test_what_is_kept_on_the_server_is_stored_once(account: Account, sink: str) -> None:
    account.configure(sink=sink, leave_on_server=True)
    sent = messages(3)
    account.peer.deliver_many(sent[:2])
    assert account.poll().counts == {"listed": 2, "stored": 2, "deleted": 0, "waiting": 0}
    account.peer.deliver(sent[2])
    assert account.poll().counts == {"listed": 3, "stored": 1, "deleted": 0, "waiting": 0}
    assert account.poll().counts == {"listed": 3, "stored": 0, "deleted": 0, "waiting": 0}
    assert account.peer.remaining() == sent
    assert [with_lf(octets) for octets in account.stored()] == [with_lf(octets) for octets in sent]


def test_what_a_consumer_took_is_not_stored_again(account: Account) -> None:
    account.configure(leave_on_server=True)
    account.peer.deliver_many(messages(2))
    account.poll()
    for path in account.sink.glob("*.eml"):
        path.unlink()
    assert account.poll().report["stored"] == 0
    assert account.stored() == []


def test_what_is_kept_for_a_time_stays_that_long(account: Account) -> None:
    account.configure(leave_on_server="30d")
    sent = messages(2)
    account.peer.deliver_many(sent)
    for stored in (2, 0):
        assert account.poll().counts == {"listed": 2, "stored": stored, "deleted": 0, "waiting": 0}
    assert account.peer.remaining() == sent


def test_what_is_kept_for_a_time_is_deleted_after_it(account: Account) -> None:
    account.configure(leave_on_server="1s")
    account.peer.deliver_many(messages(2))
    account.poll()
    give_up = time.monotonic() + PATIENCE
    while account.peer.remaining() and time.monotonic() < give_up:
        assert account.poll().report["stored"] == 0
    assert account.peer.remaining() == []
    assert account.stored() == messages(2)


def test_a_session_has_many_batches(account: Account) -> None:
    sent = messages(500)
    account.peer.deliver_many(sent)
    assert account.poll().counts == {"listed": 500, "stored": 500, "deleted": 500, "waiting": 0}
    assert account.stored() == sent
    assert account.peer.remaining() == []


def test_a_poll_fetches_so_many_and_the_next_takes_up_there(account: Account) -> None:
    account.configure(max_per_poll=2)
    sent = messages(5)
    account.peer.deliver_many(sent)
    for stored, waiting in ((2, 3), (2, 1), (1, 0)):
        polled = account.poll()
        assert (polled.report["stored"], polled.report["waiting"]) == (stored, waiting)
    assert account.stored() == sent


def test_a_message_too_large_stays_and_is_reported_once(account: Account) -> None:
    account.configure(max_message="10kB")
    small, large = message(b"x\r\n", "Subject: s"), message(b"x" * 20_000 + b"\r\n", "Subject: l")
    account.peer.deliver_many([large, small])
    first, second = account.poll(), account.poll()
    assert (first.code, second.code) == (0, 0)
    assert first.ended.stderr.count("message oversize") == 1
    assert "message oversize" not in second.ended.stderr
    assert account.stored() == [small]
    assert account.peer.remaining() == [large]


def test_a_message_too_large_is_fetched_once_the_limit_is_raised(account: Account) -> None:
    account.configure(max_message="10kB")
    large = message(b"x" * 20_000 + b"\r\n", "Subject: l")
    account.peer.deliver(large)
    account.poll()
    account.configure(max_message="30kB")
    account.poll()
    assert account.stored() == [large]
    assert account.peer.remaining() == []


def test_a_dry_run_says_what_would_be_done_and_touches_nothing(account: Account) -> None:
    account.configure(max_per_poll=1)
    sent = messages(2)
    first, second = account.peer.deliver_many(sent)
    ended = account.run("poll", "--dry-run", "--json")
    assert ended.code == 0
    assert [(d["uidl"], d["action"]) for d in json.loads(ended.stdout)["box"]] == [
        (first.decode(), "fetch"),
        (second.decode(), "leave"),
    ]
    assert account.peer.remaining() == sent
    assert account.stored() == []
    assert account.poll().report["stored"] == 1


def test_a_daemon_stores_what_arrives_while_it_runs(account: Account, tmp_path: Path) -> None:
    account.configure(every="1s")
    sent = messages(2)
    with Daemon(account.config, log=tmp_path / "log") as daemon:
        for number in (0, 1):
            account.peer.deliver(sent[number])
            wait_until(lambda: not account.peer.remaining(), "stored and deleted")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert account.stored() == sent
