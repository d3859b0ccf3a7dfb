"""The heap of the C library: one arena for all threads.

Owns how the allocator of libc is set up. Must never matter for anything but memory: where it cannot be set,
nothing is said, and all else goes on.

glibc gives each new thread an arena of its own, up to eight for each core, and what one thread has freed no
other one gets (mallopt(3), M_ARENA_MAX). A daemon whose polls are short-lived threads grows by that for
days. Python holds its own lock while it asks for memory, so that several arenas make nothing quicker.
"""

from __future__ import annotations

_M_ARENA_MAX = -8  # malloc.h


def keep_one_arena() -> bool:
    """Have threads that are started from now on share one arena; whether that could be done.

    It cannot where libc is not glibc: musl has one heap for all anyway.
    """
    import ctypes  # noqa: PLC0415  commands that poll nothing do without

    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))
    except (OSError, AttributeError):
        return False
