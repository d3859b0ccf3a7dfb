"""The redirect: where a browser of this machine comes back to, when a person has signed in (RFC 8252 §7.3).

Owns a small web server on loopback, for one answer. Whoever can reach it is hostile, unless they know the
`state`: other users of the machine, and every page that the browser has open. Must never repeat what it was
sent, and never wait for one visitor while another one comes.
"""

from __future__ import annotations

import hmac
import queue
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

_LARGEST = 64 * 1024
"""Octets of an answer. A code of Entra ID has some 1,000."""
_MOST_FIELDS = 20
_MOST_VISITORS = 16
"""At the same time. A browser opens a few connections before it needs them."""
_SILENCE = 10.0
"""Seconds in which a visitor has to say something."""
_POLL_SECONDS = 0.05

_WELCOME = "Your sign-in has come to mailsluice, which tells in its terminal how it went. Close this page."
_UNKNOWN = "This is not the sign-in that mailsluice waits for."


class Redirect:
    """Listens on a free port of loopback for the answer with this `state`. A context manager.

    Raises OSError if there is no port.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self._answers: queue.Queue[dict[str, str]] = queue.Queue(1)
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    @property
    def uri(self) -> str:
        """Its address. Entra ID lets a registered http://localhost have any port, and no path."""
        return f"http://localhost:{self.port}"

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.server_address[1])

    def answer(self, seconds: float) -> dict[str, str] | None:
        """The fields of the first answer with our state; None if none comes within so many seconds."""
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def take(self, fields: dict[str, str]) -> bool:
        """Take an answer, if it has our state and something to say. Only the first one counts."""
        ours = hmac.compare_digest(fields.get("state", "").encode(), self.state.encode())
        if not ours or not fields.keys() & {"code", "error"}:
            return False
        try:
            self._answers.put_nowait(fields)
        except queue.Full:
            return False
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a visitor who hangs keeps nothing

    def __init__(self, redirect: Redirect) -> None:
        self.redirect = redirect
        self._visitors: dict[socket.socket, None] = {}  # in the order in which they came
        self._counting = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Visit)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give each visitor a thread. If they are too many, the one that came first has to go.

        It had time enough. Whoever says a little now and then would otherwise keep the browser out.
        """
        with self._counting:
            if len(self._visitors) >= _MOST_VISITORS:
                first = next(iter(self._visitors))
                del self._visitors[first]
                with suppress(OSError):  # it has just left
                    first.shutdown(socket.SHUT_RDWR)
            self._visitors[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one visitor."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._counting:
                self._visitors.pop(request, None)

    def handle_error(self, *_: object) -> None:
        """Say nothing: a visitor left, or sent what is no HTTP."""


class _Visit(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE
    server_version, sys_version = "mailsluice", ""

    def do_GET(self) -> None:
        """An answer in the address, as some providers give an error. Also what browsers ask by themselves."""
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """An answer in a form (OAuth 2.0 Form Post Response Mode)."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 9 and int(length) <= _LARGEST):
            self._say(400, _UNKNOWN)
            return
        self._answer(self.rfile.read(int(length)).decode("utf-8", "replace"))

    def send_error(self, code: int, *_: object) -> None:
        """Refuse what is no request of ours. The base class would repeat parts of it."""
        self._say(code, _UNKNOWN)

    def log_message(self, *_: object) -> None:
        """Say nothing: an address may have a code in it."""

    def _answer(self, form: str) -> None:
        if urlsplit(self.path).path != "/":
            self._say(404, _UNKNOWN)
            return
        try:
            fields = dict(parse_qsl(form, max_num_fields=_MOST_FIELDS))
        except ValueError:
            fields = {}
        taken = self.server.redirect.take(fields)
        self._say(200 if taken else 400, _WELCOME if taken else _UNKNOWN)

    def _say(self, status: int, text: str) -> None:
        octets = f"{text}\n".encode()
        self.close_connection = True
        self.send_response(status)
        for name, value in {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(octets)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)
