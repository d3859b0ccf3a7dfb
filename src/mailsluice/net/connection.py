"""The transport: a TLS connection that never waits without a limit. Another thread may cut it.

Owns the socket, and how long each use of it may last. Must never know what is sent over it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from mailsluice.clock import Clock
from mailsluice.errors import (
    ConnectionLost,
    DeadlineExceeded,
    GaveWay,
    MailsluiceError,
    Obstacle,
    Phase,
    ServerUntrusted,
    Stopped,
)
from mailsluice.net.certificate import Tls, agreed
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Deadline, Limits, Patience
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import first_stop, reach
from mailsluice.net.stages import Observe, Stage, unobserved
from mailsluice.net.translation import translated

_RECORD = 16 * 1024
"""The most octets in a TLS record (RFC 8446 §5.1). One read from OpenSSL returns no more than one record."""

_BUFFER = 5 * _RECORD
"""Octets received at once: many small messages, or a large part of a big one."""


class Connection:
    """One connection to one server. One thread uses it, and another thread may end it.

    Every method raises ServerUnreachable, ServerBarred, ServerUntrusted, ConnectionLost or DeadlineExceeded,
    which name the endpoint and the phase; `open` also SecretError, for a proxy's password. After `abort` it
    raises Stopped, and after `give_way` GaveWay. `owner` is the mailbox's name. `waits` is the phase in which
    it waits for the server, and since when; None while it does not wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock,
        deadlines: Limits,
        connections: Connections,
        owner: str = "",
        observe: Observe = unobserved,
    ) -> None:
        self.endpoint = endpoint
        self.owner = owner
        self.waits: tuple[Phase, float] | None = None
        self.opened = clock.monotonic()
        self._clock = clock
        self._deadlines = deadlines
        self._end = Deadline(clock, deadlines.session)
        self._connections = connections
        self._observe = observe
        self._socket: ssl.SSLSocket | None = None
        self._swap = threading.RLock()
        self._aborted = False
        self._gave_way = 0.0  # the seconds of silence after which it gave way; 0: it did not
        self._buffer = memoryview(bytearray(_BUFFER))
        self._met: OSError | None = None  # an error that came after octets: the next `receive` raises it

    @classmethod
    def open(
        cls,
        endpoint: Endpoint,
        *,
        clock: Clock,
        deadlines: Limits,
        connections: Connections,
        owner: str = "",
        observe: Observe = unobserved,
    ) -> Self:
        """Connect, and verify the server's certificate and name. `observe` is told each stage of that."""
        connection = cls(
            endpoint,
            clock=clock,
            deadlines=deadlines,
            connections=connections,
            owner=owner,
            observe=observe,
        )
        connections.add(connection)  # before it connects, so that a stop also ends that
        try:
            connection._reach()
        except BaseException:
            connection.close()
            raise
        return connection

    def send(self, data: bytes, phase: Phase, patience: Patience) -> None:
        """Send all of `data`."""
        with self._waiting(phase, patience) as wire:
            wire.sendall(data)

    def receive(self, phase: Phase, patience: Patience) -> memoryview:
        """All octets that have come; waits for the first one. Empty at the end of the connection.

        Valid until the next call, because the buffer is used again.
        """
        with self._waiting(phase, patience) as wire:
            if self._met is not None:
                raise self._met
            octets = wire.recv_into(self._buffer)
            octets += self._receive_more(wire, octets)
        patience.spend(0, octets)
        return self._buffer[:octets]

    def _receive_more(self, wire: ssl.SSLSocket, octets: int) -> int:
        """Receive what else is there without waiting. Returns how many octets more that is.

        An error is kept for the next call, so that the octets before it are not lost.
        """
        more, before = octets, octets
        wire.settimeout(0)
        try:
            while more and octets <= _BUFFER - _RECORD:  # while a whole record has room
                more = wire.recv_into(self._buffer[octets:])
                octets += more
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass
        except OSError as exc:
            self._met = exc
        return octets - before

    def check(self, phase: Phase) -> None:
        """Raise Stopped or GaveWay if this was cut, ConnectionLost if it is closed."""
        if self._is_cut or self._socket is None:
            self._held(phase)

    @property
    def tls(self) -> Tls | None:
        """What the handshake agreed on, and the server's certificate; None if this is closed."""
        with self._swap:
            return None if self._socket is None else agreed(self._socket)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._socket is None

    def close(self) -> None:
        """Close the socket, and send nothing before. Safe to call again."""
        self._connections.discard(self)
        with self._swap:
            wire, self._socket = self._socket, None
            if wire is not None:
                wire.close()

    def abort(self) -> None:
        """End whatever this connection does, from any thread. Its methods then raise Stopped."""
        self._aborted = True
        self._cut()

    def give_way(self, since: float) -> None:
        """End this from any thread, after silence since `since`. Its methods then raise GaveWay."""
        self._gave_way = max(self._clock.monotonic() - since, 0.001)
        self._cut()

    def _cut(self) -> None:
        with self._swap:
            if self._socket is not None:
                # Not SSLSocket.shutdown: that removes the TLS layer first, and the thread that uses this
                # connection might then send plain text. The call for plain sockets leaves the layer there.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _reach(self) -> None:
        """Connect and verify. Try once more if the authorities on disk have changed since they were read."""
        authorities, ca_file = self._connections.authorities, self.endpoint.ca_file
        context = authorities.context(ca_file)
        try:
            self._connect(context)
            self._secure()
        except ServerUntrusted:
            renewed = authorities.renewed(ca_file, context)
            if renewed is None:
                raise
            self._connect(renewed)
            self._secure()

    def _connect(self, context: ssl.SSLContext) -> None:
        patience = Patience(self._deadlines.connect)
        with self._translating(Phase.CONNECT, patience):
            host, port, route = self.endpoint.host, self.endpoint.port, self.endpoint.route
            addresses = first_stop(host, port, route, self._observe)
            end = Deadline(self._clock, self._deadlines.connect)  # after the names: see `first_stop`
            plain = reach(
                host, port, route, addresses, lambda: self._left_to_connect(end), observe=self._observe
            )
            self._take(self._ready_for_tls(plain), context)

    def _ready_for_tls(self, plain: socket.socket) -> socket.socket:
        """The same socket, after the server was asked to begin TLS, if it has to be asked."""
        if self.endpoint.ask_for_tls is None:
            return plain
        patience = Patience(self._deadlines.tls)
        end = Deadline(self._clock, patience.left)
        try:
            with self._translating(Phase.GREETING, patience):
                self.endpoint.ask_for_tls(plain, lambda: self._left_to_connect(end))
        except BaseException:
            plain.close()
            raise
        return plain

    def _left_to_connect(self, end: Deadline) -> float:
        """The seconds left. Raises TimeoutError if there are none, or after `abort`."""
        if self._aborted:
            raise TimeoutError
        return min(end.left(), self._end.left())

    def _take(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        """Use this socket from now on. It is wrapped in TLS before anything can be sent over it."""
        with self._swap:
            if self._socket is not None:
                self._socket.close()
            self._socket = context.wrap_socket(
                plain, server_hostname=self.endpoint.host, do_handshake_on_connect=False
            )

    def _secure(self) -> None:
        self._observe(Stage.TLS, None)
        with self._waiting(Phase.TLS, Patience(self._deadlines.tls)) as wire:
            wire.do_handshake()
        if self._observe is not unobserved:
            self._observe(Stage.TLS, self.tls)

    def _held(self, phase: Phase) -> ssl.SSLSocket:
        if self._is_cut:
            raise self._stopped(phase)
        if self._socket is None:
            raise ConnectionLost(f"the connection to {self.endpoint} is closed already", phase=phase)
        return self._socket

    @contextmanager
    def _waiting(self, phase: Phase, patience: Patience) -> Iterator[ssl.SSLSocket]:
        """Give the socket for one call that waits no longer than `patience` and the session allow."""
        wire = self._held(phase)
        begun = self._clock.monotonic()
        try:
            limit = min(patience.left, self._end.left())
            if limit <= 0:
                raise TimeoutError
            wire.settimeout(limit)
            self.waits = phase, begun
            yield wire
        except (OSError, UnicodeError) as exc:
            raise self._meaning(exc, phase, patience) from exc
        finally:
            self.waits = None
            patience.spend(self._clock.monotonic() - begun, 0)
        if self._is_cut:  # to the call, a cut may have looked like an orderly end
            raise self._stopped(phase)

    @contextmanager
    def _translating(self, phase: Phase, patience: Patience) -> Iterator[None]:
        """Translate the errors of the system and of the TLS library, as `_meaning` says."""
        try:
            yield
        except (OSError, UnicodeError) as exc:  # UnicodeError: a host name that IDNA cannot encode
            raise self._meaning(exc, phase, patience) from exc

    def _meaning(self, exc: OSError | UnicodeError, phase: Phase, patience: Patience) -> MailsluiceError:
        if self._is_cut:
            return self._stopped(phase)
        # To connect takes as long as the names took less: if the session is over, that shows no firewall.
        if isinstance(exc, TimeoutError) and (phase is not Phase.CONNECT or self._end.is_over):
            return self._too_slow(phase, patience)
        return translated(exc, self.endpoint, phase)

    def _too_slow(self, phase: Phase, patience: Patience) -> DeadlineExceeded:
        if self._end.is_over:
            what = f"the session lasted its {self._deadlines.session:g} s"
        else:
            what = f"silent or too slow for {patience.allowed:g} s"
        return DeadlineExceeded(
            f"{self.endpoint} in phase {phase.value}: {what}",
            phase=phase,
            obstacle=Obstacle.SILENT if phase is Phase.TLS else None,
        )

    @property
    def _is_cut(self) -> bool:
        return self._aborted or self._gave_way > 0

    def _stopped(self, phase: Phase) -> Stopped | GaveWay:
        if not self._aborted:
            what = f"silent for {self._gave_way:.0f} s, while others waited for the session"
            return GaveWay(f"{self.endpoint} in phase {phase.value}: {what}", phase=phase)
        return Stopped(f"stopped while talking to {self.endpoint}, in phase {phase.value}")
