from __future__ import annotations

import gzip
import json
from io import BufferedIOBase

import pytest

from auth.token_endpoint import TokenEndpoint, as_json
from mailsluice.net.https import NotAnswered, ProviderHttp

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
