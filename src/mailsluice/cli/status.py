"""`mailsluice status`: the daemon, and each mailbox.

Owns how they are printed. Must never decide what is shown: `status/report.py` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import click

from mailsluice.auth.expiries import Expiries
from mailsluice.cli.choice import chosen
from mailsluice.cli.main import Settings
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.ledger import is_begun, open_ledger, place
from mailsluice.model import MailboxKey
from mailsluice.obs.clean import json_text, printable
from mailsluice.polling.under_way import Running
from mailsluice.report import MailboxReport
from mailsluice.status.presence import Refusal, look
from mailsluice.status.report import DaemonStatus, MailboxStatus, Status, status_of

_COLUMNS = (
    "mailbox",
    "last_success",
    "next_poll",
    "running",
    "stored",
    "waiting",
    "held",
    "failures",
    "outcome",
)
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@click.argument("mailboxes", metavar="[MAILBOX]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--acknowledge",
    is_flag=True,
    help="Note that you know the held mail: `held_new` counts only later mail.",
)
@click.pass_obj
def command(settings: Settings, mailboxes: tuple[str, ...], *, as_json: bool, acknowledge: bool) -> None:
    """Show the daemon, and for each mailbox: last success, next poll, running, stored, waiting, held, errors.

    Held messages stay on the server for a reason that is not the policy.
    """
    config = settings.config()
    chosen_ones = [chosen(config, name) for name in dict.fromkeys(mailboxes or config.mailboxes)]
    reports = _reports(config, chosen_ones if acknowledge else ())
    clock, state_dir = SystemClock(), config.service.state_dir
    used = {mailbox.credential for mailbox in chosen_ones}
    credentials = {name: credential for name, credential in config.credentials.items() if name in used}
    expiries = Expiries(state_dir, clock).known(credentials)
    status = status_of(chosen_ones, reports, look(state_dir), expiries, now=clock.now())
    if as_json:
        click.echo(json_text(status.for_json()))
    else:
        _show(status, clock.now())


def _reports(config: Config, acknowledged: Sequence[Mailbox]) -> Mapping[MailboxKey, MailboxReport]:
    """Acknowledge what these mailboxes hold, and read all reports. Empty if there is no ledger yet."""
    if not is_begun(config.service):
        click.echo(printable(f"nothing was polled yet: there is no {place(config.service)}"), err=True)
        return {}
    with open_ledger(config.service, read_only=not acknowledged) as ledger:
        for mailbox in acknowledged:
            ledger.reports.acknowledge(mailbox.key)
        return ledger.reports.read()


def _show(status: Status, now: datetime) -> None:
    """Print the table. Not with a library: that takes a millisecond a row, and there may be thousands."""
    for line in _daemon_lines(status.daemon, now):
        click.echo(printable(line))
    for credential in status.credentials:
        if credential.warning:
            click.echo(
                printable(f"credential {credential.credential}: {credential.warning}; {credential.remedy}")
            )
    head = [column.replace("_", " ") for column in _COLUMNS]
    lines = [head, *([_cell(getattr(row, column), now) for column in _COLUMNS] for row in status.mailboxes)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        click.secho(text.rstrip(), bold=cells is head)
    for row in status.mailboxes:
        if row.error:
            click.echo(f"{row.mailbox}: {printable(row.error)}")
        for held in _held_lines(row):
            click.echo(printable(held))


def _daemon_lines(daemon: DaemonStatus, now: datetime) -> Iterator[str]:
    """A line for the daemon, and more lines if a configuration was refused."""
    if daemon.running is False:
        yield "daemon: not running"
    elif daemon.configuration is None or daemon.since is None:
        yield f"daemon: {'running, but ' if daemon.running else ''}{daemon.problem}"
    else:
        first, *others = daemon.configuration.files or ("-",)
        more = f" and {len(others)} included files" if others else ""
        started, read = _distance(daemon.since - now), _distance(daemon.configuration.since - now)
        yield f"daemon: process {daemon.pid}, started {started}; configuration {first}{more}, read {read}"
    if daemon.refused is not None:
        yield from _refusal_lines(daemon.refused, now)


def _refusal_lines(refused: Refusal, now: datetime) -> Iterator[str]:
    yield f"daemon: a configuration was refused {_distance(refused.since - now)}: {refused.remedy}"
    for mistake in refused.mistakes:
        yield f"daemon: {mistake}"


def _held_lines(row: MailboxStatus) -> Iterator[str]:
    """A line for each reason. It has no remedy if all of its messages are acknowledged."""
    for why, held in row.held.items():
        known = held.acknowledged
        line = f"{row.mailbox}: {held.messages} held ({why})"
        if known == held.messages:
            yield f"{line}, acknowledged"
        else:
            yield f"{line}{f', {known} of them acknowledged' if known else ''}: {held.remedy}"


def _cell(value: object, now: datetime) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return str(sum(held.messages for held in value.values()))
    if isinstance(value, Running):
        return (
            f"{value.phase.value} {value.message}/{value.messages}" if value.messages else value.phase.value
        )
    return _distance(value - now) if isinstance(value, datetime) else printable(str(value))


def _distance(time: timedelta) -> str:
    """How far away a moment is: `in 45 s`, `3 h ago`."""
    seconds = round(abs(time).total_seconds())
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size or size == 1)
    amount = f"{seconds // size} {unit}"
    return f"in {amount}" if time > timedelta() else f"{amount} ago"
