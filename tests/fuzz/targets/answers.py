"""The identity provider and the token command: whatever they answer, a token that can be used or an error in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import requests
from urllib3 import HTTPResponse

from auth.sources.asking import secret_source
from fuzz.feed import Feed
from mailsluice.auth.sources.program import _last_line
from mailsluice.auth.sources.refusal import remedy_for
from mailsluice.auth.sources.source import problem
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenError, TokenRefused
from mailsluice.net.https import ProviderHttp

SECRET = "canary-secret"
ISSUER = "https://login.example/contoso"
CREDENTIAL = EntraCredential.model_validate(
    {"tenant_id": "contoso", "client_id": "app", "client_secret": "keyring:acme", "authority": ISSUER}
)
DISCOVERY = json.dumps(
    {
        "issuer": f"{ISSUER}/v2.0",
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "device_authorization_endpoint": f"{ISSUER}/devicecode",
    }
).encode()
TOKEN = b'{"token_type": "Bearer", "expires_in": 3600, "access_token": "canary-token"}'
REFUSAL = (
    b'{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\\r\\nTrace ID: 1",'
    b' "trace_id": "1", "correlation_id": "2", "timestamp": "2026-01-01 00:00:00Z", "error_codes": [7000215]}'
)
STATUSES = (200, 400, 401, 404, 302, 429, 503, 201, 403)

SEEDS = (
    b"\x00\x00\x00" + TOKEN,
    b"\x00\x01\x00" + REFUSAL,
    b"\x00\x01\x00" + REFUSAL.replace(b"Invalid client", b"canary-secret is no client"),
    b"\x00\x00\x00" + TOKEN.replace(b"3600", b'"3600"'),
    b"\x00\x00\x00" + TOKEN.replace(b"3600", b"null"),
    b"\x00\x00\x00" + TOKEN.replace(b"3600", b"1e999"),
    b"\x00\x00\x00" + TOKEN.replace(b"3600", b"-5"),
    b"\x00\x05\x0160",
    b"\x01\x00\x00" + DISCOVERY,
    b"\x01\x00\x00" + DISCOVERY.replace(b"https://login.example/contoso/token", b"http://x"),
    b"\x01\x01\x00" + REFUSAL,
    b"\x02error: no token for canary-token\n\x1b[31mfailed\x00canary-token",
    b"\x03AADSTS7000222: expired",
)
WORDS = (
    b'"error":', b'"error_description":', b'"access_token":', b'"expires_in":', b'"error_codes":', b'"suberror":', b'"claims":', b"AADSTS", b"\\u001b",
    b'"refresh_in":', b'"ext_expires_in":', b'"id_token":', b'"client_info":', b'"scope":', b"canary-secret", b"\\ud800", b"null", b"NaN", b"[]", b"1e999", b"{}",
    b'"token_endpoint":', b'"issuer":', b"https://", b'"temporarily_unavailable"', b'"refresh_token":', b'"foci":',
)  # fmt: skip


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return 1000.0


class Provider:
    """What stands in for connections: it answers a request with what was prepared."""

    def __init__(
        self, discovery: tuple[int, bytes], answer: tuple[int, bytes], headers: dict[str, str]
    ) -> None:
        self._discovery, self._answer, self._headers = discovery, answer, headers

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        status, body = self._discovery if request.method == "GET" else self._answer
        raw = HTTPResponse(BytesIO(body), status=status, headers=self._headers, preload_content=False)
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


def check(data: bytes) -> None:
    feed = Feed(data)
    kinds: tuple[Callable[[Feed], None], ...] = (
        _check_token,
        _check_discovery,
        _check_command,
        _check_remedy,
    )
    feed.one_of(kinds)(feed)


def _check_token(feed: Feed) -> None:
    status, form = feed.one_of(STATUSES), feed.octet() % 3
    body = feed.rest()
    headers = ({}, {"Retry-After": body[:9].decode("latin-1")}, {"Content-Encoding": "gzip"})[form]
    _check_answer(Provider((200, DISCOVERY), (status, body), headers), is_token=b"error" not in body)


def _check_discovery(feed: Feed) -> None:
    status, form = feed.one_of(STATUSES), feed.octet() % 2
    answer = (200, TOKEN) if form else (400, REFUSAL)
    _check_answer(Provider((status, feed.rest()), answer, {}), is_token=False)


def _check_answer(provider: Provider, *, is_token: bool) -> None:
    source = secret_source(CREDENTIAL, lambda: SECRET, Clock(), http=lambda: _http(provider))
    cache = TokenCache(source, Clock())
    for _ in range(2):  # again at the same moment: by what was remembered
        try:
            token = cache.token()
        except TokenError as error:
            said = f"{error}{error.remedy}"
            assert said.isprintable()
            assert len(said) < 2500
            assert SECRET not in said
            assert "canary-token" not in said or not is_token
        else:
            assert not problem(token)


def _http(provider: Provider) -> ProviderHttp:
    http = ProviderHttp.__new__(ProviderHttp)  # its own constructor reads certificates, which takes 20 ms
    http._adapter = provider  # type: ignore[assignment]
    http._clock = Clock()
    return http


def _check_command(feed: Feed) -> None:
    complaint, _, output = feed.rest().partition(b"\0")
    shown = _last_line(complaint, output)
    assert shown.isprintable()
    assert len(shown) <= 300
    for word in output.decode("utf-8", "replace").split():
        assert len(word) < 8 or word in "[token]" * 2 or word not in shown
    assert problem(output.decode("ascii", "replace").strip()) or output.strip().isascii()


def _check_remedy(feed: Feed) -> None:
    said = remedy_for("acme", CREDENTIAL)(TokenRefused("no", said=feed.rest().decode("utf-8", "replace")))
    assert said
    assert said.isprintable()
