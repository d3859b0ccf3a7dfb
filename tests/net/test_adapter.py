from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path

import pytest
import requests

from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.token_endpoint import TokenEndpoint
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenUnavailable
from mailsluice.net.https import ProviderHttp, explain
from support.black_hole import black_hole
from support.certificates import with_common_name_alone


def dribble(write: Callable[[bytes], object], octets: bytes, over: threading.Event) -> None:
    """Octet by octet: each read of it is soon done, all of it is not before the reader has hung up."""
    for octet in octets:
        write(bytes([octet]))
        if over.wait(0.02):
            return


@pytest.mark.parametrize("slow", [b"HTTP", b"{"], ids=["headers", "body"])
def test_an_answer_that_dribbles_in_ends_at_the_deadline(
    endpoint: TokenEndpoint, credential: EntraCredential, slow: bytes
) -> None:
    over = threading.Event()

    def write(wire: BufferedIOBase, octets: bytes) -> None:
        if octets.startswith(slow):
            dribble(wire.write, octets, over)
        else:
            wire.write(octets)

    endpoint.write = write
    clock = SystemClock()
    source = secret_source(credential, lambda: "s", clock, lambda: ProviderHttp(endpoint.ca_file, clock, 0.5))
    begun = clock.monotonic()
    try:
        with pytest.raises(TokenUnavailable, match="did not answer in time") as caught:
            source.ask()
    finally:
        over.set()
    assert clock.monotonic() - begun < 2
    assert credential.authority in str(caught.value)


def test_the_deadline_is_that_of_all_requests_together(
    endpoint: TokenEndpoint, http: ProviderHttp, clock: HandClock
) -> None:
    http.get(endpoint.authority)
    clock.seconds += 59
    http.get(endpoint.authority)
    clock.seconds += 1
    with pytest.raises(requests.RequestException) as caught:
        http.get(endpoint.authority)
    assert explain(caught.value) == "it did not answer in time"
    assert len(endpoint.paths) == 2


def test_a_dead_address_costs_a_fraction_of_a_second(
    endpoint: TokenEndpoint, http: ProviderHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    with black_hole() as dead:
        first = (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [first, *real(*a, **k)])
        begun = SystemClock().monotonic()
        http.get(endpoint.authority)
        seconds = SystemClock().monotonic() - begun
    print(f"{seconds:.3f} s")
    assert seconds < 5


def test_a_provider_that_no_address_leads_to_is_given_up_at_the_deadline(
    endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = ProviderHttp(endpoint.ca_file, SystemClock(), 0.3)
    with black_hole() as dead:
        first = (socket.AF_INET, socket.SOCK_STREAM, 6, "", dead)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [first])
        with pytest.raises(requests.RequestException) as caught:
            http.get(endpoint.authority)
    assert explain(caught.value) == "it did not answer in time"


def test_a_ca_file_that_was_renewed_with_the_provider_is_read_for_the_next_token(
    tmp_path: Path, clock: HandClock
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    before, after = TokenEndpoint(old), TokenEndpoint(new)
    try:
        ProviderHttp(before.ca_file, clock).get(before.authority)
        after.ca_file.replace(before.ca_file)
        ProviderHttp(before.ca_file, clock).get(after.authority)
    finally:
        before.close()
        after.close()


def test_session_keys_are_never_written(
    endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    http = ProviderHttp(endpoint.ca_file, clock)
    http.get(endpoint.authority)
    http.close()
    assert not keys.exists()


def test_a_certificate_that_has_the_name_as_its_common_name_alone_is_not_accepted(
    tmp_path: Path, clock: HandClock
) -> None:
    endpoint = TokenEndpoint(tmp_path, lambda authority: with_common_name_alone(authority, "localhost"))
    http = ProviderHttp(endpoint.ca_file, clock)
    try:
        with pytest.raises(requests.RequestException) as caught:
            http.get(endpoint.authority.replace("127.0.0.1", "localhost"))
    finally:
        endpoint.close()
        http.close()
    assert "its certificate was not accepted: Hostname mismatch" in explain(caught.value)
