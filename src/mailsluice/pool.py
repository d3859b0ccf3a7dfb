"""The pool: the threads that sessions run in, shared out so that no credential can take them all.

Owns who begins next (docs/adr/0006-sharing-sessions.md). Must never know what a session is: it runs
callables.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, ParamSpec, Self, TypeVar

from mailsluice.errors import NoThread
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = get_logger(__name__)


class _Job(NamedTuple):
    lane: Lane
    call: Callable[[], Any]
    future: Future[Any]


class Lane:
    """One credential's way into the pool, made by `Pool.lane`."""

    def __init__(self, begin: Callable[[_Job], None]) -> None:
        # These are the pool's, under its lock.
        self.waiting: deque[_Job] = deque()
        self.held = 0  # threads at work for this lane
        self.turn = 0  # which of all calls the last one of this lane was; 0: none yet
        self._begin = begin

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have this called as soon as a thread is free for this lane; its future, not to be cancelled.

        The future has NoThread if the system starts no thread and none is at work that will be free.
        """
        future: Future[_T] = Future()
        future.set_running_or_notify_cancel()
        self._begin(_Job(self, lambda: call(*args, **kwargs), future))
        return future


class Pool:
    """At most `size` threads. A context manager; leaving it waits for all that was submitted.

    With one lane all threads are its own. With several, a lane begins a call only while it holds fewer than
    half, rounded up, of the threads that the others leave free: who hangs leaves as many again to the
    others. Of the lanes that may begin, that one does whose last call began longest ago: who waits behind
    many that hang waits for one of them, and not for all they have to do.

    Threads are started when there is work for them, and end when there is none. Where the system starts no
    more, those at work do what waits, one after the other.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._asking: dict[Lane, None] = {}  # where something waits: of thousands of lanes, a few
        self._held = 0
        self._turns = 0
        self._short = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def lane(self, name: str) -> Lane:
        """The lane of this name. It counts as one of several from now on: ask for all before any submits."""
        with self._changed:
            return self._lanes.setdefault(name, Lane(self._submit))

    def close_lane(self, name: str) -> None:
        """Count this lane no more as one of several; what was submitted by it is done all the same."""
        with self._changed:
            del self._lanes[name]
            self._begin()

    def resize(self, size: int) -> None:
        """Have so many threads at most from now on: more begin at once, and too many end as they are done."""
        with self._changed:
            self._size = size
            self._begin()

    def shutdown(self) -> None:
        """Take nothing more, and wait until all that was taken has run."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._held)  # while something waits, something is at work

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            job.lane.waiting.append(job)
            self._asking[job.lane] = None
            refused = self._begin()
            if refused is None or self._held:
                return
            job.lane.waiting.remove(job)  # nobody is at work who would come to it
            del self._asking[job.lane]  # nothing else waits in it, for that would be at work
        job.future.set_exception(refused)

    def _begin(self) -> NoThread | None:
        """Start a thread for each call that may begin; what prevented it."""
        while (lane := self._next()) is not None:
            if refused := self._start(lane.waiting[0]):
                return refused
            self._take(lane)
        self._short = False
        return None

    def _start(self, job: _Job) -> NoThread | None:
        try:
            threading.Thread(target=self._work, args=(job,), name="session").start()
        except (RuntimeError, MemoryError) as error:
            refused = NoThread(f"no thread could be started for a session: {error}")
            if self._held and not self._short:
                self._short = True
                _log.warning(
                    events.THREADS_SHORT, at_work=self._held, error=str(refused), remedy=refused.remedy
                )
            return refused
        return None

    def _next(self) -> Lane | None:
        ready = (lane for lane in self._asking if lane.held < self._share(lane))
        return min(ready, key=lambda lane: lane.turn, default=None)

    def _take(self, lane: Lane) -> _Job:
        self._turns += 1
        lane.turn = self._turns
        lane.held += 1
        self._held += 1
        job = lane.waiting.popleft()
        if not lane.waiting:
            del self._asking[lane]
        return job

    def _share(self, lane: Lane) -> int:
        left = self._size - (self._held - lane.held)
        return left if len(self._lanes) == 1 else (left + 1) // 2

    def _work(self, job: _Job | None) -> None:
        while job is not None:
            try:
                job.future.set_result(job.call())
            except BaseException as error:  # noqa: BLE001  the thread's outermost door: who submitted it is told
                job.future.set_exception(error)
            job = self._following(job)

    def _following(self, ended: _Job) -> _Job | None:
        """What this thread is to do next. It needs no new thread for that, so none that waits is lost."""
        with self._changed:
            ended.lane.held -= 1
            self._held -= 1
            lane = self._next()
            job = None if lane is None else self._take(lane)
            self._begin()
            self._changed.notify_all()
            return job
