"""`mailsluice status`: each mailbox as the ledger has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import click

from mailsluice import invocation
from mailsluice.cli.main import Settings
from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.ledger.database import FILE, is_begun
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.reports import MailboxReport
from mailsluice.model import MailboxKey
from mailsluice.obs.clean import json_text, printable

_COLUMNS = ("mailbox", "last_success", "next_poll", "stored", "waiting", "failures", "outcome")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, *, as_json: bool) -> None:
    """Show for each mailbox: last success, next poll, stored, waiting, errors."""
    config = settings.config()
    reports: Mapping[MailboxKey, MailboxReport] = {}
    if is_begun(config.service.state_dir):
        with Ledger(config.service.state_dir, read_only=True) as ledger:
            reports = ledger.reports()
    else:
        click.echo(
            printable(f"nothing was polled yet: there is no {config.service.state_dir / FILE}"), err=True
        )
    rows = [_row(mailbox, reports.get(mailbox.key)) for mailbox in config.mailboxes.values()]
    if as_json:
        click.echo(json_text(rows))
    else:
        _show(rows, SystemClock().now())


def _row(mailbox: Mailbox, report: MailboxReport | None) -> dict[str, object]:
    last = report.last if report else None
    return {
        "mailbox": mailbox.name,
        "address": mailbox.address,
        "last_success": report.last_success if report else None,
        "next_poll": report.next_poll if report else None,
        "stored": report.total_stored if report else 0,
        "waiting": last.waiting if last else 0,
        "quarantined": report.quarantined if report else 0,
        "failures": report.failures if report else 0,
        "outcome": last.outcome if last else "never polled",
        "error": report.last_error if report and report.failures else "",
    }


def _show(rows: list[dict[str, object]], now: datetime) -> None:
    """The table. By hand: a library's costs a millisecond a row, and there may be thousands."""
    head = [column.replace("_", " ") for column in _COLUMNS]
    lines = [head, *([_cell(row[column], now) for column in _COLUMNS] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.secho(text.rstrip(), bold=line is head)
    for row in rows:
        if row["error"]:
            click.echo(f"{row['mailbox']}: {printable(str(row['error']))}")
        if row["quarantined"]:
            listing = invocation.command("quarantine", "list")
            click.echo(f"{row['mailbox']}: {row['quarantined']} in quarantine, see `{listing}`")


def _cell(value: object, now: datetime) -> str:
    if value is None:
        return "-"
    return _distance(value - now) if isinstance(value, datetime) else printable(str(value))


def _distance(time: timedelta) -> str:
    """How far away a moment is: `in 45 s`, `3 h ago`."""
    seconds = round(abs(time).total_seconds())
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    amount = f"{seconds // size} {unit}"
    return f"in {amount}" if time > timedelta() else f"{amount} ago"
