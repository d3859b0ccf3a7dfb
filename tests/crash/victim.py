"""The program as a process that dies, or is let down, at a chosen point of a poll.

Run as a script it is a nursery: it has imported the program, and for each line of JSON on standard input
forks a child that runs `mailsluice poll`, waits for it, and answers with its exit code. It has no threads of
its own, so that a fork is a fresh start; importing anew would take most of a second for each child.
Other scripts have nurseries, too, with other fates.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import mailsluice.auth.keyrings.keyring
import mailsluice.auth.sources.entra
import mailsluice.auth.sources.ways
import mailsluice.cli.poll
import mailsluice.config.load  # noqa: F401  these would be imported by the first call, in each child anew
from mailsluice.auth.sources.delegated import DelegatedSource
from mailsluice.auth.tokens.file import TokenFile
from mailsluice.cli.main import main
from mailsluice.files.directory import Directory
from mailsluice.files.new_file import NewFile
from mailsluice.ledger.messages import Messages
from mailsluice.net import connection
from mailsluice.net.https import ProviderHttp
from mailsluice.pop3.client import Client
from mailsluice.pop3.exchange import Exchange
from mailsluice.sink.durable import DurableBatch
from mailsluice.sink.place import Place
from support.moved_clock import move_clock

connection._BUFFER = connection._RECORD  # messages come in pieces, so that there is a middle of them

LONGEST_LIFE = 80
"""Seconds after which a child that hangs is ended, by SIGALRM."""

OWNERS = (
    Exchange,
    Client,
    DelegatedSource,
    Directory,
    DurableBatch,
    Messages,
    NewFile,
    Place,
    ProviderHttp,
    TokenFile,
)


@dataclass(frozen=True)
class Point:
    """A place in a poll: before or after the `nth` call of `call`.

    That is `Class.method`, `os.function`, or `COMMIT`, said to SQLite. Where `within` is named, only what is
    called in its `turn`-th run counts.
    """

    call: str
    when: Literal["before", "after"] = "before"
    nth: int = 1
    within: str = ""
    turn: int = 1

    def __str__(self) -> str:
        place = f"-in-{self.within}-{self.turn}" if self.within else ""
        return f"{self.when}-{self.call}-{self.nth}{place}"


@dataclass(frozen=True)
class Fate:
    """What happens to one poll. Without a point, nothing does.

    `error` is the errno raised at the point, or SQLite's for COMMIT, instead of a kill. `days` is how much
    later than now the poll takes place.
    """

    point: Point | None = None
    error: int | None = None
    days: int = 0

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Fate:
        point = fields.pop("point")
        return cls(Point(**point) if point else None, **fields)


def ordered(fate: Fate, arguments: list[str], output: Path) -> str:
    """The line that asks the nursery for a child."""
    return json.dumps({"fate": asdict(fate), "arguments": arguments, "output": str(output)}) + "\n"


def seal(fields: dict[str, Any]) -> None:
    """See to it that the fate of these fields comes about, in this process."""
    fate = Fate.read(fields)
    if fate.days:
        move_clock(timedelta(days=fate.days))
    if fate.point is None:
        return
    point = fate.point
    inside = [not point.within]
    if point.within:
        _tell_when_inside(point, inside)
    strike = _striker(point, fate.error)
    calls = itertools.count(1)

    def due(when: str) -> bool:
        return inside[0] and when == point.when

    def around(real: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if due("before") and next(calls) == point.nth:
            strike()
        result = real(*args, **options)
        if due("after") and next(calls) == point.nth:
            strike()
        return result

    if point.call == "COMMIT":
        _wrap_commit(around)
    else:
        _wrap(point.call, around)


def _striker(point: Point, error: int | None) -> Callable[[], None]:
    def strike() -> None:
        if error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        elif point.call == "COMMIT":
            failure = sqlite3.OperationalError("database or disk is full")
            failure.sqlite_errorcode = error
            raise failure
        else:
            raise OSError(error, os.strerror(error))

    return strike


def _tell_when_inside(point: Point, inside: list[bool]) -> None:
    turns = itertools.count(1)

    def around(real: Callable[..., Any], *args: Any, **options: Any) -> Any:
        inside[0] = next(turns) == point.turn
        try:
            return real(*args, **options)
        finally:
            inside[0] = False

    _wrap(point.within, around)


def _wrap(call: str, around: Callable[..., Any]) -> None:
    owner_name, name = call.split(".")
    owner: Any = {owner.__name__: owner for owner in OWNERS}.get(owner_name, os)
    real = getattr(owner, name)

    @wraps(real)
    def wrapped(*args: Any, **options: Any) -> Any:
        return around(real, *args, **options)

    setattr(owner, name, wrapped)


def _wrap_commit(around: Callable[..., Any]) -> None:
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql == "COMMIT":
                cursor: sqlite3.Cursor = around(super().execute, sql)
                return cursor
            return super().execute(sql, parameters)

    def connect_so(*args: Any, **options: Any) -> sqlite3.Connection:
        return connect(*args, factory=Connection, **options)

    sqlite3.connect = connect_so  # type: ignore[assignment]  # the program uses this one form


def _live(order: dict[str, Any], seal: Callable[[dict[str, Any]], None]) -> int:
    """The life of a child; its exit code."""
    signal.alarm(LONGEST_LIFE)
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        seal(order["fate"])
        return main(order["arguments"])
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001  the child's outermost door
        traceback.print_exc()
        return 1


def nursery(seal: Callable[[dict[str, Any]], None]) -> None:
    """Fork children until standard input ends; `seal` is called in each with the fields of its fate."""
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            code = _live(json.loads(line), seal)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    nursery(seal)
