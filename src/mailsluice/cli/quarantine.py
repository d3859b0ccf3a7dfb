"""`mailsluice quarantine`: the messages that could not be fetched and were set aside.

Owns how they are shown and named: by mailbox, and by UIDL as `list` prints it. Must never delete a message:
they stay on the server.
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

_WITHOUT_HEADER = ("The server does not give its header.", "The next poll asks for its header.")
_COLUMNS = ("mailbox", "uidl", "octets", "last_tried", "subject", "error")


@click.group()
def command() -> None:
    """List, show and retry the messages that could not be fetched and stay on the server."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> None:
    """List the messages in quarantine, of all mailboxes."""
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
    """Show why a message is in quarantine, and its header if the server gives it.

    If the server cannot render the message, show the notice that it hands out in its place.
    """
    config = settings.config()
    # Several may be found: two UIDLs can look the same when they are made printable.
    found = [entry for entry in _quarantined(config, chosen(config, mailbox)) if _named(entry[0]) == uidl]
    if not found:
        raise _not_there(mailbox, uidl)
    for octets, failure in found:
        row = _row(config.mailboxes[mailbox], octets, failure)
        header = (failure.header or b"").decode("utf-8", "replace")
        if as_json:
            click.echo(json_text(row | {"header": header}))
        else:
            click.echo(printable(f"{row['error']}"))
            click.echo(presentable(header) or _WITHOUT_HEADER[failure.header is None])


@command.command()
@click.argument("mailbox", required=False)
@click.argument("uidls", metavar="[UIDL]...", nargs=-1)
@click.option("--all", "of_all", is_flag=True, help="The messages of every mailbox.")
@click.pass_obj
def retry(settings: Settings, mailbox: str | None, uidls: tuple[str, ...], *, of_all: bool) -> None:
    """Let the next poll try the messages in quarantine again: all of a mailbox, or the named ones."""
    config = settings.config()
    if of_all == (mailbox is not None):
        raise click.UsageError("name a mailbox, or use --all for all of them")
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
    click.echo(f"{len(found)} messages of {mailbox} will be tried again by the next poll")


@command.command()
@click.argument("mailbox")
@click.argument("uidls", metavar="UIDL...", nargs=-1, required=True)
@click.pass_obj
def take(settings: Settings, mailbox: str, uidls: tuple[str, ...]) -> None:
    """Let the next poll store these messages as they come, even if only the server's notice comes.

    Such a message stays on the server, and is never fetched again.
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
    click.echo(f"{taken} messages of {mailbox} will be stored as they come, and stay on the server")


def _not_there(mailbox: str, uidl: str) -> click.UsageError:
    listing = invocation.command("quarantine", "list")
    return click.UsageError(f"{mailbox} has no message {uidl!r} in quarantine; see `{listing}`")


def _quarantined(config: Config, mailbox: Mailbox) -> Iterator[tuple[bytes, Failure]]:
    if not is_begun(config.service):
        return
    with open_ledger(config.service, read_only=True) as ledger:
        for uidl, failure in ledger.failures.read(mailbox.key).items():
            if failure.quarantined:
                yield uidl, failure


def _named(uidl: bytes) -> str:
    """A UIDL in a form that can be printed and typed."""
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
