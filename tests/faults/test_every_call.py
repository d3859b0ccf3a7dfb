"""Every call to the C library fails once: of Python, of SQLite and of OpenSSL, in a real process.

In the bounded form the errors take turns from call to call; MAILSLUICE_HOSTILE=1 has every one at every call.
"""

from __future__ import annotations

from errno import (
    EAGAIN,
    ECONNREFUSED,
    ECONNRESET,
    EDQUOT,
    EHOSTUNREACH,
    EINTR,
    EIO,
    EMFILE,
    ENFILE,
    ENOLCK,
    ENOMEM,
    ENOSPC,
    EPIPE,
    EROFS,
    ETIMEDOUT,
)
from pathlib import Path

import pytest

from crash.world import Nursery
from faults.fault import END, SHORT, SILENCE, Calls, Span
from faults.walk import Doomed, Walk, Way, all_of, bounded, numbered
from mailsluice.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

C = Calls
CHANGING = C.CREATE | C.WRITE | C.SYNC | C.NAME | C.CHANGE
TALKING = C.RECEIVE | C.SEND

WAYS = {
    "changing": Way(CHANGING, (EIO, ENOSPC, EDQUOT, EROFS), after=True),
    "reading": Way(C.OPEN | C.READ | C.LOOK | C.CLOSE, (EIO,), stride=2),
    "opening": Way(C.OPEN | C.CREATE | C.DUPLICATE | C.SOCKET, (EMFILE, ENFILE)),
    "mapping": Way(C.MAP, (ENOMEM,)),
    "locking": Way(C.LOCK, (EAGAIN, ENOLCK), stride=5),
    "locked-out": Way(C.LOCK, (EAGAIN,), span=Span.ON, stride=11),
    "filling-up": Way(CHANGING, (ENOSPC, EDQUOT), span=Span.ON, stride=5),
    "connecting": Way(C.RESOLVE | C.SOCKET | C.CONNECT, (ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH)),
    "talking": Way(TALKING, (ECONNRESET, ETIMEDOUT, EPIPE)),
    "hanging-up": Way(C.RECEIVE, (END,), stride=2),
    "falling-silent": Way(C.WAIT, (SILENCE,)),
}

INTERRUPTED = C.OPEN | C.CREATE | C.READ | C.WRITE | C.LOCK | C.CONNECT | C.WAIT | TALKING
ABSORBED = {
    "short": Way(C.READ | C.WRITE | TALKING, (SHORT,), absorbed=True),
    "interrupted": Way(INTERRUPTED, (EINTR,), absorbed=True),
}


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    sink, leave = request.param
    return sink, leave


@pytest.fixture
def walk(tmp_path: Path, sandbox: Sandbox, nursery: Nursery, kind: tuple[str, str]) -> Walk:
    homes = numbered(tmp_path)
    sink, leave = kind
    return Walk(lambda: Doomed(next(homes), sandbox, nursery, sink=sink, leave=leave))


def take(walk: Walk, way: Way, *, hostile: bool, sparse: int = 1) -> None:
    for faults in all_of(way) if hostile else bounded(way):
        walk.go(way, faults, stride=1 if hostile else way.stride * sparse)
    print(f"{walk.cases} cases; exit codes {dict(walk.codes)}")
    assert walk.cases
    assert not walk.flaws, "\n".join([f"{len(walk.flaws)} flaws", *walk.flaws[:20]])


@pytest.mark.parametrize("kind", [("spool", "false")], indirect=True, ids=["spool-delete"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_any_call_that_fails_is_reported_and_the_next_poll_makes_good(
    walk: Walk, way: Way, hostile: bool
) -> None:
    take(walk, way, hostile=hostile)
