from __future__ import annotations

import ipaddress
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from auth.hand_clock import HandClock
from mailsluice.clock import SystemClock
from mailsluice.net.https import NotAnswered, Refused
from mailsluice.net.metadata import NEARBY, PLATFORM, MetadataHttp, NotNearby
from support.black_hole import black_hole

TOKEN = json.dumps({"access_token": "canary-token", "expires_in": "60"}).encode()


def http_answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    return (
        "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body
    )


class Service:
    """Answers every request as `say` does, which gets the connection. `requests` are those that came."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.say: Callable[[socket.socket], None] = lambda wire: wire.sendall(http_answer("200 OK", TOKEN))
        service = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += self.request.recv(4096)
                service.requests.append(request)
                with suppress(OSError):  # the client has heard enough
                    service.say(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answers(self, octets: bytes) -> None:
        self.say = lambda wire: wire.sendall(octets)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def ask(url: str, deadline: float = 5.0, connect: float = 5.0, **headers: str) -> str:
    http = MetadataHttp(NEARBY, SystemClock(), deadline, connect)
    return http.get(url, params={"resource": "r"}, headers=headers).text


@pytest.fixture
def nothing_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    def dial(*_: object) -> None:
        raise AssertionError("dialled")

    monkeypatch.setattr("mailsluice.net.metadata.dial", dial)


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_msal_gets_the_fields_of_a_token_and_no_others(service: Service) -> None:
    service.answers(http_answer("200 OK", TOKEN.replace(b"{", b'{"refresh_in": "1", ', 1)))
    assert json.loads(ask(service.url)) == json.loads(TOKEN)


def test_the_request_has_the_parameters_the_headers_and_no_encoding(service: Service) -> None:
    ask(service.url + "?a=b", Metadata="true")
    (request,) = service.requests
    assert request.startswith(b"GET /token?a=b&resource=r HTTP/1.1\r\n")
    assert b"\r\nMetadata: true\r\n" in request
    assert b"\r\nAccept-Encoding: identity\r\n" in request


@pytest.mark.parametrize("address", ["192.168.0.9", "10.0.0.5", "203.0.113.7", "8.8.8.8", "172.16.0.1"])
@pytest.mark.usefixtures("nothing_dialled")
def test_an_address_that_is_not_on_this_machine_or_its_link_is_not_asked(address: str) -> None:
    with pytest.raises(NotNearby):
        ask(f"http://{address}/token")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1/token",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "http:///token",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://[2001:db8::1]/",
        "http://[::ffff:203.0.113.7]/",
    ],
)
@pytest.mark.usefixtures("nothing_dialled")
def test_what_is_no_plain_address_nearby_is_not_asked(url: str) -> None:
    with pytest.raises(NotNearby):
        ask(url)


@pytest.mark.usefixtures("nothing_dialled")
def test_a_name_is_judged_by_every_address_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, "127.0.0.1", "203.0.113.7")
    with pytest.raises(NotNearby):
        ask("http://metadata.example/")


def test_what_is_dialled_is_what_was_judged(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(service.url.rpartition(":")[2].partition("/")[0])
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ask("http://metadata.example/token")
    assert asked == ["metadata.example"]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "172.16.1.3", "100.64.100.2", "::1"])
def test_the_platform_has_networks_of_its_own(address: str) -> None:
    assert any(ipaddress.ip_address(address) in network for network in PLATFORM)


def test_no_proxy_is_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    assert "canary-token" in ask(service.url)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
def test_a_redirect_is_not_followed(service: Service, status: str) -> None:
    service.answers(http_answer(status, TOKEN, f"Location: {service.url}"))
    with pytest.raises(NotAnswered, match="but with no token"):
        ask(service.url)
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_a_status_that_passes_is_no_refusal(service: Service, status: int) -> None:
    service.answers(http_answer(f"{status} X", b'{"error": "canary"}', "retry-after: 70"))
    with pytest.raises(NotAnswered, match=f"it answered HTTP {status}$") as caught:
        ask(service.url)
    assert caught.value.retry_after == 70


@pytest.mark.parametrize(
    ("body", "error", "description"),
    [
        (b'{"error": "invalid_request", "error_description": "no"}', "invalid_request", "no"),
        (b'{"statusCode": 400, "message": "no"}', "HTTP 400", "no"),
        (b'{"error": {"code": "NotFound", "message": "no"}}', "NotFound", "no"),
        (b"<html>canary</html>", "HTTP 400", ""),
        (b'{"error": 5, "message": ["canary"]}', "HTTP 400", ""),
        (b"[" * 100_000, "HTTP 400", ""),
        (b"\xff", "HTTP 400", ""),
    ],
)
def test_a_refusal_has_the_words_of_each_service(
    service: Service, body: bytes, error: str, description: str
) -> None:
    service.answers(http_answer("400 Bad Request", body))
    with pytest.raises(Refused) as caught:
        ask(service.url)
    assert caught.value.answer == {"error": error, "error_description": description}


@pytest.mark.parametrize("header", ["X-IDENTITY-HEADER", "Authorization"])
def test_a_refusal_does_not_repeat_the_secret_in_the_request(service: Service, header: str) -> None:
    service.answers(http_answer("400 Bad Request", b'{"error": "e", "message": "not canary-header"}'))
    value = "canary-header" if header.startswith("X") else "Basic canary-header"
    with pytest.raises(Refused) as caught:
        MetadataHttp(NEARBY, SystemClock()).get(service.url, params={}, headers={header: value})
    assert caught.value.answer["error_description"] == "not [redacted]"


def test_a_challenge_is_handed_on_once(service: Service) -> None:
    service.answers(http_answer("401 Unauthorized", b"", "WWW-Authenticate: Basic realm=/x.key"))
    http = MetadataHttp(NEARBY, SystemClock())
    answer = http.get(service.url, params={}, headers={})
    assert (answer.status_code, answer.headers) == (401, {"WWW-Authenticate": "Basic realm=/x.key"})
    with pytest.raises(Refused):
        http.get(service.url, params={}, headers={"Authorization": "Basic canary"})


def test_a_key_with_a_line_end_is_sent_without_it(service: Service) -> None:
    ask(service.url, Authorization="Basic canary-key\n")
    assert b"\r\nAuthorization: Basic canary-key\r\n" in service.requests[0]


def test_a_header_that_cannot_be_sent_is_not_repeated(service: Service) -> None:
    with pytest.raises(NotAnswered) as caught:
        ask(service.url, X="canary\r\nHost: other")
    assert caught.value.__cause__ is None
    assert not service.requests


def test_an_answer_that_is_too_large_is_not_read_to_its_end(service: Service) -> None:
    written: list[int] = []

    def flood(wire: socket.socket) -> None:
        wire.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while sum(written) < 64 * 2**20:
            wire.sendall(b" " * 2**20)
            written.append(2**20)

    service.say = flood
    with pytest.raises(NotAnswered, match="more than 262144 octets"):
        ask(service.url)
    assert sum(written) < 32 * 2**20


@pytest.mark.parametrize(
    "octets", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"]
)
def test_an_answer_that_breaks_off_is_no_answer(service: Service, octets: bytes) -> None:
    service.answers(octets)
    with pytest.raises(NotAnswered, match=r"broke off, or does not speak HTTP|with no token"):
        ask(service.url)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token_type": "Bearer"}'])
def test_a_good_answer_without_a_token_is_no_answer(service: Service, body: bytes) -> None:
    service.answers(http_answer("200 OK", body))
    with pytest.raises(NotAnswered, match="HTTP 200, but with no token"):
        ask(service.url)


def test_octets_that_come_one_by_one_keep_to_the_deadline(service: Service) -> None:
    ended = threading.Event()

    def drip(wire: socket.socket) -> None:
        while not ended.wait(0.05):
            wire.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    service.say = drip
    with pytest.raises(NotAnswered, match="in time"):
        ask(service.url, deadline=0.3)
    ended.set()


def test_an_address_that_answers_nothing_is_given_up_before_the_deadline() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    with black_hole() as (host, port), pytest.raises(NotAnswered, match="in time"):
        ask(f"http://{host}:{port}/", deadline=30, connect=0.3)
    assert clock.monotonic() - began < 10


def test_a_closed_port_is_said_as_such() -> None:
    with pytest.raises(NotAnswered, match="cannot be reached: Connection refused"):
        ask("http://127.0.0.1:1/")


def test_all_requests_together_have_one_deadline(service: Service) -> None:
    clock = HandClock()
    http = MetadataHttp(NEARBY, clock, 20.0)
    http.get(service.url, params={}, headers={})
    clock.seconds += 20.0
    with pytest.raises(NotAnswered, match="in time"):
        http.get(service.url, params={}, headers={})
    http.close()
