"""`mailsluice quarantine`: the messages that could not be fetched and were set aside.

Owns how they are shown and named: by mailbox, and UIDL as `list` prints it. Must never delete a message: they
stay on the server.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from mailsluice import invocation
from mailsluice.cli.choice import chosen
from mailsluice.cli.main import Settings
from mailsluice.cli.screen import print_table
from mailsluice.config.models import Config, Mailbox
from mailsluice.failure import Failure, Why
from mailsluice.ledger import is_begun, open_ledger
from mailsluice.message.description import TEXTS, describe
from mailsluice.message.header import Header
from mailsluice.model import uidl_text
from mailsluice.obs.clean import json_text, presentable, printable
from mailsluice.session.quarantine import KEPT

_WITHOUT_HEADER = ("The server does not tell its header.", "The next poll asks for its header.")
_COLUMNS = ("mailbox", "uidl", "octets", "last_tried", "subject", "error")


@click.group()
def command() -> None:
    """List, show and retry the messages that could not be fetched and stay on the server."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List what is in quarantine, of all mailboxes."""
    config = settings.config()
    rows = [
        _row(mailbox, uidl, failure)
        for mailbox in config.mailboxes.values()
        for uidl, failure in _quarantined(config, mailbox)
    ]
    if as_json:
        click.echo(json_text(rows))
        return
    if rows:
        print_table(rows, _COLUMNS)
    else:
        click.echo("Nothing is in quarantine.")


@command.command()
@click.argument("mailbox")
@click.argument("uidl")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(settings: Settings, mailbox: str, uidl: str, *, as_json: bool) -> None:
    """Show why a message is in quarantine, and its header as far as the server tells it.

    Of a message that the server cannot render, show the notice that it hands out in its place.
    """
    config = settings.config()
    found = [each for each in _quarantined(config, chosen(config, mailbox)) if _named(each[0]) == uidl]
    if not found:
        raise _not_there(mailbox, uidl)
    for each, failure in found:
        row = _row(config.mailboxes[mailbox], each, failure)
        header = (failure.header or b"").decode("utf-8", "replace")
        if as_json:
            click.echo(json_text(row | {"header": header}))
        else:
            click.echo(printable(f"{row['error']}"))
            click.echo(presentable(header) or _WITHOUT_HEADER[failure.header is None])


@command.command()
@click.argument("mailbox", required=False)
@click.argument("uidls", metavar="[UIDL]...", nargs=-1)
@click.option("--all", "of_all", is_flag=True, help="Of every mailbox.")
@click.pass_obj
def retry(settings: Settings, mailbox: str | None, uidls: tuple[str, ...], *, of_all: bool) -> None:
    """Let the next poll try all of a mailbox's messages in quarantine again, or those named."""
    config = settings.config()
    if of_all == (mailbox is not None):
        raise click.UsageError("name a mailbox, or all of them by --all")
    for name in config.mailboxes if mailbox is None else (mailbox,):
        _retry(config, name, uidls)


def _retry(config: Config, mailbox: str, uidls: tuple[str, ...]) -> None:
    box = chosen(config, mailbox)
    quarantined = [uidl for uidl, _ in _quarantined(config, box)]
    for name in uidls:
        if name not in map(_named, quarantined):
            raise _not_there(mailbox, name)
    found = [uidl for uidl in quarantined if not uidls or _named(uidl) in uidls]
    if found:
        with open_ledger(config.service) as ledger:
            ledger.failures.retry(box.key, found)
    click.echo(f"{len(found)} of {mailbox} will be tried again by the next poll")


@command.command()
@click.argument("mailbox")
@click.argument("uidls", metavar="UIDL...", nargs=-1, required=True)
@click.pass_obj
def take(settings: Settings, mailbox: str, uidls: tuple[str, ...]) -> None:
    """Let the next poll store these messages as they come, be it a notice that the server cannot render one.

    A message that is stored so stays on the server, and is never fetched again.
    """
    config = settings.config()
    box = chosen(config, mailbox)
    held = dict(_quarantined(config, box))
    names = {_named(uidl): uidl for uidl, failure in held.items() if failure.kind is Why.SUBSTITUTE}
    for name in uidls:
        if name not in names:
            raise _not_there(mailbox, name)
    with open_ledger(config.service) as ledger:
        taken = ledger.failures.take(box.key, [names[name] for name in uidls])
    click.echo(f"{taken} of {mailbox} will be stored as they come by the next poll, and stay on the server")


def _not_there(mailbox: str, uidl: str) -> click.UsageError:
    listing = invocation.command("quarantine", "list")
    return click.UsageError(f"{uidl!r} of {mailbox} is not in quarantine; see `{listing}`")


def _quarantined(config: Config, mailbox: Mailbox) -> Iterator[tuple[bytes, Failure]]:
    if not is_begun(config.service):
        return
    with open_ledger(config.service, read_only=True) as ledger:
        for uidl, failure in ledger.failures.read(mailbox.key).items():
            if failure.quarantined:
                yield uidl, failure


def _named(uidl: bytes) -> str:
    """A UIDL as it can be printed, and typed."""
    return printable(uidl_text(uidl))


def _row(mailbox: Mailbox, uidl: bytes, failure: Failure) -> dict[str, object]:
    return {
        "mailbox": mailbox.name,
        "uidl": _named(uidl),
        "octets": failure.listed_size,
        "last_tried": failure.last.replace(microsecond=0),
        "failures": failure.times,
        "reason": failure.kind.value,
        "error": failure.error,
        **dict.fromkeys(TEXTS, ""),
        **describe(Header(failure.header or b"", KEPT)),
    }
