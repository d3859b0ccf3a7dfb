"""The neighbours: the other staging directories of a sink, and the ledgers that feed the sink by them.

Owns the rule that, if a mailbox keeps its mail, only one ledger may feed a sink with it: another ledger would
store all its mail a second time. Must never touch what a neighbour has staged while it may be at work.

The name of a staging directory is `<mailbox>-<ledger>`, both as digests. So the names tell which mailboxes
and ledgers there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mailsluice import invocation
from mailsluice.errors import SinkRefused
from mailsluice.files.directory import Directory
from mailsluice.model import Feeder, Notice, Noticed
from mailsluice.sink.claim import Claim, Written, new_token, read
from mailsluice.sink.form import Form
from mailsluice.sink.place import sweep

_OWNER = re.compile(r"[0-9a-f]{16}-([0-9a-f]{16})")


def met(folder: Directory, owner: str, feeder: Feeder, *, keeps: bool) -> list[Notice]:
    """What an administrator should know about other ledgers that feed this sink.

    To be called before the staging directory `owner` is made in it. Raises SinkRefused if another ledger
    feeds the sink with the same mailbox, and the mailbox `keeps` its mail.
    """
    mailbox, _, ledger = owner.partition("-")
    same = next(feeders(folder, ledger, f"{mailbox}-"), None)
    if same is not None and keeps:
        raise _fed_twice(folder, same, feeder)
    other = same or next(feeders(folder, ledger), None)
    if other is None:
        return []
    was_here = (other.host, other.state_dir) == (feeder.host, feeder.state_dir)
    which = "a ledger that was here before, in" if was_here else "another ledger,"
    return [Notice(Noticed.SHARED, f"{which} {other.state_dir} on {other.host}")]


def refuse_if_given(claim: Written, feeder: Feeder) -> None:
    """Raise SinkRefused if this claim's mailbox was given to another ledger (`mailsluice sink adopt`)."""
    if claim.heir and claim.feeder is not None and claim.feeder.ledger == feeder.ledger:
        raise SinkRefused(
            f"this sink was given to another ledger, {claim.heir}, for {feeder.mailbox.address}: the ledger "
            f"in {feeder.state_dir} does not feed it any more",
            remedy=f"poll this mailbox with the other ledger; or take the sink back: {_adopt(feeder)}",
        )


def give_up(form: Form, owner: str, feeder: Feeder) -> None:
    """Take a sink over from every other ledger that feeds it with this mailbox.

    What those ledgers have staged is removed: it is still on the server. If one of them takes the mailbox
    back, its claim has a token that shows that others had the directory. Raises FileError, and MailboxLocked
    if one of them is at work.
    """
    mailbox, _, _ = owner.partition("-")
    with _folder(form) as folder:
        for name, staging in _stagings(folder, f"{mailbox}-"):
            with Claim.take(staging, feeder, new_token()) as claim:
                if name == owner:
                    claim.give_back()
                else:
                    claim.give_to(feeder.ledger)
                    sweep(staging, claim)


def claims(form: Form) -> list[Written]:
    """The claims of all mailboxes that feed a sink. Raises FileError."""
    with _folder(form) as folder:
        return [claim for _, staging in _stagings(folder) if (claim := read(staging)) is not None]


@contextmanager
def _folder(form: Form) -> Iterator[Directory | None]:
    """The directory of the sink's staging directories; None if it is missing."""
    with ExitStack() as opened:
        root = Directory.find(form.root)
        folder = None if root is None else opened.enter_context(root).child(form.folder)
        yield None if folder is None else opened.enter_context(folder)


def _stagings(
    folder: Directory | None, prefix: str = "", *, but: str = ""
) -> Iterator[tuple[str, Directory]]:
    """The staging directories whose names begin with `prefix`, except those of the ledger `but`.

    Each is closed when the next one is asked for.
    """
    for name in () if folder is None else sorted(folder.names()):
        owner = _OWNER.fullmatch(name)
        if folder is not None and owner and name.startswith(prefix) and owner[1] != but:
            staging = folder.child(name)
            if staging is not None:
                with staging:
                    yield name, staging


def feeders(folder: Directory, ledger: str, prefix: str = "") -> Iterator[Feeder]:
    """The feeders of the staging directories whose names begin with `prefix`.

    Without our own ledger, and without those that have given the sink up.
    """
    for _, staging in _stagings(folder, prefix, but=ledger):
        claim = read(staging)
        if claim is not None and claim.feeder is not None and not claim.heir:
            yield claim.feeder


def _adopt(feeder: Feeder) -> str:
    return invocation.about(feeder.section, feeder.mailbox.address, "sink", "adopt")


def _fed_twice(folder: Directory, other: Feeder, ours: Feeder) -> SinkRefused:
    sink = folder.path.parent
    if (other.host, other.state_dir) == (ours.host, ours.state_dir):
        return SinkRefused(
            f"{sink} was fed with {ours.mailbox.address} by another ledger in the same place, "
            f"{other.state_dir} on {other.host}, which is not there any more. The mailbox keeps its mail, so "
            "the new ledger would store all of it a second time",
            remedy=f"restore the ledger from a backup; or let the new one take its place: {_adopt(ours)}",
        )
    return SinkRefused(
        f"{sink} is fed with {ours.mailbox.address} by another ledger already, {other.state_dir} on "
        f"{other.host}; this one is {ours.state_dir} on {ours.host}. The mailbox keeps its mail, so this one "
        "would store all of it a second time",
        remedy="use the other ledger (service.state_dir); or, if it is gone for good, let this one take its "
        f"place: {_adopt(ours)}",
    )
