"""Whether threads share one arena of glibc's."""

from __future__ import annotations

import ctypes

import pytest

from mailsluice.system import heap
from support.program import printed_by
from support.skipping import skip_or_fail

_ARENAS = """
import ctypes, tempfile, threading
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
begun, end = threading.Barrier(5), threading.Event()

def hold():
    held = bytearray(3000)  # too much for Python's own pool
    begun.wait()
    end.wait()

threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
begun.wait()
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr="))
end.set()
"""


def need_glibc() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_info"):
        skip_or_fail("this libc is not glibc")


def arenas(prepare: str) -> int:
    """Those of a process that prepared itself so, and then has four threads that have memory."""
    *_, count = printed_by(prepare + _ARENAS).split()
    return int(count)


def test_every_thread_has_an_arena_of_its_own_by_itself() -> None:
    need_glibc()
    assert arenas("") > 1


def test_all_threads_share_one_arena_once_that_is_asked_for() -> None:
    need_glibc()
    assert arenas("from mailsluice.system import heap; print(heap.keep_one_arena())\n") == 1


def test_a_libc_that_has_no_arenas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert heap.keep_one_arena() is False


def test_a_libc_that_cannot_be_had_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: None) -> None:
        raise OSError("dlopen")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert heap.keep_one_arena() is False


@pytest.mark.parametrize("command", ["poll", "run"])
def test_whatever_starts_what_polls_it_is_asked_for(command: str) -> None:
    need_glibc()
    begin = f"""\
from mailsluice.cli.main import main
assert main(["-c", "/dev/null", "{command}"]) == 78  # it has no mailbox, but it has begun
"""
    assert arenas(begin) == 1
