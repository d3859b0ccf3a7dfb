"""The heap of the C library: one arena for all threads.

Owns how the allocator of libc is set up. Must never matter for anything except memory use: if it cannot be
set up, the program goes on without a word.

glibc gives new threads an arena of their own, up to eight for each core. Memory that a thread frees stays in
its arena (mallopt(3), M_ARENA_MAX). Polls are short-lived threads, so a daemon's memory would grow for days.
Python holds its own lock while it asks for memory, so several arenas would make nothing faster.
"""

from __future__ import annotations

_M_ARENA_MAX = -8  # malloc.h


def keep_one_arena() -> bool:
    """Let all threads that start from now on share one arena. Returns whether that was possible.

    It is not possible if libc is not glibc. musl has one heap for all threads anyway.
    """
    import ctypes  # noqa: PLC0415  only commands that poll need it

    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    except (OSError, AttributeError):
        return False
