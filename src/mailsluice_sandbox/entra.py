"""Entra ID as a confidential client sees it: OpenID discovery and the token endpoint, over HTTPS.

Owns one tenant with one app registration, and its answers to the client credentials grant. Must never know
POP3.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from mailsluice.clock import Clock
from mailsluice_sandbox.assertions import Assertions
from mailsluice_sandbox.connection import Connection
from mailsluice_sandbox.faults import Answer, Faults, Refuse
from mailsluice_sandbox.server import TlsServer
from mailsluice_sandbox.tokens import AUDIENCES, TokenIssuer

_MAX_REQUEST = 65_536


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer over HTTP."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, content: Mapping[str, object]) -> HttpReply:
        """An answer with a JSON body."""
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def encode(self) -> bytes:
        """The answer as octets on the wire."""
        phrase = HTTPStatus(self.status).phrase
        headers = {**self.headers, "Content-Length": str(len(self.body)), "Cache-Control": "no-store"}
        head = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*head, "", ""]).encode() + self.body


Handler = Callable[[Mapping[str, str]], HttpReply]
"""What answers a request with these fields."""


class Entra:
    """One tenant with one app that may read mail by POP3.

    `client_secret` may be changed at any time, and so may `lifetime`, which is that of future tokens.
    `assertions` has what else may prove the app. `grants` has the other grants that the token endpoint knows,
    by `grant_type`. `pages` has the other pages of the tenant, by method and path.
    """

    def __init__(
        self,
        clock: Clock,
        context: ssl.SSLContext,
        faults: Faults,
        audience: str = AUDIENCES["worldwide"],
    ) -> None:
        self.tenant_id = str(uuid.uuid4())
        self.client_id = str(uuid.uuid4())
        self.client_secret = f"canary~{secrets.token_urlsafe(24)}"
        self.lifetime = timedelta(minutes=75)
        self.grants: dict[str, Handler] = {}
        self.pages: dict[tuple[str, str], Handler] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = 0
        self._issued: list[str] = []
        self._server = _EntraServer(context, faults, self)
        self.authority = f"https://localhost:{self._server.port}/{self.tenant_id}"
        self.assertions = Assertions(clock, self.client_id, f"{self.authority}/oauth2/v2.0/token")
        self.tokens = TokenIssuer(clock, f"{self.authority}/v2.0", self.tenant_id, self.client_id, audience)

    @property
    def token_requests(self) -> int:
        """How many requests for a token came, with those that failed."""
        with self._lock:
            return self._requests

    @property
    def issued(self) -> tuple[str, ...]:
        """Every token that the token endpoint handed out, in order."""
        with self._lock:
            return tuple(self._issued)

    def close(self) -> None:
        """Stop answering."""
        self._server.close()

    def count_token_request(self) -> None:
        """Count a request for a token, whether it succeeds or not."""
        with self._lock:
            self._requests += 1

    def discovery(self, tenant: str) -> HttpReply:
        """The tenant's metadata (OpenID Connect Discovery 1.0 §3), as far as msal reads it."""
        if tenant != self.tenant_id:
            return self._no_such_tenant(tenant)
        return HttpReply.of(
            200,
            {
                "issuer": f"{self.authority}/v2.0",
                "authorization_endpoint": f"{self.authority}/oauth2/v2.0/authorize",
                "token_endpoint": f"{self.authority}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{self.authority}/oauth2/v2.0/devicecode",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            },
        )

    def token(self, tenant: str, form: Mapping[str, str]) -> HttpReply:
        """The answer to a request for a token (RFC 6749 §4.4)."""
        if tenant != self.tenant_id:
            return self._no_such_tenant(tenant)
        handler = self.grants.get(form.get("grant_type", ""))
        return handler(form) if handler else self._mistake(form) or self._grant()

    def note_issued(self, token: str) -> None:
        """Note that the token endpoint handed out this token."""
        with self._lock:
            self._issued.append(token)

    def refusal(self, status: int, error: str, code: int, description: str) -> HttpReply:
        """An error in Entra's form: a text for administrators, and the ids that Microsoft's support needs."""
        trace, correlation = uuid.uuid4(), uuid.uuid4()
        timestamp = f"{self._clock.now():%Y-%m-%d %H:%M:%SZ}"
        return HttpReply.of(
            status,
            {
                "error": error,
                "error_description": f"AADSTS{code}: {description} Trace ID: {trace} "
                f"Correlation ID: {correlation} Timestamp: {timestamp}",
                "error_codes": [code],
                "timestamp": timestamp,
                "trace_id": str(trace),
                "correlation_id": str(correlation),
                "error_uri": f"{self.authority}/error?code={code}",
            },
        )

    def _mistake(self, form: Mapping[str, str]) -> HttpReply | None:
        client, scope = form.get("client_id", ""), form.get("scope", "")
        if form.get("grant_type") != "client_credentials":
            return self.refusal(
                400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
            )
        if client != self.client_id:
            what = (
                f"Application with identifier '{client}' was not found in the directory '{self.tenant_id}'."
            )
            return self.refusal(400, "unauthorized_client", 700016, what)
        if unproved := self._unproved(form):
            return unproved
        if scope != self.tokens.scope:
            what = f"The provided value for scope {scope} is not valid."
            return self.refusal(400, "invalid_scope", 1002012, what)
        return None

    def _unproved(self, form: Mapping[str, str]) -> HttpReply | None:
        secret = form.get("client_secret")
        if "client_assertion" in form:
            wrong = self.assertions.mistake(form)
            return self.refusal(401, "invalid_client", wrong.code, wrong.description) if wrong else None
        if secret is None:
            what = "The request body must contain 'client_assertion' or 'client_secret'."
            return self.refusal(401, "invalid_client", 7000218, what)
        if secret != self.client_secret:
            app = f"(app '{self.client_id}')"
            what = f"Invalid client secret provided: send the secret's value, not its ID {app}."
            return self.refusal(401, "invalid_client", 7000215, what)
        return None

    def _grant(self) -> HttpReply:
        token = self.tokens.mint(lifetime=self.lifetime)
        self.note_issued(token)
        seconds = int(self.lifetime.total_seconds())
        return HttpReply.of(
            200,
            {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            },
        )

    def _no_such_tenant(self, tenant: str) -> HttpReply:
        return self.refusal(400, "invalid_tenant", 90002, f"Tenant '{tenant}' not found.")


class _EntraServer(TlsServer):
    def __init__(self, context: ssl.SSLContext, faults: Faults, entra: Entra) -> None:
        self.entra = entra
        super().__init__(context, faults, "TOKEN_CONNECT", _Request)


class _Request(BaseHTTPRequestHandler):
    """One HTTP connection. It stays open for the next request."""

    protocol_version = "HTTP/1.1"
    server: _EntraServer

    def do_GET(self) -> None:
        """Discovery, and the other pages."""
        path, _, query = self.path.partition("?")
        tenant, _, rest = path.removeprefix("/").partition("/")
        if rest == "v2.0/.well-known/openid-configuration":
            self._answer("DISCOVERY", lambda: self.server.entra.discovery(tenant))
        else:
            self._page(rest, query)

    def do_POST(self) -> None:
        """The token endpoint, and the other pages."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_REQUEST:
            self.close_connection = True
            return
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        form = {name: values[0] for name, values in parse_qs(body).items()}
        tenant, _, rest = self.path.removeprefix("/").partition("/")
        if rest == "oauth2/v2.0/token":
            self.server.entra.count_token_request()
            self._answer("TOKEN", lambda: self.server.entra.token(tenant, form))
        else:
            self._page(rest, body)

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error belongs to the program around the sandbox."""

    def _page(self, path: str, fields: str) -> None:
        handler = self.server.entra.pages.get((self.command, path))
        form = {name: values[0] for name, values in parse_qs(fields).items()}
        reply = handler(form) if handler else HttpReply(404, b"")
        Connection(self.request).send(reply.encode())

    def _answer(self, when: str, handle: Callable[[], HttpReply]) -> None:
        connection = Connection(self.request)
        armed = self.server.faults.take(when)
        if armed and connection.forestall(armed):
            self.close_connection = True
            return
        match armed.fault.do if armed else None:
            case Answer(status=status, body=body, headers=headers):
                reply = HttpReply(status, body, headers)
            case Refuse(text=text):
                reply = self.server.entra.refusal(401, "invalid_client", 7000222, text)
            case _:
                reply = handle()
        connection.send(reply.encode(), armed)
