from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from mailsluice.model import SessionReport
from mailsluice.obs import events
from mailsluice.outcome import Outcome

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
Configure = Callable[[str, str], None]
Lines = Callable[[], list[dict[str, Any]]]


def report(outcome: Outcome) -> SessionReport:
    return SessionReport(
        mailbox="invoices",
        started=datetime(2026, 11, 22, 3, 45, tzinfo=UTC),
        listed=9,
        fetched=3,
        stored=3,
        deleted=2,
        bytes=4096,
        seconds=1.25,
        waiting=4,
        outcome=outcome,
        detail="",
    )


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Outcome.OK, "info"),
        (Outcome.STOPPED, "info"),
        (Outcome.MAILBOX_LOCKED, "info"),
        (Outcome.MESSAGES_REFUSED, "warning"),
        (Outcome.LOGIN_REFUSED, "warning"),
    ],
)
def test_a_session_is_one_line_with_all_its_counts(
    configure: Configure, lines: Lines, outcome: Outcome, level: str
) -> None:
    configure("info", "json")
    events.session(structlog.get_logger(), report(outcome))
    (line,) = lines()
    assert (line["event"], line["level"], line["outcome"]) == ("session", level, outcome)
    assert (line["listed"], line["fetched"], line["stored"], line["deleted"], line["waiting"]) == (
        9,
        3,
        3,
        2,
        4,
    )
    assert (line["started"], line["seconds"]) == ("2026-11-22T03:45:00+00:00", 1.25)


def names() -> list[str]:
    constants = {name: value for name, value in vars(events).items() if name.isupper() and name[0] != "_"}
    return [value for value in constants.values() if isinstance(value, str)]


def test_no_two_events_have_one_name() -> None:
    assert len(names()) == len(set(names()))
    assert all(name == name.lower() and name.isprintable() for name in names())


def test_every_event_that_the_manual_names_is_there() -> None:
    told = set(re.findall(r'`"event": "([^"]+)"`', MANUAL.read_text()))

    assert events.NO_SECOND_SESSION in told
    assert told <= set(names())
