"""Entra ID as a confidential client sees it: OpenID discovery and the token endpoint, over HTTPS.

Owns one tenant with one app registration, and its answers to the client credentials grant. Must never know
POP3.
"""

from __future__ import annotations

import ssl
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

from mailsluice.clock import Clock
from mailsluice_sandbox.assertions import Assertions
from mailsluice_sandbox.connection import Connection
from mailsluice_sandbox.faults import Answer, Faults, Refuse
from mailsluice_sandbox.registration import AppRegistration, ClientSecret
from mailsluice_sandbox.reply import Handler, HttpReply
from mailsluice_sandbox.server import TlsServer
from mailsluice_sandbox.tokens import AUDIENCES, TokenIssuer
from mailsluice_sandbox.wording import WORDINGS, Wording

_MAX_REQUEST = 65_536
_UNPROVED = Wording(401, "invalid_client", "")
"""What refuses an assertion: `assertions` has the texts."""


class Entra:
    """One tenant with one app that may read mail by POP3.

    `app` may be changed at any time, and so may `lifetime`, which is that of future tokens. `assertions` has
    what proves the app besides its secrets. `grants` has the other grants that the token endpoint knows, by
    `grant_type`. `pages` has the other pages of the tenant, by method and path.
    """

    def __init__(
        self,
        clock: Clock,
        context: ssl.SSLContext,
        faults: Faults,
        audience: str = AUDIENCES["worldwide"],
    ) -> None:
        self.tenant_id = str(uuid.uuid4())
        self.app = AppRegistration()
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
        self.tokens = TokenIssuer(clock, f"{self.authority}/v2.0", self.tenant_id, self.app, audience)

    @property
    def client_id(self) -> str:
        """The app's id."""
        return self.app.client_id

    @property
    def client_secret(self) -> str:
        """The Value of the app's first secret. If it is set, it is the only one."""
        return self.app.secrets[0].value

    @client_secret.setter
    def client_secret(self, value: str) -> None:
        self.app.secrets[:] = [ClientSecret(value)]

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
            return self.refuse(90002, tenant=tenant)
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
            return self.refuse(90002, tenant=tenant)
        handler = self.grants.get(form.get("grant_type", ""))
        return handler(form) if handler else self._mistake(form) or self._grant(form["scope"])

    def note_issued(self, token: str) -> None:
        """Note that the token endpoint handed out this token."""
        with self._lock:
            self._issued.append(token)

    def dated(self, reply: HttpReply) -> HttpReply:
        """The same answer, with the moment by Entra's clock in its `Date`."""
        return reply.dated(self._clock.now())

    def refuse(self, number: int, **values: str) -> HttpReply:
        """The refusal with this AADSTS number; `values` fill its text."""
        wording = WORDINGS[number]
        usual = {"app": self.app.client_id, "name": self.app.name, "tenant": self.tenant_id}
        return self.refusal(number, wording, wording.text.format(**(usual | values)))

    def refusal(self, number: int, wording: Wording, description: str) -> HttpReply:
        """An error in Entra's form: a text for administrators, and the ids that Microsoft's support needs."""
        trace, correlation = uuid.uuid4(), uuid.uuid4()
        timestamp = f"{self._clock.now():%Y-%m-%d %H:%M:%SZ}"
        content: dict[str, object] = {
            "error": wording.error,
            "error_description": f"AADSTS{number}: {description} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {timestamp}",
            "error_codes": [number],
            "timestamp": timestamp,
            "trace_id": str(trace),
            "correlation_id": str(correlation),
            "error_uri": f"{self.authority}/error?code={number}",
        }
        if wording.suberror:
            content["suberror"] = wording.suberror
        return HttpReply.of(wording.status, content)

    def _mistake(self, form: Mapping[str, str]) -> HttpReply | None:
        client = form.get("client_id", "")
        if form.get("grant_type") != "client_credentials":
            return self.refuse(70003, grant=form.get("grant_type", ""))
        if client != self.client_id:
            return self.refuse(700016, app=client)
        if self.app.disabled:
            return self.refuse(7000112)
        return self._unproved(form) or self._unscoped(form.get("scope", ""))

    def _unscoped(self, scope: str) -> HttpReply | None:
        resource, _, permission = scope.rpartition("/")
        if permission != ".default":
            return self.refuse(1002012, scope=scope)
        if resource not in self.tokens.resources:
            return self.refuse(500011, resource=resource)
        return self.refuse(53003) if self.app.blocked else None

    def _unproved(self, form: Mapping[str, str]) -> HttpReply | None:
        secret = form.get("client_secret")
        if "client_assertion" in form:
            wrong = self.assertions.mistake(form)
            return self.refusal(wrong.code, _UNPROVED, wrong.description) if wrong else None
        if secret is None:
            return self.refuse(7000218)
        number = self.app.refusal_of(secret, self._clock.now())
        return self.refuse(number) if number else None

    def _grant(self, scope: str) -> HttpReply:
        token = self.tokens.mint(lifetime=self.lifetime, resource=scope.removesuffix("/.default"))
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
        Connection(self.request).send(self.server.entra.dated(reply).encode())

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
                reply = self.server.entra.refusal(7000222, WORDINGS[7000222], text)
            case _:
                reply = handle()
        connection.send(self.server.entra.dated(reply).encode(), armed)
