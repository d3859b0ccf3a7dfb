"""The stages of a connection as steps, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from auth.hand_clock import HandClock
from mailsluice.checking.means import DEADLINES
from mailsluice.checking.reach import Reached, Stages, reach
from mailsluice.checking.steps import Journal, State, Step, Unwatched
from mailsluice.clock import SystemClock
from mailsluice.errors import DeadlineExceeded, ServerUnreachable
from mailsluice.net.certificate import Certificate, Tls
from mailsluice.net.connections import Connections
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.stages import Stage
from mailsluice_sandbox import Sandbox
from support.black_hole import black_hole

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def reached(endpoint: Endpoint, journal: Journal, deadlines: object = DEADLINES) -> Reached:
    return reach(
        endpoint,
        journal,
        clock=SystemClock(),
        deadlines=deadlines,  # type: ignore[arg-type]
        connections=Connections(),
    )


def test_each_stage_is_a_step_with_what_was_found(sandbox: Sandbox) -> None:
    journal = Journal(SystemClock(), Unwatched())

    reached(Endpoint("localhost", sandbox.pop3_port, sandbox.ca_file), journal)

    assert [(line.step, line.state) for line in journal.lines] == [
        (Step.DNS, State.OK),
        (Step.TCP, State.OK),
        (Step.TLS, State.OK),
    ]
    assert "127.0.0.1" in journal.lines[0].detail
    assert journal.lines[2].detail.startswith("TLSv1.3, certificate by mailsluice sandbox, ")


def test_the_stage_that_failed_has_the_error(sandbox: Sandbox) -> None:
    journal = Journal(SystemClock(), Unwatched())

    found = reached(Endpoint("localhost", 1), journal)

    assert isinstance(found.error, ServerUnreachable)
    assert found.step is Step.TCP
    assert [(line.step, line.state) for line in journal.lines] == [
        (Step.DNS, State.OK),
        (Step.TCP, State.FAILED),
    ]


def test_another_credential_with_the_same_provider_does_not_change_which_stage_failed() -> None:
    class Shared(Journal):
        def end(self, subject: str, step: Step, begun: float, state: State, detail: str) -> None:
            super().end(subject, step, begun, state, detail)
            if step is Step.TCP:
                super().end(subject, Step.DNS, begun, State.OK, "that of the other")

    assert reached(Endpoint("localhost", 1), Shared(SystemClock(), Unwatched())).step is Step.TCP


def test_if_the_time_of_the_session_ended_first_nothing_is_said_of_a_firewall() -> None:
    journal = Journal(SystemClock(), Unwatched())

    with black_hole() as (host, port):
        found = reached(Endpoint(host, port), journal, replace(DEADLINES, session=0.05))

    assert isinstance(found.error, DeadlineExceeded)
    assert journal.lines[-1].state is State.NO_ANSWER


def noted(stage: Stage, found: object, *, seconds: float = 0) -> tuple[State, str]:
    """How the stage is noted that took so long."""
    clock = HandClock()
    journal = Journal(clock, Unwatched())
    stages = Stages("a:1", journal, clock)
    stages.observe(stage, None)
    clock.seconds += seconds
    stages.observe(stage, found)  # type: ignore[arg-type]
    return journal.lines[0].state, journal.lines[0].detail


def tls(left: timedelta, life: timedelta) -> Tls:
    now = HandClock().now()
    return Tls("TLSv1.3", "", Certificate("a", "Example CA", (), now + left - life, now + left))


@pytest.mark.parametrize(
    ("left", "life", "state"),
    [
        (3 * DAY, 365 * DAY, State.DOUBT),
        (8 * DAY, 365 * DAY, State.OK),
        (3 * DAY, 6 * DAY, State.OK),  # these are renewed every three days
        (DAY, 6 * DAY, State.DOUBT),
    ],
)
def test_a_certificate_that_should_have_been_renewed_is_a_doubt(
    left: timedelta, life: timedelta, state: State
) -> None:
    assert noted(Stage.TLS, tls(left, life)) == (state, noted(Stage.TLS, tls(left, life))[1])
    assert f"{left.days} days left" in noted(Stage.TLS, tls(left, life))[1]


def test_a_resolver_that_takes_seconds_is_a_doubt() -> None:
    state, detail = noted(Stage.NAME, ["192.0.2.1"], seconds=5)
    assert state is State.DOUBT
    assert detail.startswith("192.0.2.1; so slow that a name server in /etc/resolv.conf ")


def test_only_the_first_addresses_are_shown() -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 20)]
    assert noted(Stage.NAME, addresses)[1].endswith("192.0.2.4 and 15 more")
