"""An identity provider on loopback: OpenID configuration and token endpoint, over real TLS."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import trustme

TENANT = "contoso"
SECRET = "canary-client-secret"
Answer = tuple[int, dict[str, str], bytes]


def as_json(status: int, document: object, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json", **fields}, json.dumps(document).encode()


def at_once(wire: BufferedIOBase, octets: bytes) -> None:
    wire.write(octets)


def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


class TokenEndpoint:
    """Answers as `answer` says; by default with `canary-token-1`, `canary-token-2`, and so on.

    `certify` makes its TLS settings, with a certificate by the authority in `ca_file`.
    """

    def __init__(self, directory: Path, certify: Callable[[trustme.CA], ssl.SSLContext] = certified) -> None:
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.forms: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.lifetime: object = 3600
        self.write: Callable[[BufferedIOBase, bytes], None] = at_once
        self.answer: Callable[[dict[str, str]], Answer] = self.token
        self.configuration: Callable[[], Answer] = self.discovery
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = certify(authority).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    @property
    def authority(self) -> str:
        return f"{self.address}/{TENANT}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, _form: dict[str, str]) -> Answer:
        token = f"canary-token-{len(self.forms)}"
        return as_json(200, {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token})

    def discovery(self) -> Answer:
        return as_json(
            200,
            {
                "issuer": f"{self.authority}/v2.0",
                "authorization_endpoint": f"{self.authority}/oauth2/v2.0/authorize",
                "token_endpoint": f"{self.authority}/oauth2/v2.0/token",
            },
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._note()
                self._say(endpoint.configuration())

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {key: values[0] for key, values in parse_qs(raw).items()}
                self._note()
                endpoint.forms.append(form)
                self._say(endpoint.answer(form))

            def _note(self) -> None:
                endpoint.paths.append(self.path)
                endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})

            def _say(self, answer: Answer) -> None:
                status, headers, body = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                wire, self.wfile = self.wfile, BytesIO()
                self.end_headers()
                endpoint.write(wire, self.wfile.getvalue())
                self.wfile = wire
                endpoint.write(wire, body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
