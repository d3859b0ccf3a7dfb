"""The pool: the threads that sessions run in, shared so that no credential can take them all.

Owns which call begins next (docs/adr/0006-sharing-sessions.md, docs/adr/0016-who-hangs-gives-way.md). Must
never know what a session is: it runs callables.
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
    """The calls that wait in a lane: the usual ones, or those aside."""

    def __init__(self, lane: Lane, *, aside: bool) -> None:
        self.jobs: deque[_Job] = deque()
        self.lane = lane
        self.aside = aside
        self.turn = 0  # the number, over all queues, of its call that began last; 0: none yet


class Lane:
    """One credential's way into the pool, made by `Pool.lane`."""

    def __init__(self, begin: Callable[[_Queue, str, Callable[[], Any]], Future[Any]]) -> None:
        # These are the pool's. It reads and changes them under its lock.
        self.waiting = _Queue(self, aside=False)
        self.aside = _Queue(self, aside=True)
        self.held = 0  # threads at work for this lane
        self._begin = begin

    def submit(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call this as soon as a thread is free for this lane. The future cannot be cancelled.

        The future raises NoThread if the system starts no thread and no thread is at work.
        """
        return self.submit_as("", lambda: call(*args, **kwargs))

    def submit_as(self, name: str, call: Callable[[], _T], *, aside: bool = False) -> Future[_T]:
        """The same, under a name for `Pool.waiting`. `aside`: among the calls that may hang."""
        return self._begin(self.aside if aside else self.waiting, name, call)


class Pool:
    """At most `size` threads. A context manager; leaving it waits for all that was submitted.

    A single lane has all threads. If there are several, a lane begins a call only while it holds fewer than
    half, rounded up, of the threads that the others leave free. So a lane that hangs leaves as many threads
    to the others as it has. Of the lanes that may begin, the one begins whose last call began longest ago. So
    a call waits until one call of a lane that hangs has ended, and not until all its calls have.

    Calls aside have a quarter of the threads, at least one. They have more only while no other call waits and
    another quarter stays free. When a call aside has ended, the calls that already wait then go before the
    next one aside.

    Threads are started when there is work for them, and end when there is none. If the system starts no more
    threads, those at work do the waiting calls, one after the other.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._lanes: dict[str, Lane] = {}
        self._asking: dict[_Queue, None] = {}  # the queues with a waiting call: few of thousands
        self._held = 0
        self._held_aside = 0
        self._quarter = max(1, size // 4)
        self._turns = 0
        self._submitted = 0
        self._before_aside = 0  # how many were submitted when the last call aside ended
        self._short = False  # whether the lack of threads was logged
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def lane(self, name: str) -> Lane:
        """The lane of this name. It takes its share from now on, so make all lanes before the first call."""
        with self._changed:
            return self._lanes.setdefault(name, Lane(self._submit))

    def close_lane(self, name: str) -> None:
        """Give this lane no share any more. Calls that were submitted to it are still done."""
        with self._changed:
            del self._lanes[name]
            self._begin()

    def resize(self, size: int) -> None:
        """Set the number of threads. New ones begin at once; too many ones end when their call has ended."""
        with self._changed:
            self._size = size
            self._quarter = max(1, size // 4)
            self._begin()

    def waiting(self) -> list[str]:
        """The names of the calls that wait for a thread, without those aside."""
        with self._changed:
            return [job.name for queue in self._asking if not queue.aside for job in queue.jobs]

    def shutdown(self) -> None:
        """Take no more calls, and wait until all that were taken have run."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._held)  # no call waits unless a thread is at work

    def _submit(self, queue: _Queue, name: str, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # so that nobody can cancel it
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
            queue.jobs.remove(job)  # no thread is at work that could do it later
            del self._asking[queue]  # no other call waits in it either, because no thread is at work
        future.set_exception(refused)
        return future

    def _begin(self) -> NoThread | None:
        """Start a thread for each call that may begin. Returns the error if one could not be started."""
        while (queue := self._next()) is not None:
            # The thread first: if it cannot be started, the call stays in its queue. The new thread waits for
            # our lock before it touches the pool.
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
        """The queue whose first call begins next; None if no call may begin."""
        ready = [queue for queue in self._asking if queue.lane.held < self._share(queue.lane)]
        others = [queue for queue in ready if not queue.aside]
        if len(others) < len(ready) and self._may_begin_aside(others):
            return min((queue for queue in ready if queue.aside), key=lambda queue: queue.turn)
        return min(others, key=lambda queue: queue.turn, default=None)

    def _may_begin_aside(self, others: Sequence[_Queue]) -> bool:
        if self._held_aside < self._quarter:
            # Not before a call that already waited when the last one aside ended.
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
            # After the future is set: `shutdown` returns when no thread is at work, and then all are set.
            job = self._following(job)

    def _following(self, ended: _Job) -> _Job | None:
        """The call that this thread does next: so waiting calls are done even if no thread can be started."""
        with self._changed:
            self._count(ended.queue, -1)
            if ended.queue.aside:
                self._before_aside = self._submitted
            queue = self._next()
            job = None if queue is None else self._take(queue)
            self._begin()
            self._changed.notify_all()
            return job
