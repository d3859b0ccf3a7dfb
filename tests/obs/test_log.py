from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from mailsluice.obs import events, log
from support.secrecy import CANARY, leaks

Configure = Callable[[str, str], None]
Lines = Callable[[], list[dict[str, Any]]]

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


def fail(message: str) -> None:
    secret = CANARY
    raise ValueError(message + secret[:0])


def test_an_event_is_one_line_of_json_with_time_and_level(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    structlog.get_logger("mailsluice.x").warning("message oversize", octets=5)
    (line,) = lines()
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset() == timedelta(0)
    assert line == {"level": "warning", "event": "message oversize", "octets": 5, "logger": "mailsluice.x"}


def test_a_terminal_gets_the_console_form_and_a_pipe_json(
    configure: Configure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", "auto")
    structlog.get_logger().info("one")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure("info", "auto")
    structlog.get_logger().info("two")
    one, two = capsys.readouterr().err.splitlines()
    assert one.startswith("{")
    assert "two" in two
    assert not two.startswith("{")


def test_configuring_again_replaces_and_does_not_double(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    logger = structlog.get_logger()
    logger.debug("unheard")
    log.configure("debug", "json")
    logger.debug("heard")
    assert [line["event"] for line in lines()] == ["heard"]


def test_what_a_thread_knows_of_its_mailbox_is_in_every_line(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    with structlog.contextvars.bound_contextvars(mailbox="invoices"):
        structlog.get_logger().info("one")
        logging.getLogger("msal").warning("two")
    assert [line["mailbox"] for line in lines()] == ["invoices", "invoices"]


@pytest.mark.parametrize(
    "name", ["msal.application", "urllib3.connectionpool", "apscheduler.executors.default"]
)
def test_a_library_is_heard_from_warning_on_and_through_the_same_chain(
    configure: Configure, lines: Lines, name: str
) -> None:
    configure("debug", "json")
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("got %s", {"access_token": CANARY})
    (line,) = lines()
    assert line["event"] == "got {'access_token': '[redacted]'}"
    assert (line["logger"], line["level"]) == (name, "warning")


@pytest.mark.parametrize("level", ["error", "warning"])
def test_a_library_is_no_louder_than_the_log(configure: Configure, lines: Lines, level: str) -> None:
    configure(level, "json")
    logging.getLogger("msal").warning("w")
    assert len(lines()) == (level == "warning")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_has_no_local_variables_and_no_secret(
    configure: Configure, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    configure("info", form)
    try:
        fail(f"refused {JWT}")
    except ValueError:
        structlog.get_logger().exception("bug")
        logging.getLogger("msal").exception("failed")
    text = capsys.readouterr().err
    assert text.count("ValueError: refused [redacted]") == 2
    assert leaks(text) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_terminal_escapes_are_harmless(
    configure: Configure, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    configure("info", form)
    structlog.get_logger().info("message refused", reply="-ERR \x1b[2J\x9b\r\nforged line")
    logging.getLogger("urllib3").warning("\x1b[2J")
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 2
    assert all(line.isprintable() for line in text.splitlines())


def test_every_handler_gets_events_clean(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(str(record.msg))

    configure("info", "json")
    logging.getLogger().addHandler(Other())
    structlog.get_logger().info("x", password=CANARY)
    assert leaks("".join(heard)) == []


def test_a_line_that_cannot_be_rendered_is_missed_but_not_shown(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", "json")
    logging.getLogger("other").warning("%d", CANARY)
    assert capsys.readouterr().err == "a log line of other could not be written\n"


def test_a_closed_standard_error_stops_nobody(
    configure: Configure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure("info", "json")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    structlog.get_logger().info("unheard")


def test_what_nobody_catches_in_a_thread_is_logged(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    thread = threading.Thread(target=fail, args=(f"refused {JWT}",), name="poller")
    thread.start()
    thread.join()
    (line,) = lines()
    assert (line["event"], line["level"], line["thread"]) == (events.BUG, "critical", "poller")
    assert line["exception"].endswith("ValueError: refused [redacted]")
    assert leaks(str(line)) == []


def test_what_nobody_catches_in_the_main_thread_is_logged(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    try:
        fail(f"refused {JWT}")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    (line,) = lines()
    assert line["event"] == events.BUG
    assert leaks(str(line)) == []


def test_an_interrupt_is_no_bug(configure: Configure, lines: Lines) -> None:
    configure("info", "json")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert lines() == []
