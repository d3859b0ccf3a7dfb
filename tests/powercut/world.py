"""One mailbox and its disk: the real flow, sink and ledger, and a simulated server that marks the trace."""

from __future__ import annotations

import ctypes
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox, MaildirSink, SpoolSink
from mailsluice.ledger.ledger import Ledger
from mailsluice.outcome import Outcome
from mailsluice.polling.slots import Slots
from mailsluice.polling.under_way import UnderWay
from mailsluice.session.context import Context
from mailsluice.session.counts import Polled
from mailsluice.session.run import poll
from powercut.model import Call, Tree
from sink.world import Client, Logins, Server
from support.sinks import sinks_of
from support.staging import staged_in

FIRST, SECOND, THIRD = (b"u1", b"u2"), (b"u3",), (b"u4",)
LONG = 20_000


def octets_of(uidl: bytes) -> bytes:
    filling = (uidl + b"\r\n") * (LONG // 4) if uidl == b"u2" else b""
    return b"Subject: " + uidl + b"\r\n\r\n" + filling + b"end\r\n"


class Recorder:
    """The library that was loaded before this program. See recording.c."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)

    def begin(self, root: Path, trace: Path) -> None:
        self._library.recording_begin(str(root).encode(), str(trace).encode())

    def mark(self, text: str) -> None:
        self._library.recording_mark(text.encode())

    def fail(self, sync: int) -> None:
        self._library.recording_fail(ctypes.c_long(sync))

    def die(self, sync: int) -> None:
        self._library.recording_die(ctypes.c_long(sync))

    def end(self) -> None:
        self._library.recording_end()


class MarkingClient(Client):
    """Writes into the trace when it asks for the deletions, and when they are done."""

    def __init__(self, server: Server, recorder: Recorder) -> None:
        super().__init__(server)
        self._recorder = recorder

    def quit(self) -> None:
        uidls = " ".join(uidl.decode() for uidl in sorted(self._marked))
        self._recorder.mark(f"quit {uidls}")
        super().quit()
        self._recorder.mark(f"done {uidls}")


class World:
    """Everything that lies below `root` is the disk's."""

    def __init__(self, root: Path, kind: str, *, leave: bool, recorder: Recorder) -> None:
        self.root = root
        self.recorder = recorder
        self.server = Server()
        self.server.mail = {}
        self.place = root / "sink"
        self.leave = leave
        sink = SpoolSink(path=self.place) if kind == "spool" else MaildirSink(path=self.place)
        self.mailbox = Mailbox(
            name="inv",
            address="a@b.example",
            credential="c",
            host="h.example",
            sink=sink,
            leave_on_server=leave,
        )

    def deliver(self, *uidls: bytes) -> None:
        for uidl in uidls:
            self.recorder.mark(f"deliver {uidl.decode()}")
            self.server.mail[uidl] = octets_of(uidl)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with Ledger(self.root / "state" / "deep") as ledger:
            yield ledger

    def poll(self, ledger: Ledger) -> Polled:
        return poll(
            self.mailbox,
            Context(
                credentials=Logins(),
                connect=lambda _: MarkingClient(self.server, self.recorder),
                ledger=ledger,
                open_sink=sinks_of(ledger).open,
                sink_at=sinks_of(ledger).at,
                clock=SystemClock(),
                stop=threading.Event(),
                slots=Slots(16, SystemClock()),
                progress=UnderWay(SystemClock()),
            ),
        )

    def faults(self, expected: Counter[bytes]) -> list[str]:
        """What is wrong, after recovery: messages missing or repeated or torn, leftovers, a ledger that fails."""
        found = []
        with self.ledger() as ledger:
            for _ in range(2):
                polled = self.poll(ledger)
                if polled.report.outcome is not Outcome.OK:
                    found.append(f"a poll failed: {polled.report.detail}")
        visible = [path for pattern in ("*.eml", "new/*") for path in self.place.glob(pattern)]
        came = Counter(path.read_bytes().replace(b"\r\n", b"\n") for path in visible)
        wanted = Counter({octets_of(uidl).replace(b"\r\n", b"\n"): n for uidl, n in expected.items() if n})
        if came != wanted:
            found.append(f"came {sorted(map(_short, came.elements()))}, not {expected}")
        found += [
            f"{path} has no description"
            for path in visible
            if path.suffix == ".eml" and not path.with_suffix(".json").exists()
        ]
        found += [f"left in staging: {path}" for path in staged_in(self.place)]
        if not self.leave and self.server.mail:
            found.append(f"left on the server: {list(self.server.mail)}")
        return found


def _short(octets: bytes) -> str:
    return f"{octets[:11]!r} of {len(octets)}"


def message_at(path: str, tree: Tree) -> bytes | None:
    """The UIDL of the message that a consumer sees under this name."""
    parts = path.split("/")
    if parts[0] != "sink" or not (
        (path.endswith(".eml") and len(parts) == 2) or (parts[1:2] == ["new"] and parts[2:])
    ):
        return None
    head, _, _ = (tree[path][1] or b"").partition(b"\n")
    return head.strip().removeprefix(b"Subject: ")


def servers_after(calls: list[Call]) -> list[dict[bytes, bytes]]:
    """What may be on the server after these calls: while it carries QUIT out, either of two."""
    mail: dict[bytes, bytes] = {}
    asked: list[bytes] = []
    for call in calls:
        if call.name == "mark":
            word, *uidls = call.fields[0].encode().split()
            if word == b"deliver":
                mail |= {uidl: octets_of(uidl) for uidl in uidls}
            elif word == b"quit":
                asked = uidls
            else:
                mail = {uidl: octets for uidl, octets in mail.items() if uidl not in uidls}
                asked = []
    after = {uidl: octets for uidl, octets in mail.items() if uidl not in asked}
    return [mail, after] if asked else [mail]


def delivered_by(calls: list[Call]) -> Counter[bytes]:
    marks = [call.fields[0].encode().split() for call in calls if call.name == "mark"]
    return Counter(uidl for word, *uidls in marks if word == b"deliver" for uidl in uidls)
