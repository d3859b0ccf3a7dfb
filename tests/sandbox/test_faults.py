from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailsluice_sandbox import (
    Answer,
    Close,
    Drip,
    Fault,
    Garbage,
    Hangup,
    Pretend,
    Refuse,
    Relist,
    Rewrite,
    Sandbox,
    SandboxMailbox,
    Silence,
)
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE, SERVER_UNAVAILABLE, Action, Faults, When
from sandbox.raw_client import ADDRESS, RawClient

MESSAGE = b"Subject: x\r\n\r\n" + b"body\r\n" * 100
WHOLE = b"+OK\r\n" + MESSAGE + b".\r\n"


@pytest.fixture
def mailbox(sandbox: Sandbox) -> SandboxMailbox:
    """Two messages alike."""
    mailbox = sandbox.mailbox(ADDRESS)
    mailbox.deliver(MESSAGE)
    mailbox.deliver(MESSAGE)
    return mailbox


def log_in(client: RawClient) -> RawClient:
    assert client.log_in(ADDRESS).startswith(b"+OK")
    return client


def seen_at_the_end(client: RawClient) -> tuple[bytes, Hangup]:
    """What came before the connection ended, and how it ended."""
    octets = b""
    try:
        while received := client.tls.recv(65_536):
            octets += received
    except OSError:  # Python 3.11 reports a reset as a truncation, so the socket has to be asked
        return octets, Hangup.FIN if has_peer(client) else Hangup.RESET
    return octets, Hangup.NOTIFY


def has_peer(client: RawClient) -> bool:
    try:
        client.tls.getpeername()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", list(Hangup))
def test_closes_instead_of_greeting(sandbox: Sandbox, how: Hangup) -> None:
    sandbox.faults.add(Fault("GREETING", Close(how)))
    with RawClient(sandbox) as client:
        assert seen_at_the_end(client) == (b"", how)


@pytest.mark.parametrize("how", list(Hangup))
def test_closes_instead_of_carrying_out_a_command(
    sandbox: Sandbox,
    mailbox: SandboxMailbox,
    client: RawClient,
    how: Hangup,
) -> None:
    sandbox.faults.add(Fault("QUIT", Close(how)))
    log_in(client).ask(b"DELE 1")
    client.send(b"QUIT\r\n")
    assert seen_at_the_end(client) == (b"", how)
    assert mailbox.deleted == ()


def test_closes_after_carrying_out_a_command_and_before_answering(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    sandbox.faults.add(Fault("QUIT", Close(after_octets=0)))
    log_in(client).ask(b"DELE 1")
    client.send(b"QUIT\r\n")
    assert seen_at_the_end(client) == (b"", Hangup.FIN)
    assert len(mailbox.deleted) == 1


@pytest.mark.parametrize("how", [Hangup.NOTIFY, Hangup.FIN])
def test_closes_in_the_middle_of_a_message(
    sandbox: Sandbox,
    mailbox: SandboxMailbox,
    client: RawClient,
    how: Hangup,
) -> None:
    sandbox.faults.add(Fault("RETR", Close(how, after_octets=100)))
    log_in(client).send(b"RETR 1\r\n")
    assert seen_at_the_end(client) == (WHOLE[:100], how)


def test_resets_in_the_middle_of_a_message(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    sandbox.faults.add(Fault("RETR", Close(Hangup.RESET, after_octets=100)))
    log_in(client).send(b"RETR 1\r\n")
    octets, how = seen_at_the_end(client)
    assert WHOLE[:100].startswith(octets)  # a reset may overtake what was sent before it
    assert how is Hangup.RESET


def test_a_reset_is_one_of_tcp(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("GREETING", Close(Hangup.RESET)))
    with RawClient(sandbox) as client, pytest.raises(ConnectionResetError):
        list(iter(lambda: socket.socket.recv(client.tls, 65_536), b""))


def test_sends_what_is_made_of_an_answer_in_its_place(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    sandbox.faults.add(Fault("DELE", Rewrite(lambda answer: [b"-ERR not ", answer])))
    assert log_in(client).ask(b"DELE 1") == b"-ERR not +OK\r\n"
    client.ask(b"QUIT")
    assert len(mailbox.deleted) == 1


def test_what_has_no_end_is_sent_until_the_client_hangs_up(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    sandbox.faults.add(Fault("UIDL", Rewrite(itertools.repeat)))
    log_in(client).send(b"UIDL\r\n")
    seen = 0
    while seen < 1_000_000:
        seen += len(client.tls.recv(65_536))


@pytest.mark.parametrize("how", [Hangup.FIN, Hangup.RESET])
def test_closes_before_tls(sandbox: Sandbox, how: Hangup) -> None:
    sandbox.faults.add(Fault("CONNECT", Close(how)))
    with pytest.raises(OSError):  # noqa: PT011  which one depends on who is faster
        RawClient(sandbox)


def later(read: Callable[[], bytes], release: Callable[[], None]) -> bytes:
    """What is read once a silence is released; nothing may come before."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        with pytest.raises(TimeoutError):
            reading.result(timeout=0.05)
        release()
        return reading.result(timeout=10)


@pytest.mark.parametrize("after_octets", [None, 0, 3])
def test_is_silent_at_the_greeting_until_released(sandbox: Sandbox, after_octets: int | None) -> None:
    silence = sandbox.faults.add(Fault("GREETING", Silence(after_octets)))
    with RawClient(sandbox) as client:
        client.exactly(after_octets or 0)
        assert silence.wait(10)
        assert later(client.line, silence.release).endswith(b"]\r\n")


def test_is_silent_in_the_middle_of_a_message_until_released(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    silence = sandbox.faults.add(Fault("RETR", Silence(after_octets=100)))
    log_in(client).send(b"RETR 1\r\n")
    assert client.exactly(100) == WHOLE[:100]
    assert later(lambda: client.exactly(len(WHOLE) - 100), silence.release) == WHOLE[100:]


def test_is_silent_after_the_credential(sandbox: Sandbox, client: RawClient) -> None:
    silence = sandbox.faults.add(Fault("LOGIN", Silence()))
    answer = later(lambda: client.log_in(ADDRESS), silence.release)
    assert answer == b"+OK User successfully authenticated.\r\n"


def test_is_silent_before_tls(sandbox: Sandbox) -> None:
    silence = sandbox.faults.add(Fault("CONNECT", Silence()))

    def greet() -> bytes:
        with RawClient(sandbox) as client:
            return client.line()

    assert later(greet, silence.release).startswith(b"+OK")


def test_drips_one_octet_at_a_time(sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("RETR", Drip()))
    log_in(client).send(b"RETR 1\r\n")
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(WHOLE):
        pieces.append(client.tls.recv(65_536))
    assert b"".join(pieces) == WHOLE
    assert {len(piece) for piece in pieces} == {1}


def test_drips_as_slowly_as_it_is_told(sandbox: Sandbox, client: RawClient) -> None:
    drip = sandbox.faults.add(Fault("NOOP", Drip(pause=1000)))
    log_in(client).send(b"NOOP\r\n")
    assert client.exactly(1) == b"+"
    assert later(lambda: client.exactly(4), drip.release) == b"OK\r\n"


def test_refuses_one_message_and_gives_the_others(
    sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient
) -> None:
    poison, _ = mailbox.remaining()
    sandbox.faults.add(Fault("RETR", Refuse("cannot convert"), uidl=poison, times=None))
    log_in(client)
    for _ in range(2):
        assert client.ask(b"RETR 1") == b"-ERR cannot convert\r\n"
    assert b"".join(client.ask_many(b"RETR 2")) == MESSAGE


def test_is_unavailable_at_a_command(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("STAT", SERVER_UNAVAILABLE))
    assert log_in(client).ask(b"STAT") == b"-ERR Server Unavailable. 21\r\n"
    assert client.ask(b"STAT").startswith(b"+OK")


def test_refuses_logins_that_heal(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("LOGIN", AUTHENTICATION_FAILURE, times=2))
    answers = []
    for _ in range(3):
        with RawClient(sandbox) as client:
            answers.append(client.log_in(ADDRESS)[:4])
    assert answers == [b"-ERR", b"-ERR", b"+OK "]


def test_answers_garbage_once(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("UIDL", Garbage(b"\0\xff+OK?\r\n")))
    assert log_in(client).ask(b"UIDL") == b"\0\xff+OK?\r\n"
    assert client.ask(b"NOOP") == b"+OK\r\n"


def test_answers_garbage_without_end(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("STAT", Garbage(b"x" * 1000, endless=True)))
    log_in(client).send(b"STAT\r\n")
    assert client.exactly(1_000_000) == b"x" * 1_000_000


def test_pretends_to_delete_at_dele(sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("DELE", Pretend()))
    assert log_in(client).ask(b"DELE 1") == b"+OK\r\n"
    assert client.ask(b"QUIT").startswith(b"+OK")
    assert mailbox.deleted == ()


def test_pretends_to_delete_at_quit(sandbox: Sandbox, mailbox: SandboxMailbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("QUIT", Pretend()))
    log_in(client).ask(b"DELE 1")
    assert client.ask(b"QUIT").startswith(b"+OK")
    assert mailbox.deleted == ()


def test_shows_one_session_another_listing(sandbox: Sandbox, mailbox: SandboxMailbox) -> None:
    sandbox.faults.add(Fault("LISTING", Relist.EMPTY))
    listings = []
    for _ in range(2):
        with RawClient(sandbox) as client:
            listings.append(log_in(client).ask_many(b"UIDL"))
    assert listings == [[], [b"1 6499\r\n", b"2 6500\r\n"]]


def test_lets_occasions_pass_first(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.faults.add(Fault("NOOP", Refuse("no"), skip=2))
    log_in(client)
    assert [client.ask(b"NOOP")[:3] for _ in range(4)] == [b"+OK", b"+OK", b"-ER", b"+OK"]


def test_strikes_the_mailbox_it_is_meant_for_alone(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox("other@acme.example")
    refused = sandbox.faults.add(Fault("LOGIN", Refuse("not you"), mailbox="Other@acme.example"))
    assert client.log_in(ADDRESS).startswith(b"+OK")
    with RawClient(sandbox) as other:
        assert other.log_in("other@acme.example") == b"-ERR not you\r\n"
    assert refused.fired == 1


def test_faults_strike_in_the_order_they_were_added() -> None:
    faults = Faults()
    first = faults.add(Fault("NOOP", Refuse("1")))
    second = faults.add(Fault("NOOP", Refuse("2")))
    assert [faults.take("NOOP") for _ in range(3)] == [first, second, None]


def test_a_fault_strikes_as_often_as_it_says_however_many_threads_meet_it() -> None:
    faults = Faults()
    fault = faults.add(Fault("NOOP", Refuse("1"), times=50))
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: faults.take("NOOP"), range(400)))
    assert taken.count(fault) == fault.fired == 50


def test_clearing_takes_every_fault_away_and_ends_silences() -> None:
    faults = Faults()
    silence = faults.add(Fault("NOOP", Silence(), times=None))
    holding = threading.Thread(target=silence.hold, daemon=True)
    holding.start()
    faults.clear()
    holding.join(10)
    assert not holding.is_alive()
    assert faults.take("NOOP") is None


def test_waiting_for_a_fault_that_does_not_strike_comes_to_an_end() -> None:
    assert not Faults().add(Fault("NOOP", Refuse("x"))).wait(0.01)


@pytest.mark.parametrize(
    ("when", "do"),
    [
        ("CONNECT", Refuse("before TLS there is nobody to tell")),
        ("LISTING", Close()),
        ("RETR", Relist.EMPTY),
        ("RETR", Pretend()),
        ("RETR", Answer(500)),
        ("TOKEN", Pretend()),
    ],
)
def test_an_action_that_cannot_happen_then_is_an_error(when: When, do: Action) -> None:
    with pytest.raises(ValueError, match="cannot happen at"):
        Fault(when, do)


def test_an_occasion_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such occasion"):
        Fault("RETRIEVE", Close())  # type: ignore[arg-type]
