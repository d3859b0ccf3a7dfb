"""The pool: the threads that sessions run in, shared out so that no credential can take them all.

Owns who begins next (docs/adr/0006-sharing-sessions.md, docs/adr/0016-who-hangs-gives-way.md). Must never
know what a session is: it runs callables.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ParamSpec, Self, TypeVar

from mailsluice.errors import NoThread
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    queue: _Queue
    number: int
    name: str
    call: Callable[[], Any]
    future: Future[Any]


class _Queue:
    """What waits in a lane, be it with all others or aside of them."""

    def __init__(self, lane: Lane, *, aside: bool) -> None:
        self.jobs: deque[_Job] = deque()
        self.lane = lane
        self.aside = aside
        self.turn = 0  # which of all calls the last one of this queue was; 0: none yet


class Lane:
    """One credential's way into the pool, made by `Pool.lane`."""

    def __init__(self, begin: Callable[[_Queue, str, Callable[[], Any]], Future[Any]]) -> None:
        # These are the pool's, under its lock.
        self.waiting = _Queue(self, aside=False)
        self.aside = _Queue(self, aside=True)
        self.held = 0  # threads at work for this lane
        self._begin = begin

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have this called as soon as a thread is free for this lane; its future, not to be cancelled.

        The future has NoThread if the system starts no thread and none is at work that will be free.
        """
        return self.submit_as("", lambda: call(*args, **kwargs))

    def submit_as(self, name: str, call: Callable[[], _T], *, aside: bool = False) -> Future[_T]:
        """The same, for who is called so; `aside`: in what is left to those that hang."""
        return self._begin(self.aside if aside else self.waiting, name, call)


class Pool:
    """At most `size` threads. A context manager; leaving it waits for all that was submitted.

    With one lane all threads are its own. With several, a lane begins a call only while it holds fewer than
    half, rounded up, of the threads that the others leave free: who hangs leaves as many again to the
    others. Of the lanes that may begin, that one does whose last call began longest ago: who waits behind
    many that hang waits for one of them, and not for all they have to do.

    What is submitted aside has a quarter of the threads, one at least; what waited when a call aside ended
    goes before the next. It has more only while nothing else waits and another quarter stays free.

    Threads are started when there is work for them, and end when there is none. Where the system starts no
    more, those at work do what waits, one after the other.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._asking: dict[_Queue, None] = {}  # where something waits: of thousands, a few
        self._held = 0
        self._held_aside = 0
        self._quarter = max(1, size // 4)
        self._turns = 0
        self._submitted = 0
        self._before_aside = 0  # how many were submitted when the last call aside ended
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
            self._quarter = max(1, size // 4)
            self._begin()

    def waiting(self) -> list[str]:
        """Who waits for a thread, but for those aside."""
        with self._changed:
            return [job.name for queue in self._asking if not queue.aside for job in queue.jobs]

    def shutdown(self) -> None:
        """Take nothing more, and wait until all that was taken has run."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._held)  # while something waits, something is at work

    def _submit(self, queue: _Queue, name: str, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool is shut down")
            self._submitted += 1
            job = _Job(queue, self._submitted, name, call, future)
            queue.jobs.append(job)
            self._asking[queue] = None
            refused = self._begin()
            if refused is None or self._held:
                return future
            queue.jobs.remove(job)  # nobody is at work who would come to it
            del self._asking[queue]  # nothing else waits in it, for that would be at work
        future.set_exception(refused)
        return future

    def _begin(self) -> NoThread | None:
        """Start a thread for each call that may begin; what prevented it."""
        while (queue := self._next()) is not None:
            if refused := self._start(queue.jobs[0]):
                return refused
            self._take(queue)
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

    def _next(self) -> _Queue | None:
        ready = [queue for queue in self._asking if queue.lane.held < self._share(queue.lane)]
        others = [queue for queue in ready if not queue.aside]
        if len(others) < len(ready) and self._may_begin_aside(others):
            return min((queue for queue in ready if queue.aside), key=lambda queue: queue.turn)
        return min(others, key=lambda queue: queue.turn, default=None)

    def _may_begin_aside(self, others: Sequence[_Queue]) -> bool:
        if self._held_aside < self._quarter:
            return all(queue.jobs[0].number > self._before_aside for queue in others)
        return not others and self._size - self._held > self._quarter

    def _take(self, queue: _Queue) -> _Job:
        self._turns += 1
        queue.turn = self._turns
        self._count(queue, 1)
        job = queue.jobs.popleft()
        if not queue.jobs:
            del self._asking[queue]
        return job

    def _count(self, queue: _Queue, change: int) -> None:
        queue.lane.held += change
        self._held += change
        if queue.aside:
            self._held_aside += change

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
            self._count(ended.queue, -1)
            if ended.queue.aside:
                self._before_aside = self._submitted
            queue = self._next()
            job = None if queue is None else self._take(queue)
            self._begin()
            self._changed.notify_all()
            return job
