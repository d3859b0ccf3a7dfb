"""A machine in Azure, as a program on it sees it: the service that gives tokens of the machine's identities.

Owns the three forms of that service: the metadata service of VMs (IMDS), App Service, and the agent of Azure
Arc. They speak plain HTTP. Must never know POP3.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from mailsluice.clock import Clock
from mailsluice_sandbox.connection import Connection
from mailsluice_sandbox.faults import Answer, Faults
from mailsluice_sandbox.reply import HttpReply
from mailsluice_sandbox.tokens import TokenIssuer

_POLL_SECONDS = 0.02  # how long `close` waits for the accepting thread, at most
_READ_SECONDS = 10.0
_VM = "/metadata/identity/oauth2/token"
_APP_SERVICE = "/msi/token"
_ARC = "/arc" + _VM

Query = Mapping[str, str]


class Machine:
    """A machine with a system-assigned identity. Everything may be changed at any time.

    `system_assigned` is its identity's client ID, or None. `user_assigned` are those of others: `assign` adds
    one. Tokens live for `lifetime`. The agent of Azure Arc ignores `client_id` if `is_old`, as old agents do.
    `vm`, `app_service` and `arc` are the variables that a program on such a machine finds.
    """

    def __init__(self, tokens: TokenIssuer, faults: Faults, clock: Clock, keys: Path | None) -> None:
        self.lifetime = timedelta(hours=24)
        self.is_old = False
        self.faults = faults
        self.user_assigned: list[str] = []
        self.requests: list[Query] = []
        self._tokens = tokens
        self._clock = clock
        self._keys = keys
        self._header = f"canary-{secrets.token_hex(16)}"
        self._lock = threading.Lock()
        self._challenges: dict[str, Path] = {}
        self.system_assigned: str | None = self._new_identity()
        self._server = _Server(self)
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.vm = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": address}
        self.app_service = {"IDENTITY_ENDPOINT": address + _APP_SERVICE, "IDENTITY_HEADER": self._header}
        self.arc = {"IDENTITY_ENDPOINT": address + _ARC, "IMDS_ENDPOINT": address}
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox-machine", daemon=True
        )
        self._thread.start()

    def assign(self) -> str:
        """Give the machine a user-assigned identity. Returns its client ID."""
        self.user_assigned.append(self._new_identity())
        return self.user_assigned[-1]

    def close(self) -> None:
        """Stop listening. May be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, query: Query, headers: Mapping[str, str]) -> HttpReply:
        """The answer to a request. The names of `headers` are in small letters."""
        with self._lock:
            self.requests.append(query)
        match path:
            case _ if path == _VM and headers.get("metadata") == "true":
                return self._of_vm(query)
            case _ if path == _APP_SERVICE:
                return self._of_app_service(query, headers)
            case _ if path == _ARC and headers.get("metadata") == "true":
                return self._of_arc(query, headers)
        return _error(400, "bad_request_102", "Required metadata header not specified")

    def _of_vm(self, query: Query) -> HttpReply:
        found, why = self._identity(query.get("client_id"))
        if not found:
            return _error(400, "invalid_request", why)
        if query.get("resource") != self._tokens.audience:
            return _unknown_resource(query)
        seconds = str(int(self.lifetime.total_seconds()))
        return HttpReply.of(200, {**self._token(found), "expires_in": seconds, "resource": query["resource"]})

    def _of_app_service(self, query: Query, headers: Mapping[str, str]) -> HttpReply:
        if headers.get("x-identity-header") != self._header:
            return HttpReply.of(401, {"statusCode": 401, "message": "Unauthorized"})
        found, _ = self._identity(query.get("client_id"))
        if not found or (found != self.system_assigned and "client_id" not in query):
            what = (
                "No User Assigned or Delegated Managed Identity found for specified "
                "ClientId/ResourceId/PrincipalId."
            )
            return HttpReply.of(400, {"statusCode": 400, "message": what})
        if query.get("resource") != self._tokens.audience:
            what = "An unexpected error occured while fetching the AAD Token."
            return HttpReply.of(500, {"statusCode": 500, "message": what})
        return HttpReply.of(200, {**self._token(found), "resource": query["resource"]})

    def _of_arc(self, query: Query, headers: Mapping[str, str]) -> HttpReply:
        assert self._keys is not None  # noqa: S101  the sandbox's user forgot it
        key = headers.get("authorization", "").removeprefix("Basic ")
        if not key:
            file = self._keys / f"{uuid.uuid4()}.key"
            with self._lock:
                key = f"canary-{secrets.token_hex(16)}"
                self._challenges[key] = file
            file.write_text(key)
            return HttpReply(401, b"", {"WWW-Authenticate": f"Basic realm={file}"})
        with self._lock:
            known = self._challenges.pop(key, None)
        if known is None:
            return _error(401, "unauthorized", "the key is not the one of a challenge")
        known.unlink(missing_ok=True)
        found, why = self._identity(None if self.is_old else query.get("client_id"))
        if not found:
            return _error(400, "invalid_request", why)
        if query.get("resource") != self._tokens.audience:
            return _unknown_resource(query)
        seconds = str(int(self.lifetime.total_seconds()))
        return HttpReply.of(200, {**self._token(found), "expires_in": seconds, "resource": query["resource"]})

    def _identity(self, asked: str | None) -> tuple[str | None, str]:
        """The identity that is meant, or None and why."""
        if asked is not None:
            known = asked in {self.system_assigned, *self.user_assigned}
            return (asked, "") if known else (None, "Identity not found")
        if self.system_assigned:
            return self.system_assigned, ""
        if len(self.user_assigned) > 1:
            return None, (
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the "
                "identity in the token request"
            )
        return (self.user_assigned[0], "") if self.user_assigned else (None, "Identity not found")

    def _token(self, client_id: str) -> dict[str, str]:
        ends = self._clock.now() + self.lifetime
        claims = {"appid": client_id, "azp": client_id}
        return {
            "access_token": self._tokens.mint(lifetime=self.lifetime, claims=claims),
            "client_id": client_id,
            "expires_on": str(int(ends.timestamp())),
            "token_type": "Bearer",
        }

    def _new_identity(self) -> str:
        client_id = str(uuid.uuid4())
        self._tokens.admit(client_id)
        return client_id


def _error(status: int, error: str, description: str) -> HttpReply:
    return HttpReply.of(status, {"error": error, "error_description": description})


def _unknown_resource(query: Query) -> HttpReply:
    resource = query.get("resource", "")
    return _error(
        400,
        "invalid_resource",
        f"AADSTS500011: The resource principal named {resource} was not found in the tenant.",
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        super().__init__(("127.0.0.1", 0), _Request)

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client left, or a fault ended the connection."""


class _Request(BaseHTTPRequestHandler):
    timeout = _READ_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """A token, and nothing else."""
        connection = Connection(self.request)
        armed = self.server.machine.faults.take("IDENTITY")
        if armed and connection.forestall(armed):
            return
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.machine.answer(address.path, query, headers)
        if armed and isinstance(armed.fault.do, Answer):
            reply = HttpReply(armed.fault.do.status, armed.fault.do.body, armed.fault.do.headers)
        reply = HttpReply(reply.status, reply.body, {**reply.headers, "Connection": "close"})
        connection.send(reply.encode(), armed)

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error belongs to the program around the sandbox."""
