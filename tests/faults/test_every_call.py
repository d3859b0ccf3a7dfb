"""Every call to the C library fails once: of Python, of SQLite and of OpenSSL, in a real process.

In the bounded form the errors take turns from call to call; MAILSLUICE_HOSTILE=1 has every one at every call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
from itertools import chain, product
from pathlib import Path

import pytest

from crash.world import Nursery
from faults.fault import END, SHORT, SILENCE, Calls, Fault, Span
from faults.walk import Doomed, TokenDoomed, Walk, Way, numbered
from mailsluice_sandbox import Sandbox
from support.extent import FULL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

C = Calls
CHANGING = C.CREATE | C.WRITE | C.SYNC | C.NAME | C.CHANGE
TALKING = C.RECEIVE | C.SEND

WAYS = {
    "changing": Way(CHANGING, (EIO, ENOSPC, EDQUOT, EROFS), after=True),
    "reading": Way(C.OPEN | C.READ | C.LOOK | C.CLOSE, (EIO,), stride=3),
    "opening": Way(C.OPEN | C.CREATE | C.DUPLICATE | C.SOCKET, (EMFILE, ENFILE)),
    "mapping": Way(C.MAP, (ENOMEM,)),
    "locking": Way(C.LOCK, (EAGAIN, ENOLCK), stride=9),
    "locked-out": Way(C.LOCK, (EAGAIN,), span=Span.ON, stride=15),
    "filling-up": Way(CHANGING, (ENOSPC, EDQUOT), span=Span.ON, stride=5),
    "connecting": Way(C.RESOLVE | C.SOCKET | C.CONNECT, (ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH)),
    "talking": Way(TALKING, (ECONNRESET, ETIMEDOUT, EPIPE)),
    "hanging-up": Way(C.RECEIVE, (END,), stride=2),
    "falling-silent": Way(C.WAIT, (SILENCE,)),
}

SPARSE = 7
"""In the bounded form, with another sink, policy or login, each seventh call fails."""

INTERRUPTIBLE = C.OPEN | C.CREATE | C.READ | C.WRITE | C.CONNECT | C.WAIT | TALKING
"""What a signal may interrupt (signal(7)): the locks here are such as never wait."""

SINK_WAYS = ("changing", "reading", "opening", "filling-up", "talking", "hanging-up", "falling-silent")
"""Those where it may matter into which sink mail goes, and whether it is kept."""
TOKEN_WAYS = ("reading", "opening", "connecting", "talking", "hanging-up", "falling-silent")
SPOOL, MAILDIR, DELETE, KEEP = "spool", "maildir", "false", "true"
OTHERS = (
    list(product(SINK_WAYS, [(MAILDIR, DELETE), (SPOOL, KEEP), (MAILDIR, KEEP)]))
    if FULL
    else [("changing", (MAILDIR, KEEP)), ("talking", (MAILDIR, KEEP)), ("opening", (MAILDIR, DELETE))]
)
OTHER_IDS = [f"{way}-{sink}-{'delete' if leave == DELETE else 'keep'}" for way, (sink, leave) in OTHERS]

NewWalk = Callable[..., Walk]


@pytest.fixture
def new_walk(tmp_path: Path, sandbox: Sandbox, nursery: Nursery) -> NewWalk:
    homes = numbered(tmp_path)

    def made(sink: str, leave: str, kind: type[Doomed] = Doomed) -> Walk:
        return Walk(lambda: kind(next(homes), sandbox, nursery, sink=sink, leave=leave))

    return made


def assert_sound(walk: Walk) -> None:
    print(f"{walk.cases} cases; exit codes {dict(sorted(walk.codes.items()))}")
    assert walk.cases
    assert not walk.problems, "\n".join([f"{len(walk.problems)} problems", *walk.problems[:20]])


def walk_all(walk: Walk, way: Way, *, sparse: int = 1) -> None:
    if FULL:
        for faults in way.faults:
            walk.go(faults)
    else:
        walk.go(list(chain(*way.faults)), stride=way.stride * sparse)
    assert_sound(walk)


@pytest.mark.parametrize("way", WAYS)
def test_any_call_that_fails_is_reported_and_the_next_poll_makes_good(new_walk: NewWalk, way: str) -> None:
    walk_all(new_walk(SPOOL, DELETE), WAYS[way])


@pytest.mark.parametrize(("way", "kind"), OTHERS, ids=OTHER_IDS)
def test_so_it_is_with_the_other_sink_and_with_mail_that_is_kept(
    new_walk: NewWalk, way: str, kind: tuple[str, str]
) -> None:
    walk_all(new_walk(*kind), WAYS[way], sparse=SPARSE)


@pytest.mark.parametrize("way", TOKEN_WAYS)
def test_so_it_is_on_the_way_to_a_token_and_to_the_secret_it_takes(new_walk: NewWalk, way: str) -> None:
    # In the same process the failure would answer for some seconds more.
    walk_all(new_walk(SPOOL, DELETE, TokenDoomed), replace(WAYS[way], again=False), sparse=SPARSE)


@pytest.mark.parametrize("sink", [SPOOL, MAILDIR])
@pytest.mark.parametrize(
    ("calls", "how", "each"),
    [(C.READ | C.WRITE | TALKING, SHORT, 1), (INTERRUPTIBLE, EINTR, 3)],
    ids=["one octet at a time", "every third call interrupted"],
)
def test_what_is_no_failure_goes_unnoticed(
    new_walk: NewWalk, sink: str, calls: Calls, how: int, each: int
) -> None:
    walk = new_walk(sink, DELETE)
    walk.take(Fault(calls=calls, how=how, nth=each, span=Span.EACH))
    assert_sound(walk)
    assert walk.codes == {0: 1}


def test_a_log_line_that_cannot_be_written_costs_no_mail(new_walk: NewWalk) -> None:
    walk = new_walk(SPOOL, DELETE)
    walk.take(Fault(calls=C.OUTPUT, how=ENOSPC))
    assert_sound(walk)
    assert walk.codes == {0: 1}
