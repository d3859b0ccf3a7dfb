"""`mailsluice status`: each mailbox as the ledger has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mailsluice.cli.main import Settings
from mailsluice.config.models import Mailbox
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.reports import MailboxReport
from mailsluice.model import MailboxKey
from mailsluice.obs.clean import printable


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, *, as_json: bool) -> None:
    """Show for each mailbox: last success, next poll, stored, waiting, errors."""
    config = settings.config()
    reports: Mapping[MailboxKey, MailboxReport] = {}
    if (config.service.state_dir / FILE).exists():
        with Ledger(config.service.state_dir, read_only=True) as ledger:
            reports = ledger.reports()
    rows = [_row(mailbox, reports.get(mailbox.key)) for mailbox in config.mailboxes.values()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _show(rows)


def _row(mailbox: Mailbox, report: MailboxReport | None) -> dict[str, object]:
    if report is None:
        return {"mailbox": mailbox.name, "address": mailbox.address, "outcome": "never polled"}
    return {
        "mailbox": mailbox.name,
        "address": mailbox.address,
        "last_success": _iso(report.last_success),
        "next_poll": _iso(report.next_poll),
        "stored": report.total_stored,
        "waiting": report.last.waiting if report.last else 0,
        "failures": report.failures,
        "outcome": report.last.outcome if report.last else "never polled",
        "error": report.last_error if report.failures else "",
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _show(rows: list[dict[str, object]]) -> None:
    console = Console()
    columns = ("mailbox", "last_success", "next_poll", "stored", "waiting", "failures", "outcome")
    table = Table(*(column.replace("_", " ") for column in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)
    for row in rows:
        if row.get("error"):
            console.print(Text(f"{row['mailbox']}: {printable(str(row['error']))}"), soft_wrap=True)


def _cell(value: object) -> Text:
    return Text("-" if value is None else printable(str(value)))
