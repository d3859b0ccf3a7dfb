"""The way to a server: DNS, TCP, the proxy and TLS, a step each.

Owns how the stages of a connection become steps of a check. Must never send anything over a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mailsluice.checking.steps import Journal, State, Step, state_of
from mailsluice.clock import Clock
from mailsluice.errors import MailsluiceError
from mailsluice.net.certificate import Tls
from mailsluice.net.connection import Connection
from mailsluice.net.connections import Connections
from mailsluice.net.deadlines import Limits
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.stages import Found, Stage

_STEPS = {Stage.NAME: Step.DNS, Stage.TCP: Step.TCP, Stage.PROXY: Step.PROXY, Stage.TLS: Step.TLS}
_MOST_ADDRESSES = 4
_SLOW_NAMES = 4.0
"""Seconds. The system's resolver asks the next name server after 5 (resolv.conf(5))."""
_WHY_SLOW = "so slow that a name server in /etc/resolv.conf probably does not answer"
_SOON = timedelta(days=7)
"""A certificate that ends so soon should have been renewed."""


class Stages:
    """Notes the stages of one connection to `subject` as steps. `observe` is a `net.stages.Observe`.

    After TLS a `following` step begins at once, if there is one: the server has to speak first.
    """

    def __init__(self, subject: str, journal: Journal, clock: Clock, following: Step | None = None) -> None:
        self._subject = subject
        self._journal = journal
        self._clock = clock
        self._following = following
        self._now: tuple[Step, float] | None = None

    def observe(self, stage: Stage, found: Found | None) -> None:
        """Note that a stage begins, or what it ended with."""
        if found is None:
            self._begin(_STEPS[stage])
            return
        state, words = self._words(found)
        self._end(state, words)
        if stage is Stage.TLS and self._following:
            self._begin(self._following)

    def succeeded(self, detail: str) -> None:
        """Note that the step that began last ended well."""
        self._end(State.OK, detail)

    def failed(self, error: MailsluiceError) -> Step:
        """Note that the step that began last ended with this error. Returns which step that is."""
        step = self._now[0] if self._now else Step.DNS
        self._end(state_of(error), str(error))
        return step

    def _begin(self, step: Step) -> None:
        self._now = step, self._journal.begin(self._subject, step)

    def _end(self, state: State, detail: str) -> None:
        if self._now is None:
            return
        (step, begun), self._now = self._now, None
        if step is Step.DNS and state is State.OK and self._clock.monotonic() - begun >= _SLOW_NAMES:
            # The resolver's time has no limit of ours: see `net.proxy.first_stop`.
            state, detail = State.DOUBT, f"{detail}; {_WHY_SLOW}"
        self._journal.end(self._subject, step, begun, state, detail)

    def _words(self, found: Found) -> tuple[State, str]:
        if isinstance(found, Tls):
            return self._of_certificate(found)
        if isinstance(found, str):
            return State.OK, found
        more = len(found) - _MOST_ADDRESSES
        return State.OK, ", ".join(found[:_MOST_ADDRESSES]) + (f" and {more} more" if more > 0 else "")

    def _of_certificate(self, tls: Tls) -> tuple[State, str]:
        shown = tls.certificate
        left = shown.ends - self._clock.now()
        words = f"{tls.version}, certificate by {shown.issuer}, {left.days} days left"
        if left < min(_SOON, (shown.ends - shown.begins) / 4):  # some are only made for six days
            return State.DOUBT, f"{words}: who runs the server, or what intercepts TLS, must renew it"
        return State.OK, words


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether a server can be talked to: the error that came first, and at which step."""

    error: MailsluiceError | None = None
    step: Step | None = None


def reach(
    endpoint: Endpoint, journal: Journal, *, clock: Clock, deadlines: Limits, connections: Connections
) -> Reached:
    """Connect to this endpoint, and send nothing."""
    stages = Stages(f"{endpoint.host}:{endpoint.port}", journal, clock)
    try:
        Connection.open(
            endpoint, clock=clock, deadlines=deadlines, connections=connections, observe=stages.observe
        ).close()
    except MailsluiceError as error:
        return Reached(error, stages.failed(error))
    return Reached()
