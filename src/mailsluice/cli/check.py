"""`mailsluice check`: every step on the way to the mail, the cause of the first failure, and its remedy.

Owns the command and its exit code. What is tried is in `checking`, what it means in `diagnosis`, and how it
is shown in `check_text` and `check_screen`. Must never fetch or change anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.proxies import Proxies
from mailsluice.auth.secrets import secrets_of
from mailsluice.checking.findings import Finding
from mailsluice.checking.means import TOKEN_WAIT, Means
from mailsluice.checking.run import check
from mailsluice.checking.steps import Journal, Step, Watcher
from mailsluice.cli import check_text
from mailsluice.cli.check_report import support_report
from mailsluice.cli.choice import as_the_daemon, chosen
from mailsluice.cli.main import Settings
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config, Mailbox
from mailsluice.diagnosis.facts import Door
from mailsluice.errors import ConfigurationError, LedgerError
from mailsluice.ledger import Ledger, is_begun, open_ledger
from mailsluice.net.connections import Connections
from mailsluice.net.trials import Trials
from mailsluice.obs.clean import json_text, printable
from mailsluice.outcome import worst


@click.command()
@click.argument("mailboxes", metavar="[MAILBOX]...", nargs=-1)
@click.option("--imap", is_flag=True, help="Try IMAP too, with the same credential: log in, and count.")
@click.option("--smtp", is_flag=True, help="Try SMTP too, with the same credential: log in.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option("--report", is_flag=True, help="Print a report for whoever helps you, without secrets.")
@click.option("--guide", is_flag=True, help="Print how to set up a tenant, with your values.")
@click.pass_obj
def command(
    settings: Settings,
    mailboxes: tuple[str, ...],
    *,
    imap: bool,
    smtp: bool,
    as_json: bool,
    report: bool,
    guide: bool,
) -> None:
    """Try every step on the way to the mail of all mailboxes, or the named ones.

    Nothing is fetched, marked or changed. For what fails, the likely causes are named in order, and what to
    do. The exit code is that of the worst finding.
    """
    if guide:
        _guide(settings)
        return
    config = settings.config()
    as_the_daemon(config.service.state_dir)
    named = [chosen(config, name) for name in dict.fromkeys(mailboxes or config.mailboxes)]
    doors = [door for door, wanted in ((Door.IMAP, imap), (Door.SMTP, smtp)) if wanted]
    with _watcher(config, named, quiet=as_json or report) as watcher:
        journal = Journal(SystemClock(), watcher)
        _tell_config(settings.path, config, journal)
        found = _checked(config, named, doors, journal)
    if as_json:
        click.echo(json_text(check_text.for_json(journal.lines, found)))
    elif report:
        click.echo(support_report(config, journal.lines, found))
    else:
        for line in check_text.conclusion(found, journal.lines):
            click.echo(line)
    raise click.exceptions.Exit(worst(finding.exit_code for finding in found))


def _tell_config(path: Path, config: Config, journal: Journal) -> None:
    """Note which configuration it is, and what is odd about it: it has been read."""
    with journal.step("service", Step.CONFIG) as note:
        count = len(config.mailboxes)
        note.say(f"{path}, {count} mailbox{'' if count == 1 else 'es'}")
        if config.warnings:
            note.doubt("; ".join(f"{warning.what}; {warning.remedy}" for warning in config.warnings))


def _checked(
    config: Config, mailboxes: Sequence[Mailbox], doors: Sequence[Door], journal: Journal
) -> list[Finding]:
    clock, secrets = SystemClock(), secrets_of(config)
    proxies = Proxies(config, secrets, Trials(clock))
    with ExitStack() as stack:
        ledger, ledger_error = _ledger(config, journal, stack)
        means = Means(
            config,
            journal,
            # No state directory: a kept token would prove nothing, and nothing is to be changed.
            Credentials(
                config.credentials, secrets, clock, find_route=proxies.to_provider, longest=TOKEN_WAIT
            ),
            proxies,
            clock,
            Connections(),
            ledger,
            ledger_error=ledger_error,
        )
        return check(mailboxes, means, doors)


def _ledger(config: Config, journal: Journal, stack: ExitStack) -> tuple[Ledger | None, LedgerError | None]:
    """The ledger, for reading; None if there is none yet, or if it cannot be read: then the error, too."""
    service = config.service
    try:
        with journal.step("service", Step.LEDGER) as note:
            if not is_begun(service):
                note.say(f"none in {service.state_dir} yet; the first poll makes it")
                return None, None
            ledger = stack.enter_context(open_ledger(service, read_only=True))
            note.say(f"{service.state_dir} knows {len(ledger.reports.read())} mailboxes")
            return ledger, None
    except LedgerError as error:  # what else is wrong is worth knowing
        return None, error


@contextmanager
def _watcher(config: Config, mailboxes: Sequence[Mailbox], *, quiet: bool) -> Iterator[Watcher]:
    """Who shows the steps as they happen: on a terminal with the seconds of those that go on."""
    lines = check_text.Lines(config, mailboxes)
    stream = sys.stderr if quiet else sys.stdout
    if stream is not None and stream.isatty():  # None: it is closed
        from mailsluice.cli.check_screen import live  # noqa: PLC0415  only a terminal needs rich

        with live(lines, on_error_stream=quiet) as watcher:
            yield watcher
    else:
        yield check_text.Printer(lines, silent=quiet)


def _guide(settings: Settings) -> None:
    """Print the guide for each credential; with placeholders if there is no configuration to read."""
    from mailsluice.cli.check_guide import guides  # noqa: PLC0415  nothing else needs it

    try:
        config = settings.config()
    except ConfigurationError as error:
        config = None
        click.echo(printable(f"The guide is without your values: {error}"), err=True)
    click.echo(guides(config))
