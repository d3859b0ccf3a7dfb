"""The report: what `status` shows of the daemon and of each mailbox, as one value.

Owns what is shown, so that the command, its JSON and any other display cannot differ. Must never read
anything, and never know the time: everything is given to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from mailsluice.auth.expiry import Expiry
from mailsluice.config.models import Mailbox
from mailsluice.model import MailboxKey
from mailsluice.polling.under_way import Running
from mailsluice.report import MailboxReport
from mailsluice.status.held import remedy
from mailsluice.status.presence import Configuration, Daemon, Refusal


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """The daemon. `running` is None if that cannot be found out. `problem` is why something is not known."""

    running: bool | None
    pid: int | None
    since: datetime | None
    configuration: Configuration | None
    refused: Refusal | None
    problem: str


@dataclass(frozen=True, slots=True)
class HeldStatus:
    """Messages that are held for one reason. An administrator has acknowledged `acknowledged` of them."""

    messages: int
    acknowledged: int
    remedy: str


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """A configured mailbox, and what is known about it.

    `mailbox` is the section's name. `outcome` is the last session's. `error` is the latest failure; empty if
    a success came after it. `running` is what the daemon does with the mailbox now; None if it does nothing,
    or does not tell.
    """

    mailbox: str
    address: str
    last_success: datetime | None
    next_poll: datetime | None
    running: Running | None
    stored: int
    waiting: int
    held: Mapping[str, HeldStatus]
    held_new: int
    quarantined: int
    failures: int
    outcome: str
    error: str


@dataclass(frozen=True, slots=True)
class CredentialStatus:
    """When what a credential proves itself with ends. It is listed only if that is known.

    `credential` is the section's name, and `proof` what ends: client secret, certificate or sign-in.
    `warning` says it in words if 30 days or fewer are left; otherwise it is empty.
    """

    credential: str
    proof: str
    ends: datetime
    warning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon, the credentials and the mailboxes, in the configuration's order."""

    daemon: DaemonStatus
    credentials: tuple[CredentialStatus, ...]
    mailboxes: tuple[MailboxStatus, ...]

    def for_json(self) -> dict[str, Any]:
        """The same value as dictionaries, lists, texts, numbers and times."""
        return asdict(self, dict_factory=_plain)


def status_of(
    mailboxes: Iterable[Mailbox],
    reports: Mapping[MailboxKey, MailboxReport],
    daemon: Daemon,
    expiries: Iterable[Expiry] = (),
    *,
    now: datetime,
) -> Status:
    """Combine what the configuration, the ledger, the daemon and the credentials say."""
    said = daemon.said
    running = dict(said.running) if said else {}
    return Status(
        DaemonStatus(
            running=daemon.running,
            pid=said.pid if said else None,
            since=said.since if said else None,
            configuration=said.configuration if said else None,
            refused=said.refused if said else None,
            problem=daemon.problem,
        ),
        tuple(_credential(expiry, now) for expiry in expiries),
        tuple(_mailbox(box, reports.get(box.key), running.get(box.key)) for box in mailboxes),
    )


def _credential(expiry: Expiry, now: datetime) -> CredentialStatus:
    warning = "" if expiry.warning(now) is None else expiry.words(now)
    return CredentialStatus(expiry.credential, expiry.proof.value, expiry.ends, warning, expiry.remedy)


def _mailbox(mailbox: Mailbox, report: MailboxReport | None, running: Running | None) -> MailboxStatus:
    last = report.last if report else None
    return MailboxStatus(
        mailbox=mailbox.name,
        address=mailbox.address,
        last_success=report.last_success if report else None,
        next_poll=report.next_poll if report else None,
        running=running,
        stored=report.total_stored if report else 0,
        waiting=last.waiting if last else 0,
        held=_held(mailbox.name, report) if report else {},
        held_new=report.news if report else 0,
        quarantined=report.quarantined if report else 0,
        failures=report.failures if report else 0,
        outcome=last.outcome if last else "never polled",
        error=report.last_error if report and report.failures else "",
    )


def _held(name: str, report: MailboxReport) -> Mapping[str, HeldStatus]:
    """The held messages, by reason. Fewer may be held now than were acknowledged then."""
    return {
        why: HeldStatus(count, min(count, report.acknowledged.get(why, 0)), remedy(why, name))
        for why, count in report.held.items()
    }


# `asdict` calls this for each dataclass.
def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in fields}
