from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest

from mailsluice.auth.signing import redirect as module
from mailsluice.auth.signing.redirect import Redirect

GOOD = {"state": "canary-state", "code": "canary-code"}


@pytest.fixture
def redirect() -> Iterator[Redirect]:
    with Redirect("canary-state") as redirect:
        yield redirect


def visit(redirect: Redirect, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(redirect.uri).port or 0, timeout=10)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def raw(redirect: Redirect, octets: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", urlsplit(redirect.uri).port or 0), timeout=10) as wire:
        wire.sendall(octets)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while more := wire.recv(4096):
            answer += more
    return answer


def test_the_answer_comes_in_a_form(redirect: Redirect) -> None:
    status, text = visit(redirect, "POST", "/", urlencode(GOOD))
    assert (status, "mailsluice" in text, "canary" in text) == (200, True, False)
    assert redirect.answer(0) == GOOD


def test_a_refusal_may_come_in_the_address(redirect: Redirect) -> None:
    refusal = {"state": "canary-state", "error": "access_denied"}
    assert visit(redirect, "GET", f"/?{urlencode(refusal)}")[0] == 200
    assert redirect.answer(0) == refusal


def test_only_the_first_answer_counts(redirect: Redirect) -> None:
    visit(redirect, "POST", "/", urlencode(GOOD))
    assert visit(redirect, "POST", "/", urlencode(GOOD | {"code": "canary-other"}))[0] == 400
    assert redirect.answer(0) == GOOD


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/favicon.ico", "", 404),
        ("GET", "/", "", 400),
        ("GET", "/other?" + urlencode(GOOD), "", 404),
        ("GET", "/?code=canary-code", "", 400),
        ("GET", "/?code=canary-code&state=canary-other", "", 400),
        ("GET", "/?state=canary-state", "", 400),
        ("POST", "/", "state=%FF%00\udcff".encode("utf-8", "replace").decode(), 400),
        ("POST", "/", "&".join(f"field{n}=x" for n in range(1000)), 400),
        ("POST", "/", "x" * 100_000, 400),
        ("PUT", "/", "x", 501),
        ("HEAD", "/<script>", "", 501),
    ],
)
def test_whatever_else_comes_is_refused_and_not_repeated(
    redirect: Redirect, method: str, path: str, body: str, status: int
) -> None:
    found, text = visit(redirect, method, path, body)
    assert found == status
    assert "canary" not in text
    assert "script" not in text
    assert redirect.answer(0) is None
    assert visit(redirect, "POST", "/", urlencode(GOOD))[0] == 200


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 30, "\u0663"])
def test_a_form_without_a_sensible_length_is_refused(redirect: Redirect, length: str) -> None:
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
    assert raw(redirect, head + urlencode(GOOD).encode()).split()[1] == b"400"
    assert redirect.answer(0) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0" * 100,
        b"GET / HTTP/9\r\n\r\n",
        b"GET //[ HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 70_000,
        b"\x16\x03",
    ],
)
def test_what_is_no_http_is_no_trouble(
    redirect: Redirect, octets: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    raw(redirect, octets)
    assert visit(redirect, "POST", "/", urlencode(GOOD))[0] == 200
    assert capfd.readouterr().err == ""


def test_however_many_visitors_say_nothing_they_delay_nobody(redirect: Redirect) -> None:
    port = urlsplit(redirect.uri).port or 0
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(module._MOST_VISITORS * 2)]
    assert visit(redirect, "POST", "/", urlencode(GOOD))[0] == 200
    for wire in silent:
        wire.close()


def test_of_more_visitors_than_a_browser_needs_the_first_has_to_go(redirect: Redirect) -> None:
    port = urlsplit(redirect.uri).port or 0
    many = [
        socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(module._MOST_VISITORS + 1)
    ]
    assert many[0].recv(1) == b""
    for wire in many:
        wire.close()


def test_without_an_answer_the_wait_ends(redirect: Redirect) -> None:
    assert redirect.answer(0.01) is None


def test_it_listens_on_loopback_alone(redirect: Redirect) -> None:
    assert redirect._server.server_address[0] == "127.0.0.1"
    assert redirect.uri.startswith("http://localhost:")
