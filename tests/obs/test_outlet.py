"""A log's reader who stops to read, and goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mailsluice.obs import outlet
from mailsluice.obs.outlet import MOST, Outlet
from support.program import printed_by
from support.shortage import Shortage

LONG = 20.0


class Reader:
    """Reads a line when it may: all of them, until it is stopped."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.is_met = threading.Event()

    def put(self, line: str) -> None:
        self.is_met.set()
        assert self.goes_on.wait(LONG)
        self.read.append(line)

    def stop(self, outlet: Outlet) -> None:
        """Stop at the line `first`, which is being written from then on."""
        self.goes_on.clear()
        outlet.write("first")
        assert self.is_met.wait(LONG)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.goes_on.set()


def caught_up(reader: Reader, outlet: Outlet) -> list[str]:
    reader.goes_on.set()
    outlet.drain(LONG)
    return reader.read


def test_lines_come_out_in_their_order(reader: Reader) -> None:
    outlet = Outlet(reader.put)
    for number in range(50):
        outlet.write(str(number))
    assert caught_up(reader, outlet) == [str(number) for number in range(50)]


def test_who_writes_does_not_wait_for_a_reader_who_has_stopped(reader: Reader) -> None:
    outlet = Outlet(reader.put)
    reader.stop(outlet)
    for number in range(2 * MOST):
        outlet.write(str(number))
    assert reader.read == []


def test_what_waits_for_the_reader_is_bounded_and_what_is_dropped_is_told_where_it_is_missing(
    reader: Reader,
) -> None:
    outlet = Outlet(reader.put)
    outlet.tell_dropped = lambda lines: outlet.write(f"{lines} dropped")
    reader.stop(outlet)
    for number in range(MOST + 20):
        outlet.write(str(number))
    assert caught_up(reader, outlet) == ["first", *map(str, range(MOST - 1)), "21 dropped"]
    outlet.write("next")
    assert caught_up(reader, outlet)[-2:] == ["21 dropped", "next"]


def test_the_end_waits_for_a_line_that_is_being_written_and_no_longer_than_it_has_patience(
    reader: Reader,
) -> None:
    outlet = Outlet(reader.put)
    reader.stop(outlet)
    outlet.drain(0.01)
    assert reader.read == []
    later = threading.Timer(0.05, reader.goes_on.set)
    later.start()
    outlet.drain(LONG)
    assert reader.read == ["first"]


def test_where_no_thread_can_be_had_lines_are_written_by_who_has_them(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shortage(monkeypatch, lambda thread: thread.name == "log")
    outlet = Outlet(reader.put)
    outlet.write("one")
    assert reader.read == ["one"]


def test_what_stands_in_for_standard_error_is_written_to_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    outlet.standard_error().write("to the one who captures\n")
    assert capsys.readouterr().err == "to the one who captures\n"


STANDARD_ERROR = """
import os, sys
read, write = os.pipe()
os.dup2(write, 2)
os.close(write)
from mailsluice.obs import outlet
%s
outlet.drain()
os.set_blocking(read, False)
try:
    print(os.read(read, 100000))
except BlockingIOError:
    print(b"")
"""


def printed(act: str) -> str:
    return printed_by(STANDARD_ERROR % act).strip()


def test_lines_go_to_the_standard_error_that_the_program_was_started_with() -> None:
    assert printed("outlet.standard_error().write('sch\u00f6n \\udcff\\n')") == repr(
        "schön \\udcff\n".encode()
    )


def test_a_descriptor_that_somebody_else_set_o_nonblock_loses_no_line() -> None:
    act = """
import threading
os.set_blocking(2, False)
filled = 0
try:
    while True:
        filled += os.write(2, b"x" * 4096)
except BlockingIOError:
    pass
outlet.standard_error().write("late\\n")
while filled:
    filled -= len(os.read(read, filled))
"""
    assert printed(act) == repr(b"late\n")


@pytest.mark.parametrize(
    "gone",
    [
        "os.close(read); read = os.open(os.devnull, os.O_RDONLY)",
        "os.close(2)",
        "sys.stderr = sys.__stderr__ = None",
    ],
)
def test_nobody_who_reads_stops_nobody(gone: str) -> None:
    assert printed(f"{gone}\noutlet.standard_error().write('unheard\\n')") == "b''"


def test_a_line_just_before_the_end_is_read() -> None:
    act = """
import sys
from mailsluice.cli import main
from mailsluice.obs import outlet
main._ended = lambda _arguments: outlet.standard_error().write("last words\\n") or 3
sys.exit(main.main())
"""
    ended = subprocess.run([sys.executable, "-c", act], capture_output=True, check=False, timeout=LONG)
    assert (ended.returncode, ended.stderr) == (3, b"last words\n")
