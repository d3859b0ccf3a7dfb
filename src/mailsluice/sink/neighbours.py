"""The neighbours: the other staging directories of a sink, and the ledgers that feed it by them.

Owns the rule that of one mailbox that keeps its mail, one ledger alone may feed a sink: another would store
all of it a second time. Must never touch what a neighbour has staged while that one may be at work.

A staging directory is called `<mailbox>-<ledger>`, both as digests, so that a list of names tells who is
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mailsluice import invocation
from mailsluice.errors import SinkRefused
from mailsluice.model import Feeder, Notice, Noticed
from mailsluice.sink.claim import Written, read
from mailsluice.sink.fs import Directory

_OWNER = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")


def met(folder: Directory, owner: str, feeder: Feeder, *, keeps: bool) -> list[Notice]:
    """What to say of other ledgers that feed this sink, before the staging directory `owner` is made in it.

    Raises SinkRefused where one feeds it with the same mailbox, and the mailbox `keeps` its mail.
    """
    mailbox, _, ledger = owner.partition("-")
    others = [name for name in folder.names() if _OWNER.fullmatch(name) and not name.endswith(f"-{ledger}")]
    others.sort(key=lambda name: not name.startswith(f"{mailbox}-"))
    for name, claim in _claims(folder, others):
        if claim.feeder is None or claim.heir:
            continue
        if name.startswith(f"{mailbox}-") and keeps:
            raise _fed_twice(folder.path.parent, claim.feeder, feeder)
        return [Notice(Noticed.SHARED, f"{claim.feeder.state_dir} on {claim.feeder.host}")]
    return []


def refuse_if_given(claim: Written, feeder: Feeder) -> None:
    """Raise SinkRefused if this claim's mailbox was given to another ledger (`mailsluice sink adopt`)."""
    if claim.heir and claim.feeder is not None and claim.feeder.ledger == feeder.ledger:
        raise SinkRefused(
            f"this sink was given to another ledger, {claim.heir}, for {feeder.mailbox.address}: the one in "
            f"{feeder.state_dir} feeds it no more",
            remedy=f"poll this mailbox with that one; or take it back: {_adopt(feeder)}",
        )


def _claims(folder: Directory, names: list[str]) -> Iterator[tuple[str, Written]]:
    for name in names:
        staging = folder.child(name)
        if staging is not None:
            with staging:
                claim = read(staging)
            if claim is not None:
                yield name, claim


def _adopt(feeder: Feeder) -> str:
    return f"`{invocation.command('sink', 'adopt', feeder.section)}`"


def _fed_twice(sink: Path, there: Feeder, ours: Feeder) -> SinkRefused:
    return SinkRefused(
        f"{sink} is fed with {ours.mailbox.address} by another ledger already, {there.state_dir} on "
        f"{there.host}; this one is {ours.state_dir} on {ours.host}. The mailbox keeps its mail, so this one "
        "would store all of it a second time",
        remedy="use that one (service.state_dir); or, if it is gone for good, let this one take its place: "
        f"{_adopt(ours)}",
    )
