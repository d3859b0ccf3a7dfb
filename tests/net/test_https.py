from __future__ import annotations

import gzip
import json
from io import BufferedIOBase

import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import TokenEndpoint, as_json
from mailsluice.net.https import NotAnswered, ProviderHttp, retry_after

MEBIBYTE = 1024 * 1024


def padded(octets: int) -> bytes:
    return b'{"a": "b"}'.ljust(octets)


def test_an_answer_of_a_mebibyte_is_read_and_a_larger_one_is_not(
    endpoint: TokenEndpoint, http: ProviderHttp
) -> None:
    endpoint.configuration = lambda: (200, {}, padded(MEBIBYTE))
    assert len(http.get(endpoint.authority).text) == MEBIBYTE
    endpoint.configuration = lambda: (200, {}, padded(MEBIBYTE + 1))
    with pytest.raises(NotAnswered, match="more than 1048576 octets"):
        http.get(endpoint.authority)


@pytest.mark.parametrize("status", [200, 307, 400, 503])
def test_no_status_lets_an_endless_answer_in(
    endpoint: TokenEndpoint, http: ProviderHttp, status: int
) -> None:
    written: list[int] = []

    def write(wire: BufferedIOBase, octets: bytes) -> None:
        if octets.startswith(b"HTTP"):
            wire.write(octets.replace(b"Content-Length", b"X-Length"))
            return
        while sum(written) < 64 * MEBIBYTE:
            written.append(wire.write(octets))

    endpoint.write = write
    endpoint.configuration = lambda: (status, {"Location": endpoint.address}, b" " * MEBIBYTE)
    with pytest.raises(NotAnswered):
        http.get(endpoint.authority)
    assert sum(written) < 32 * MEBIBYTE


def test_no_encoding_is_asked_for_and_none_is_decoded(endpoint: TokenEndpoint, http: ProviderHttp) -> None:
    bomb = gzip.compress(json.dumps({"a": " " * MEBIBYTE}).encode())
    endpoint.configuration = lambda: (200, {"Content-Encoding": "gzip"}, bomb)
    with pytest.raises(NotAnswered, match="not as an identity provider does"):
        http.get(endpoint.authority)
    assert endpoint.headers[0]["accept-encoding"] == "identity"


def test_no_secret_is_sent_in_the_clear(http: ProviderHttp) -> None:
    with pytest.raises(NotAnswered, match="not https"):
        http.post("http://127.0.0.1:9/", data={"client_secret": "canary"})


def test_no_answer_shows_in_a_repr(endpoint: TokenEndpoint, http: ProviderHttp) -> None:
    endpoint.answer = lambda _: as_json(200, {"access_token": "canary"})
    assert "canary" not in repr(http.post(endpoint.authority, data={"a": "b"}))


def waited(clock: HandClock, value: str, date: str = "") -> float:
    return retry_after({"Retry-After": value, "Date": date}, clock)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("900", 900),
        ("901", 900),
        ("9" * 5000, 900),
        ("-1", 0),
        ("1.5", 0),
        ("\u0663", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_seconds_to_wait_are_obeyed_up_to_a_quarter_of_an_hour(
    clock: HandClock, value: str, seconds: float
) -> None:
    assert waited(clock, value) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Thu, 01 Jan 2026 00:18:40 GMT", 120),
        ("Thursday, 01-Jan-26 00:18:40 GMT", 120),
        ("Thu Jan  1 00:18:40 2026", 120),
        ("Thu, 01 Jan 2026 00:16:39 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 900),
        ("Fri, 31 Dec 99999999 23:59:59 GMT", 0),
        ("Thu, 01 Jan 2026 00:18:40 -0000", 120),
    ],
)
def test_a_date_to_wait_for_is_obeyed_as_well(clock: HandClock, value: str, seconds: float) -> None:
    assert waited(clock, value) == seconds


def test_a_date_to_wait_for_is_by_the_providers_clock_and_not_by_ours(clock: HandClock) -> None:
    clock.ahead = 7200
    waiting = waited(clock, "Thu, 01 Jan 2026 00:18:40 GMT", date="Thu, 01 Jan 2026 00:16:40 GMT")
    assert waiting == 120


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error_description": "AADSTS90055: too many"}', "AADSTS90055: too many"),
        (b'{"error_description": ["canary"]}', ""),
        (b'["canary"]', ""),
        (b"<html>canary</html>", ""),
        (b"[" * 100_000, ""),
        (padded(MEBIBYTE + 1), ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_of_a_throttled_request_the_description_alone_is_kept(
    endpoint: TokenEndpoint, http: ProviderHttp, body: bytes, said: str
) -> None:
    endpoint.configuration = lambda: (429, {"Retry-After": "90"}, body)
    with pytest.raises(NotAnswered, match=r"^it answered HTTP 429$") as caught:
        http.get(endpoint.authority)
    assert (caught.value.throttled, caught.value.retry_after, caught.value.said) == (True, 90, said)
