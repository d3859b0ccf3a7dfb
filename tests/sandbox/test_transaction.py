from __future__ import annotations

import pytest

from mailsluice_sandbox import Sandbox, SandboxMailbox
from mailsluice_sandbox.transaction import stuffed
from sandbox.raw_client import ADDRESS, RawClient

FIRST = b"Subject: first\r\n\r\none\r\ntwo\r\n"
SECOND = b"Subject: second\r\n\r\n" + b"x" * 1000 + b"\r\n"


@pytest.fixture
def mailbox(sandbox: Sandbox) -> SandboxMailbox:
    mailbox = sandbox.mailbox(ADDRESS)
    mailbox.deliver(FIRST)
    mailbox.deliver(SECOND)
    return mailbox


@pytest.fixture
def session(mailbox: SandboxMailbox, client: RawClient) -> RawClient:
    """Logged in to a mailbox of two messages."""
    assert client.log_in(ADDRESS).startswith(b"+OK")
    return client


def test_uidl_lists_every_message(session: RawClient) -> None:
    assert session.ask_many(b"UIDL") == [b"1 6499\r\n", b"2 6500\r\n"]


def test_uidl_and_list_answer_for_one_message_on_one_line(session: RawClient) -> None:
    assert session.ask(b"UIDL 2") == b"+OK 2 6500\r\n"
    assert session.ask(b"LIST 2") == b"+OK " + session.ask_many(b"LIST")[1]


def test_stat_sums_up_what_list_says(session: RawClient) -> None:
    sizes = [int(line.split()[1]) for line in session.ask_many(b"LIST")]
    assert session.ask(b"STAT") == b"+OK 2 %d\r\n" % sum(sizes)


@pytest.mark.parametrize(
    "command",
    [
        b"RETR 3",
        b"RETR 0",
        b"RETR",
        b"RETR \xb2",
        b"UIDL 3",
        b"LIST 3",
        b"DELE 3",
        b"TOP 3 0",
        b"TOP 1",
        b"TOP 1 x",
    ],
)
def test_a_number_that_is_none_is_refused(session: RawClient, command: bytes) -> None:
    assert session.ask(command).startswith(b"-ERR")
    assert session.ask(b"NOOP") == b"+OK\r\n"


def test_retr_gives_the_message(session: RawClient) -> None:
    assert b"".join(session.ask_many(b"RETR 1")) == FIRST


def test_top_gives_the_header_and_so_many_lines(session: RawClient) -> None:
    assert b"".join(session.ask_many(b"TOP 1 0")) == b"Subject: first\r\n\r\n"
    assert b"".join(session.ask_many(b"TOP 1 1")) == b"Subject: first\r\n\r\none\r\n"
    assert b"".join(session.ask_many(b"TOP 1 99")) == FIRST


def test_a_message_marked_for_deletion_is_not_shown_any_more(session: RawClient) -> None:
    session.ask(b"DELE 1")
    assert session.ask_many(b"UIDL") == [b"2 6500\r\n"]
    assert session.ask(b"RETR 1").startswith(b"-ERR")
    assert session.ask(b"DELE 1").startswith(b"-ERR")
    assert session.ask(b"STAT").startswith(b"+OK 1 ")


def test_deletions_happen_at_quit(session: RawClient, mailbox: SandboxMailbox) -> None:
    session.ask(b"DELE 1")
    assert mailbox.remaining() == (b"6499", b"6500")
    session.ask(b"QUIT")
    assert mailbox.remaining() == (b"6500",)
    assert mailbox.deleted == (b"6499",)


def test_nothing_is_deleted_without_quit(
    sandbox: Sandbox, session: RawClient, mailbox: SandboxMailbox
) -> None:
    session.ask(b"DELE 1")
    session.tls.close()
    sandbox.close()
    assert mailbox.remaining() == (b"6499", b"6500")


def test_rset_takes_the_marks_away(session: RawClient, mailbox: SandboxMailbox) -> None:
    session.ask(b"DELE 1")
    session.ask(b"RSET")
    assert len(session.ask_many(b"UIDL")) == 2
    session.ask(b"QUIT")
    assert mailbox.deleted == ()


def test_a_session_does_not_see_what_comes_later(session: RawClient, mailbox: SandboxMailbox) -> None:
    mailbox.deliver(FIRST)
    assert session.ask(b"STAT").startswith(b"+OK 2 ")


@pytest.mark.parametrize(
    ("message", "travels"),
    [
        (b"", b""),
        (b"a\r\n", b"a\r\n"),
        (b"a", b"a\r\n"),
        (b"a\n", b"a\n\r\n"),
        (b".\r\n", b"..\r\n"),
        (b"a\r\n.\r\n.b\r\n..\r\n", b"a\r\n..\r\n..b\r\n...\r\n"),
        (b"a\n.\nb\r.\rc\r\n", b"a\n.\nb\r.\rc\r\n"),
        (b"\0\xff\r\n", b"\0\xff\r\n"),
    ],
)
def test_a_message_travels_with_its_dots_stuffed_and_its_last_line_ended(
    message: bytes, travels: bytes
) -> None:
    assert stuffed(message) == travels
