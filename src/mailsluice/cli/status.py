"""`mailsluice status`: each mailbox as the ledger has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import click

from mailsluice.cli.choice import chosen
from mailsluice.cli.held import remedy
from mailsluice.cli.main import Settings
from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.ledger import is_begun, open_ledger, place
from mailsluice.model import MailboxKey
from mailsluice.obs.clean import json_text, printable
from mailsluice.report import MailboxReport

_COLUMNS = ("mailbox", "last_success", "next_poll", "stored", "waiting", "held", "failures", "outcome")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.argument("mailboxes", metavar="[MAILBOX]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--acknowledge", is_flag=True, help="Note that what is held now is known: `held_new` counts only more."
)
@click.pass_obj
def command(settings: Settings, mailboxes: tuple[str, ...], *, as_json: bool, acknowledge: bool) -> None:
    """Show for each mailbox: last success, next poll, stored, waiting, held, errors.

    Held is what stays on the server for another reason than policy.
    """
    config = settings.config()
    chosen_ones = [chosen(config, name) for name in dict.fromkeys(mailboxes or config.mailboxes)]
    reports: Mapping[MailboxKey, MailboxReport] = {}
    if is_begun(config.service):
        with open_ledger(config.service, read_only=not acknowledge) as ledger:
            for mailbox in chosen_ones if acknowledge else ():
                ledger.reports.acknowledge(mailbox.key)
            reports = ledger.reports.read()
    else:
        click.echo(printable(f"nothing was polled yet: there is no {place(config.service)}"), err=True)
    rows = [_row(mailbox, reports.get(mailbox.key)) for mailbox in chosen_ones]
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
        "held": _held(mailbox.name, report) if report else {},
        "held_new": report.news if report else 0,
        "quarantined": report.quarantined if report else 0,
        "failures": report.failures if report else 0,
        "outcome": last.outcome if last else "never polled",
        "error": report.last_error if report and report.failures else "",
    }


def _held(name: str, report: MailboxReport) -> dict[str, object]:
    """What is held, by reason."""
    return {
        why: {
            "messages": count,
            "acknowledged": min(count, report.acknowledged.get(why, 0)),
            "remedy": remedy(why, name),
        }
        for why, count in report.held.items()
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
        for held in _held_lines(row):
            click.echo(printable(held))


def _held_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """A line for each reason, without the remedy where all is acknowledged."""
    for why, each in row["held"].items():
        known = each["acknowledged"]
        told = f"{row['mailbox']}: {each['messages']} held ({why})"
        if known == each["messages"]:
            yield f"{told}, acknowledged"
        else:
            yield f"{told}{f', {known} of them acknowledged' if known else ''}: {each['remedy']}"


def _cell(value: object, now: datetime) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return str(sum(each["messages"] for each in value.values()))
    return _distance(value - now) if isinstance(value, datetime) else printable(str(value))


def _distance(time: timedelta) -> str:
    """How far away a moment is: `in 45 s`, `3 h ago`."""
    seconds = round(abs(time).total_seconds())
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    amount = f"{seconds // size} {unit}"
    return f"in {amount}" if time > timedelta() else f"{amount} ago"
