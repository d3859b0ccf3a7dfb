from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from mailsluice.clock import SystemClock
from mailsluice.errors import SecretError
from mailsluice.net.deadlines import Deadline
from mailsluice.net.proxy import Barred, Proxy, ProxyFault, Route, first_stop, reach
from mailsluice.net.trials import Trials
from support.black_hole import black_hole
from support.connect_proxy import OPENED, Behaviour, ConnectProxy, demanding, refusing, saying, silent
from support.secrecy import CANARY

PASSWORD = f"{CANARY}-of-the-proxy"
TARGET = "pop.acme.example"


def patient() -> float:
    return 10.0


def through(proxy: ConnectProxy, password: Callable[[], str] | None = None) -> Proxy:
    user = "ann" if password else ""
    return Proxy("127.0.0.1", proxy.port, "service.proxy", "give it another password", user, password)


def reached(
    route: Route, host: str = TARGET, port: int = 995, left: Callable[[], float] = patient
) -> socket.socket:
    return reach(host, port, route, first_stop(host, port, route), left)


def fault(
    behave: Behaviour, left: Callable[[], float] = patient, *, with_password: bool = False
) -> ProxyFault:
    with ConnectProxy(behave) as proxy, pytest.raises(ProxyFault) as caught:
        reached(through(proxy, (lambda: PASSWORD) if with_password else None), left=left)
    print(caught.value, caught.value.remedy)
    assert str(caught.value).startswith(f"the proxy {proxy.url} (service.proxy) ")
    return caught.value


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything back."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                wire, _ = server.accept()
                with wire:
                    while octets := wire.recv(1000):
                        wire.sendall(octets)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_the_other_end_of_the_tunnel_is_the_server(echo: int) -> None:
    with ConnectProxy() as proxy, reached(through(proxy), "127.0.0.1", echo) as wire:
        wire.sendall(b"hello")
        assert wire.recv(1000) == b"hello"
        assert wire.gettimeout() is None


def test_the_proxy_is_told_the_server_and_no_more() -> None:
    with ConnectProxy(saying(OPENED)) as proxy:
        reached(through(proxy)).close()
    assert proxy.requests == [b"CONNECT pop.acme.example:995 HTTP/1.1\r\nHost: pop.acme.example:995\r\n\r\n"]


def test_an_ipv6_address_has_brackets() -> None:
    with ConnectProxy(saying(OPENED)) as proxy:
        reached(through(proxy), "::1").close()
    assert proxy.requests[0].startswith(b"CONNECT [::1]:995 HTTP/1.1\r\nHost: [::1]:995\r\n")


def test_user_and_password_are_sent_as_basic_in_utf_8() -> None:
    with ConnectProxy(saying(OPENED)) as proxy:
        reached(through(proxy, lambda: "grün: 1")).close()
    login = b64encode("ann:grün: 1".encode())
    assert b"\r\nProxy-Authorization: Basic " + login + b"\r\n\r\n" in proxy.requests[0]


def test_a_password_that_is_renewed_counts_for_the_next_connection() -> None:
    passwords = iter(["old", "new"])
    with ConnectProxy(saying(OPENED)) as proxy:
        route = through(proxy, lambda: next(passwords))
        reached(route).close()
        reached(route).close()
    assert [b64encode(b"ann:old") in proxy.requests[0], b64encode(b"ann:new") in proxy.requests[1]] == [
        True
    ] * 2


def test_nobody_is_asked_if_the_password_cannot_be_read() -> None:
    def unreadable() -> str:
        raise SecretError("gone")

    with ConnectProxy(saying(OPENED)) as proxy:
        with pytest.raises(SecretError):
            reached(through(proxy, unreadable))
        assert proxy.requests == []


@pytest.mark.parametrize("pieces", [1, 1000], ids=["octet-by-octet", "at-once"])
@pytest.mark.parametrize(
    "head",
    [
        OPENED,
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 204 Fine\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",  # RFC 9110 §9.3.6
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OPENED,
    ],
    ids=["usual", "bare", "with-a-length", "bare-line-feeds", "interim-answers"],
)
def test_what_stands_behind_the_answer_is_the_servers(head: bytes, pieces: int) -> None:
    behind = b"\r\n+OK \r\n\r\nhello"

    def behave(wire: socket.socket, _: bytes) -> None:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        octets = head + behind
        for start in range(0, len(octets), pieces):
            wire.sendall(octets[start : start + pieces])

    with ConnectProxy(behave) as proxy, reached(through(proxy)) as wire:
        received = b""
        while octets := wire.recv(1000):
            received += octets
    assert received == behind


@pytest.mark.parametrize(
    ("status", "refused", "words", "remedy"),
    [
        (
            403,
            True,
            "does not allow pop.acme.example:995 (HTTP 403)",
            "allow CONNECT to pop.acme.example:995",
        ),
        (400, True, "makes no tunnel to pop.acme.example:995 (HTTP 400)", "service.proxy"),
        (405, True, "makes no tunnel to pop.acme.example:995 (HTTP 405)", "service.proxy"),
        (501, True, "makes no tunnel to pop.acme.example:995 (HTTP 501)", "service.proxy"),
        (302, True, "makes no tunnel to pop.acme.example:995 (HTTP 302)", "service.proxy"),
        (429, False, "cannot reach pop.acme.example:995 now (HTTP 429)", 'proxy = "none"'),
        (500, False, "cannot reach pop.acme.example:995 now (HTTP 500)", 'proxy = "none"'),
        (502, False, "cannot reach pop.acme.example:995 now (HTTP 502)", 'proxy = "none"'),
        (503, False, "cannot reach pop.acme.example:995 now (HTTP 503)", 'proxy = "none"'),
        (504, False, "cannot reach pop.acme.example:995 now (HTTP 504)", 'proxy = "none"'),
    ],
)
def test_a_refusal_is_told_as_such(status: int, refused: bool, words: str, remedy: str) -> None:
    found = fault(refusing(status))
    assert (words in str(found), remedy in found.remedy, found.refused) == (True, True, refused)


@pytest.mark.parametrize(
    ("fields", "with_password", "words"),
    [
        (['Proxy-Authenticate: Basic realm="a, b=c"'], False, "wants a user and a password"),
        (['Proxy-Authenticate: Basic realm="x"'], True, "refused the user or the password"),
        ([], False, "wants a user and a password"),
        ([], True, "refused the user or the password"),
        (["Proxy-Authenticate: Negotiate"], True, "wants Negotiate, mailsluice has only Basic"),
        (
            ["Proxy-Authenticate: Negotiate", "proxy-authenticate:\tNTLM TlRMTVNTUA=="],
            False,
            "wants Negotiate or NTLM, mailsluice has only Basic",
        ),
        (
            ['Proxy-Authenticate: Digest realm="Basic", qop = "auth, basic ", nonce="x", Negotiate'],
            False,
            "wants Digest or Negotiate, mailsluice has only Basic",
        ),
        (['Proxy-Authenticate: Negotiate, BASIC realm="x"'], True, "refused the user or the password"),
        (["X: y", "Proxy-Authenticate: \x1b[31mred"], False, "wants a user and a password"),
        (["Proxy-Authenticate: " + '"\\' * 7000], False, "wants a user and a password"),
    ],
)
def test_a_proxy_that_wants_to_know_us_is_told_as_such(
    fields: list[str], with_password: bool, words: str
) -> None:
    found = fault(refusing(407, *fields), with_password=with_password)
    assert str(found).endswith(f"{words} (HTTP 407)")
    assert found.refused
    assert found.remedy == "give it another password" or "Basic" in found.remedy


def test_tinyproxys_word_for_a_wrong_password_is_understood() -> None:
    found = fault(refusing(401, "WWW-Authenticate: Basic"), with_password=True)
    assert str(found).endswith("refused the user or the password (HTTP 401)")


@pytest.mark.parametrize("status", [401, 407])
def test_a_wrong_password_is_presented_once_and_every_mailbox_hears_why(status: int) -> None:
    trials = Trials()

    def of(setting: str) -> Proxy:
        return Proxy("127.0.0.1", proxy.port, setting, f"see {setting}", "ann", lambda: PASSWORD, trials)

    settings = [f"mailboxes.{number}.proxy" for number in range(20)]
    with ConnectProxy(refusing(status)) as proxy:
        with ThreadPoolExecutor(20) as pool:
            ends = [pool.submit(reached, of(setting)) for setting in settings]
        faults = [end.exception() for end in ends]
    assert len(proxy.requests) == 1
    for setting, found in zip(settings, faults, strict=True):
        assert isinstance(found, ProxyFault)
        assert f"({setting}) refused the user or the password (HTTP {status})" in str(found)
        assert (found.remedy, found.refused) == (f"see {setting}", True)


def test_a_right_password_is_presented_by_all(echo: int) -> None:
    with ConnectProxy(demanding("ann", lambda: PASSWORD)) as proxy:
        route = through(proxy, lambda: PASSWORD)
        with ThreadPoolExecutor(20) as pool:
            for wire in pool.map(lambda _: reached(route, "127.0.0.1", echo), range(20)):
                wire.close()
    assert len(proxy.requests) == 20


@pytest.mark.parametrize("status", [403, 503])
def test_an_answer_that_says_nothing_of_the_password_lets_the_next_one_try(status: int) -> None:
    with ConnectProxy(refusing(status)) as proxy:
        route = through(proxy, lambda: PASSWORD)
        for _ in range(2):
            with pytest.raises(ProxyFault, match=str(status)):
                reached(route)
    assert len(proxy.requests) == 2


def test_who_waits_for_anothers_answer_waits_to_its_own_deadline() -> None:
    def hasty() -> float:
        raise TimeoutError

    def behave(wire: socket.socket, request: bytes) -> None:
        with pytest.raises(ProxyFault) as caught:
            reached(route, left=hasty)
        faults.append(caught.value)
        wire.sendall(OPENED)

    faults: list[ProxyFault] = []
    with ConnectProxy(behave) as proxy:
        route = through(proxy, lambda: PASSWORD)
        reached(route).close()
    (found,) = faults
    assert "did not answer in time: another connection waits to hear" in str(found)
    assert (found.refused, "service.proxy" in found.remedy) == (False, True)


def test_no_error_has_the_password_in_it() -> None:
    found = fault(refusing(407, f"Proxy-Authenticate: {PASSWORD}=x"), with_password=True)
    with ConnectProxy() as proxy:
        texts = (str(found), found.remedy, repr(found), repr(through(proxy, lambda: PASSWORD)))
    assert not [text for text in texts if PASSWORD in text]


@pytest.mark.parametrize(
    "octets",
    [
        b"220 mail.acme.example ESMTP\r\n",
        b"+OK ready\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_another_protocol_is_noticed_at_once(octets: bytes) -> None:
    def behave(wire: socket.socket, request: bytes) -> None:
        wire.sendall(octets)
        silent(wire, request)

    found = fault(behave)
    assert "does not answer as an HTTP proxy does" in str(found)
    assert found.refused


@pytest.mark.parametrize(
    "endless",
    [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000_000, b"HTTP/1.1 100 Go on\r\n\r\n" * 400_000],
    ids=["one-field", "interim-answers"],
)
def test_a_header_without_an_end_is_not_read_to_its_end(endless: bytes) -> None:
    assert "does not answer as an HTTP proxy does" in str(fault(saying(endless)))


@pytest.mark.parametrize("octets", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_a_proxy_that_closes_before_it_has_answered_may_be_restarting(octets: bytes) -> None:
    found = fault(saying(octets))
    assert "broke off the connection: it was closed without a whole answer" in str(found)
    assert not found.refused


def test_a_proxy_that_is_silent_is_given_up_at_the_deadline() -> None:
    found = fault(silent, Deadline(SystemClock(), 0.3).left)
    assert "took the connection, but did not answer in time" in str(found)
    assert not found.refused


def test_an_answer_that_comes_octet_by_octet_ends_at_the_deadline() -> None:
    def behave(wire: socket.socket, _: bytes) -> None:
        for octet in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000:
            wire.sendall(bytes([octet]))
            if proxy.over.wait(0.01):
                return

    clock = SystemClock()
    begun = clock.monotonic()
    with ConnectProxy(behave) as proxy, pytest.raises(ProxyFault, match="did not answer in time"):
        reached(through(proxy), left=Deadline(clock, 0.3).left)
    assert clock.monotonic() - begun < 2


def test_who_gives_up_meanwhile_is_heard_soon() -> None:
    stopped = threading.Event()

    def left() -> float:
        if stopped.is_set():
            raise TimeoutError
        return 60.0

    def behave(wire: socket.socket, request: bytes) -> None:
        stopped.set()
        silent(wire, request)

    begun = SystemClock().monotonic()
    fault(behave, left)
    assert SystemClock().monotonic() - begun < 5


def test_a_proxy_that_is_not_there_is_named_with_its_setting() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        route = Proxy("127.0.0.1", unused.getsockname()[1], "mailboxes.a.proxy", "")
        with pytest.raises(
            ProxyFault, match=r"\(mailboxes.a.proxy\) cannot be reached: Connection refused"
        ) as caught:
            reached(route)
    assert "check host and port in mailboxes.a.proxy" in caught.value.remedy
    assert not caught.value.refused


def test_a_name_that_no_proxy_has_is_the_proxys(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        ProxyFault, match=r"http://proxy.acme.example:3128 .* cannot be reached: Name or service not"
    ):
        reached(Proxy("proxy.acme.example", 3128, "service.proxy", ""))


def test_the_name_of_the_server_is_left_to_the_proxy() -> None:
    with ConnectProxy(saying(OPENED)) as proxy:
        reached(through(proxy), "known.only.to.the.proxy.example").close()
    assert b"known.only.to.the.proxy.example:995" in proxy.requests[0]


def test_a_proxy_that_drops_everything_is_given_up_at_the_deadline() -> None:
    with black_hole() as (host, port), pytest.raises(ProxyFault, match="it did not answer in time"):
        reached(Proxy(host, port, "service.proxy", ""), left=Deadline(SystemClock(), 0.3).left)


def test_a_dead_address_of_the_proxy_costs_a_fraction_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with black_hole() as dead, ConnectProxy(saying(OPENED)) as proxy:
        at = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", where) for where in (dead, ("127.0.0.1", proxy.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: at)
        begun = SystemClock().monotonic()
        reached(through(proxy)).close()
    assert SystemClock().monotonic() - begun < 5


def test_a_route_that_is_barred_leads_nowhere() -> None:
    with pytest.raises(ProxyFault, match="ALL_PROXY is a SOCKS proxy") as caught:
        reached(Barred("ALL_PROXY is a SOCKS proxy", "write another"))
    assert (caught.value.remedy, caught.value.refused) == ("write another", True)
