"""The pool: the threads that sessions run in, shared out so that no credential can take them all.

Owns who begins next (docs/adr/0006-sharing-sessions.md). Must never know what a session is: it runs
callables.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, Self, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Job:
    lane: Lane
    call: Callable[[], Any]
    future: Future[Any]


class Lane:
    """One credential's way into the pool, made by `Pool.lane`."""

    def __init__(self, begin: Callable[[_Job], None]) -> None:
        self.held = 0  # threads at work for this lane; the pool's, under its lock
        self._begin = begin

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have this called as soon as a thread is free for this lane; its future, not to be cancelled."""
        future: Future[_T] = Future()
        future.set_running_or_notify_cancel()
        self._begin(_Job(self, lambda: call(*args, **kwargs), future))
        return future


class Pool:
    """At most `size` threads. A context manager; leaving it waits for all that was submitted.

    With one lane all threads are its own. With several, a lane begins a call only while it holds fewer than
    half, rounded up, of the threads that the others leave free: who hangs leaves as many again to the
    others. A call that waits for its lane's share holds up no call of another lane.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="session")
        self._changed = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._waiting: list[_Job] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def lane(self, name: str) -> Lane:
        """The lane of this name. It counts as one of several from now on: ask for all before any submits."""
        with self._changed:
            return self._lanes.setdefault(name, Lane(self._submit))

    def shutdown(self) -> None:
        """Take nothing more, and wait until all that was taken has run."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._waiting and not self._held)
        self._threads.shutdown()

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            self._waiting.append(job)
        self._begin()

    def _begin(self) -> None:
        """Begin whatever may begin. Without the lock: a thread that is quick asks for it at once."""
        with self._changed:
            ready = list(iter(self._take, None))
        for job in ready:
            self._threads.submit(self._run, job)

    def _take(self) -> _Job | None:
        for job in self._waiting:
            if job.lane.held < self._share(job.lane):
                self._waiting.remove(job)
                job.lane.held += 1
                return job
        return None

    def _share(self, lane: Lane) -> int:
        left = self._size - (self._held - lane.held)
        return left if len(self._lanes) == 1 else (left + 1) // 2

    @property
    def _held(self) -> int:
        return sum(lane.held for lane in self._lanes.values())

    def _run(self, job: _Job) -> None:
        try:
            job.future.set_result(job.call())
        except BaseException as error:  # noqa: BLE001  the thread's outermost door: who submitted it is told
            job.future.set_exception(error)
        with self._changed:
            job.lane.held -= 1
            self._changed.notify_all()
        self._begin()
