"""What the service writes of its sessions for `status`, and what becomes of it on a full disk."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from mailsluice.app import Service
from mailsluice.config.models import Config
from mailsluice.errors import LedgerError
from mailsluice.ledger.ledger import Ledger
from mailsluice.obs import events
from mailsluice.system.signals import Signals
from mailsluice_sandbox import Sandbox, mail
from support.waiting import wait_until


class FullDisk:
    """A disk that the ledger cannot be written to as long as it is full."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        flush = service._ledger.reports.flush

        def flush_if_there_is_room() -> None:
            if self.full:
                raise LedgerError("disk full", remedy="make room")
            flush()

        monkeypatch.setattr(service._notes, "_write", flush_if_there_is_room)


def test_a_status_that_cannot_be_written_fails_no_poll_is_said_once_and_written_later(
    config: Config, sandbox: Sandbox, signals: Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))

    with capture_logs() as logs, Service(config) as service:
        service.start()
        disk = FullDisk(service, monkeypatch)
        (polled,) = service.round(config.mailboxes.values(), signals)
        service.tend()
        service.tend()
        disk.full = False
        service.tend()
        service.tend()

    assert (polled.report.outcome, polled.exit_code) == ("ok", 0)
    said = [line for line in logs if line["event"] in {events.STATUS_NOT_NOTED, events.STATUS_NOTED}]
    assert [line["event"] for line in said] == [events.STATUS_NOT_NOTED, events.STATUS_NOTED]
    assert (said[0]["error"], said[0]["remedy"]) == ("disk full", "make room")
    assert last_outcome(config) == "ok"


def last_outcome(config: Config) -> str | None:
    with Ledger(config.service.state_dir, read_only=True) as ledger:
        (report,) = ledger.reports.read().values()
    return report.last.outcome if report.last else None


def test_a_round_leaves_its_reports_written(config: Config, sandbox: Sandbox, signals: Signals) -> None:
    sandbox.mailbox("a@acme.example")

    with Service(config) as service:
        service.round(config.mailboxes.values(), signals)
        assert last_outcome(config) == "ok"


def test_what_the_last_sessions_report_is_written_when_a_service_ends(
    config: Config, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))

    with Service(config) as service:
        service.start()
        wait_until(lambda: box.remaining() == (), "the message is deleted")

    assert last_outcome(config) == "ok"


def test_a_status_that_cannot_be_written_at_the_end_is_said(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(config.service.state_dir).close()
    with capture_logs() as logs, Service(config) as service:
        FullDisk(service, monkeypatch)

    assert [line["event"] for line in logs] == [events.STATUS_NOT_NOTED]
