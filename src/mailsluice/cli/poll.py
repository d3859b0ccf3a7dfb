"""`mailsluice poll`: polls each mailbox once, and ends.

Owns how the result and the preview are printed. Must never decide what is fetched or deleted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mailsluice.app import Service
from mailsluice.cli.begin import begun
from mailsluice.cli.choice import chosen
from mailsluice.cli.main import Settings
from mailsluice.config.models import Config, Mailbox
from mailsluice.errors import MailsluiceError
from mailsluice.ledger import is_begun, open_ledger
from mailsluice.model import uidl_text
from mailsluice.obs import outlet
from mailsluice.obs.clean import json_text, printable
from mailsluice.outcome import worst
from mailsluice.policy.plan import Plan
from mailsluice.policy.reason import Reason
from mailsluice.polling.under_way import UnderWay
from mailsluice.session.ports import Ledger
from mailsluice.session.triage import triage
from mailsluice.system.signals import Signals

_COLUMNS = ("mailbox", "listed", "stored", "deleted", "waiting", "held", "bytes", "outcome")


@click.command()
@click.argument("mailboxes", metavar="[MAILBOX]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show what would be fetched and deleted; touch nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(settings: Settings, mailboxes: tuple[str, ...], *, dry_run: bool, as_json: bool) -> None:
    """Poll all mailboxes, or the named ones, once. The exit code is that of the worst outcome."""
    config = begun(settings)
    named = [chosen(config, name) for name in dict.fromkeys(mailboxes or config.mailboxes)]
    if dry_run:
        _preview(config, named, as_json=as_json)
    else:
        _poll(config, named, as_json=as_json)


def _poll(config: Config, mailboxes: list[Mailbox], *, as_json: bool) -> None:
    with Service(config) as service, _progress(service.under_way, mailboxes):
        signals = Signals()
        polls = service.round(mailboxes, signals)
    # From here on Ctrl-C ends the program at once. Printing may block if nobody reads the output.
    signals.give_back()
    outlet.drain()  # the log's lines come before the table
    reports = [asdict(polled.report) for polled in polls]
    if as_json:
        click.echo(json_text(reports))
    elif sys.stdout.isatty():
        _show(reports)
    sys.exit(worst([polled.exit_code for polled in polls]))


def _progress(under_way: UnderWay, mailboxes: Iterable[Mailbox]) -> AbstractContextManager[None]:
    if not sys.stderr.isatty():
        return nullcontext()
    from mailsluice.cli.screen import bars  # noqa: PLC0415  only a terminal needs rich

    return bars(under_way, {mailbox.key: mailbox.name for mailbox in mailboxes})


def _show(reports: list[dict[str, Any]]) -> None:
    from mailsluice.cli.screen import print_table  # noqa: PLC0415  as above

    shown = [report | {"held": sum(held.values()) if (held := report["held"]) else 0} for report in reports]
    print_table(shown, _COLUMNS)


def _preview(config: Config, mailboxes: list[Mailbox], *, as_json: bool) -> None:
    plans: dict[str, list[dict[str, object]]] = {}
    exit_codes = []
    with _ledger_to_look_at(config) as ledger, Service(config, ledger=ledger) as service:
        for mailbox in mailboxes:
            try:
                plans[mailbox.name] = _decisions(service.preview(mailbox))
            except MailsluiceError as error:
                verdict = triage(error)
                exit_codes.append(verdict.exit_code)
                # `rstrip` removes the separator if there is no remedy.
                click.echo(printable(f"{mailbox.name}: {error}; {verdict.remedy}".rstrip("; ")), err=True)
    if as_json:
        click.echo(json_text(plans))
    else:
        for name, decisions in plans.items():
            click.echo(f"{name}: {len(decisions)} listed: {_summary(decisions, config.mailboxes[name])}")
            for decision in decisions:
                click.echo("  {action:6} {uidl}  {octets} octets  {reason}".format(**decision))
    sys.exit(worst(exit_codes))


def _summary(decisions: list[dict[str, object]], mailbox: Mailbox) -> str:
    """What the poll would do, in words. Deleting is the default, and nobody may overlook that."""
    counted = Counter(str(decision["action"]) for decision in decisions)
    fetched = counted["fetch"] + counted["apart"]
    deleted = counted["delete"] + counted["delete-apart"]
    does = []
    if fetched and mailbox.leave_on_server is False:
        does.append(f"fetch {fetched}, then delete them from the server")
    elif fetched:
        does.append(f"fetch {fetched}, and leave them on the server")
    if deleted:
        does.append(f"delete {deleted} stored before")
    if counted["ask"]:
        does.append(f"ask for {counted['ask']} headers, and decide by them")
    ageing = sum(decision["reason"] == Reason.NOT_YET_AGED.text for decision in decisions)
    if ageing:
        does.append(f"leave {ageing} until they are old enough, then delete them")
    if counted["leave"] > ageing:
        does.append(f"leave {counted['leave'] - ageing}")
    return "; ".join(does) or "nothing to do"


@contextmanager
def _ledger_to_look_at(config: Config) -> Iterator[Ledger]:
    """The ledger, opened for reading only. If there is none yet, an empty and temporary one."""
    with ExitStack() as stack:
        if is_begun(config.service):
            yield stack.enter_context(open_ledger(config.service, read_only=True))
        else:
            from tempfile import TemporaryDirectory  # noqa: PLC0415  only needed here

            empty = stack.enter_context(TemporaryDirectory(prefix="mailsluice-"))
            yield stack.enter_context(
                open_ledger(config.service.model_copy(update={"state_dir": Path(empty)}))
            )


def _decisions(plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "uidl": printable(uidl_text(listed.uidl)),
            "octets": listed.size,
            "action": reason.action.value,
            "reason": reason.text,
        }
        for listed, reason in zip(plan.listing, plan.reasons, strict=True)
    ]
