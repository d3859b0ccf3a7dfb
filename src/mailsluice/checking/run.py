"""The check: read `check` top to bottom. That is what `mailsluice check` does.

Owns the order: credentials, sinks, servers, mailboxes, and the judgement at the end; and how much of its
minute each mailbox has left. Must never fetch, mark or change anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from mailsluice.checking.crew import Crew
from mailsluice.checking.findings import Finding, findings
from mailsluice.checking.knocking.doors import try_doors
from mailsluice.checking.means import SERVER_WAIT, WHOLE, Means
from mailsluice.checking.opening import Opened, try_mailbox
from mailsluice.checking.server import name_of, try_server
from mailsluice.checking.sinks import try_sink
from mailsluice.checking.steps import State, Step
from mailsluice.checking.tried import Tried
from mailsluice.checking.way_in import try_way_in
from mailsluice.config.credentials import CommandCredential, PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.diagnosis.facts import Door
from mailsluice.errors import DeadlineExceeded

_AT_ONCE = 8
"""Sessions at once. Exchange Online throttles a tenant with many more."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Work = Callable[[Mailbox], _Value]


def check(mailboxes: Sequence[Mailbox], means: Means, doors: Iterable[Door] = ()) -> list[Finding]:
    """Try everything on the way to the mail of these mailboxes. Returns a finding for each, in this order.

    After Ctrl-C, or a bug in any of it, every connection is cut, and nothing is told any more. Raises
    NoThread; and OSError if nobody can be told how it goes.
    """
    crew = Crew(_AT_ONCE)
    try:
        return findings(_tried(mailboxes, means, tuple(doors), crew), means)
    except BaseException:
        means.journal.close()
        means.connections.abort_all()
        crew.end()
        raise


def _tried(mailboxes: Sequence[Mailbox], means: Means, doors: Sequence[Door], crew: Crew) -> list[Tried]:
    def each(boxes: Mapping[_Key, Mailbox], work: _Work[_Value]) -> dict[_Key, tuple[_Value, float]]:
        """Do the work for each of these. Returns what came of it, and the seconds it took."""

        def timed(box: Mailbox) -> tuple[_Value, float]:
            begun = means.clock.monotonic()
            value = work(box)
            means.journal.heard()
            return value, means.clock.monotonic() - begun

        return dict(zip(boxes, crew.each(timed, list(boxes.values())), strict=True))

    ways_in = each({_login_of(box, means): box for box in mailboxes}, lambda box: try_way_in(box, means))
    sinks = each({box.name: box for box in mailboxes}, lambda box: try_sink(box, means))
    quick = means.within(SERVER_WAIT)
    servers = each({_server_of(box, means): box for box in mailboxes}, lambda box: try_server(box, quick))
    every = {}
    for box in mailboxes:
        way_in, of_way_in = ways_in[_login_of(box, means)]
        sink, of_sink = sinks[box.name]
        server, of_server = servers[_server_of(box, means)]
        every[box.name] = Tried(box, way_in, server, sink, spent=of_way_in + of_sink + of_server)
    each(
        {one.mailbox.name: one.mailbox for one in every.values()},
        lambda b: _open(every[b.name], means, doors),
    )
    return list(every.values())


def _open(tried: Tried, means: Means, doors: Sequence[Door]) -> None:
    """Open the mailbox, if there is a login for it and its server can be reached; then the other doors."""
    mailbox, login = tried.mailbox, tried.way_in.login
    end = means.clock.monotonic() + WHOLE - tried.spent
    if login is None or tried.server.error:
        missing = "there is no token" if login is None else f"{name_of(mailbox)} cannot be reached"
        means.journal.leave_out(mailbox.name, Step.AUTH, missing)
    else:
        try:
            tried.opened = try_mailbox(mailbox, login, means.within(end - means.clock.monotonic()))
        except DeadlineExceeded as error:
            _cut_short(mailbox, Step.CONNECT, error, means)
            tried.opened = Opened(error, Step.CONNECT)
    if tried.opened and tried.opened.is_polled:
        for door in doors:
            means.journal.leave_out(mailbox.name, Step[door.name], "a poll of this mailbox goes on")
    elif login is not None and doors:
        share = (end - means.clock.monotonic()) / len(doors)
        try:
            tried.doors = try_doors(doors, mailbox, login, means.within(share))
        except DeadlineExceeded as error:
            for door in doors:
                _cut_short(mailbox, Step[door.name], error, means)
            tried.doors = dict.fromkeys(doors, error)


def _cut_short(mailbox: Mailbox, step: Step, error: DeadlineExceeded, means: Means) -> None:
    """Note that there was no time for this step."""
    means.journal.end(mailbox.name, step, means.clock.monotonic(), State.NO_ANSWER, str(error))


def _login_of(mailbox: Mailbox, means: Means) -> tuple[str, str]:
    """What is one login: a credential; for a program also the mailbox, because it may be told its address."""
    by_program = isinstance(means.config.credentials[mailbox.credential], CommandCredential)
    return mailbox.credential, mailbox.address if by_program else ""


def _server_of(mailbox: Mailbox, means: Means) -> tuple[object, ...]:
    """What is one server: all that decides how it is reached, and what it has to understand."""
    by_password = isinstance(means.config.credentials[mailbox.credential], PasswordCredential)
    way = mailbox.ca_file, mailbox.proxy, mailbox.proxy_password
    return mailbox.host.lower(), mailbox.port, *way, by_password
