"""The text of a check: a line for each step, and for what failed the cause and the remedy.

Owns how both are spelled for people and as JSON. Must never judge: `diagnosis` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import click

from mailsluice.checking.findings import Finding
from mailsluice.checking.server import name_of
from mailsluice.checking.steps import Line, State, Step
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Config, Mailbox
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.commands import connect_line, way_of
from mailsluice.diagnosis.facts import Facts
from mailsluice.diagnosis.filling import filled
from mailsluice.diagnosis.judgement import DELAY, DELAYED, Judgement
from mailsluice.diagnosis.known import ago, known
from mailsluice.errors import MailsluiceError, ServerError
from mailsluice.obs.clean import printable, redact

_FEW = 5
"""So many mailboxes are named, or have their commands printed."""
_WIDEST = 40
"""Columns for what a step is about. Longer names are shown whole, and push the rest of their line aside."""
_WAY = {Step.DNS, Step.TCP, Step.PROXY, Step.TLS, Step.GREETING, Step.CAPA}
"""The steps that are about a server, and no mailbox or credential."""
_LOCAL = {Step.LEDGER, Step.SINK}
"""The steps that are about this machine alone."""
_COLORS = {
    State.OK: "green",
    State.DOUBT: "yellow",
    State.FAILED: "red",
    State.NO_ANSWER: "yellow",
    State.LEFT_OUT: "yellow",
}


class Lines:
    """How the steps of one check look in columns."""

    def __init__(self, config: Config, mailboxes: Sequence[Mailbox]) -> None:
        subjects = [name for box in mailboxes for name in (box.name, name_of(box))]
        for box in mailboxes:
            subjects.append(f"credentials.{box.credential}")
            credential = config.credentials[box.credential]
            if isinstance(credential, EntraCredential):
                subjects.append(credential.authority.split("/")[2])
        self._width = min(max(map(len, subjects), default=0), _WIDEST)

    def begun(self, subject: str, step: Step) -> str:
        """The beginning of the line of a step."""
        return f"{printable(subject):{self._width}}  {step:8}"

    def ended(self, line: Line) -> str:
        """The line of a step that has ended, with colours."""
        return self._line(line, click.style(f"{line.state:13}", fg=_COLORS[line.state]))

    def plain(self, line: Line) -> str:
        """The line of a step that has ended, without colours."""
        return self._line(line, f"{line.state:13}")

    def _line(self, line: Line, state: str) -> str:
        begun = self.begun(line.subject, line.step)
        return f"{begun}  {state} {line.seconds:6.2f} s  {_shown(line.detail)}".rstrip()


class Printer:
    """Prints each step when it has ended: for a file or a pipe."""

    def __init__(self, lines: Lines, *, silent: bool) -> None:
        self._lines = lines
        self._silent = silent

    def began(self, subject: str, step: Step) -> None:
        """Print nothing."""

    def ended(self, line: Line) -> None:
        """Print the line."""
        if not self._silent:
            click.echo(self._lines.ended(line))


def conclusion(found: Sequence[Finding], lines: Sequence[Line]) -> Iterator[str]:
    """What a check has found, in lines: each cause once, with all mailboxes that have it; then the doubts."""
    wrong = sorted((one for one in found if one.error), key=_kind)
    for _, group in groupby(wrong, key=_kind):
        yield ""
        yield from map(_shown, _explained(list(group)))
    if len(wrong) < len(found):
        yield ""
    for one in found:
        if one.is_polled:
            yield _shown(_polled(one))
    well = [one for one in found if one.error is None and not one.is_polled]
    if well:
        yield f"{_names(well)}: everything works. Nothing was fetched or changed."
    told = {f"credentials.{one.facts.access.credential}" for one in wrong if one.facts.access}
    for doubt in dict.fromkeys(
        f"{line.subject}: doubt about {line.step}: {line.detail}"
        for line in lines
        if line.state is State.DOUBT and line.subject not in told
    ):
        yield _shown(doubt)


def _shown(text: str) -> str:
    """The text on one line, without secrets: these are looked for before anything is escaped."""
    return printable(redact(text))


def _kind(finding: Finding) -> tuple[str, ...]:
    """What findings have in common that are told together."""
    access, step = finding.facts.access, finding.step or ""
    if step in _LOCAL:
        return step, str(finding.error)
    credential = access.credential if access else ""
    server = "" if step is Step.SECRET else finding.server
    causes = tuple(finding.judgement.causes)
    return (credential, server, step, *causes) if causes else (credential, server, step, str(finding.error))


def _explained(group: Sequence[Finding]) -> Iterator[str]:
    """The lines about one kind of failure."""
    first = group[0]
    if first.error is None:
        return
    state = "has no answer yet" if first.is_cut_short else "failed"
    failed = f"{_names(group)}: {_step(first)} {state}"
    judgement, facts = first.judgement, first.facts
    if not judgement.causes:
        yield f"{failed}: {first.error}"
        if remedy := first.error.remedy or _general(first, first.error):
            yield f"  What to do: {remedy}"
        return
    if len(judgement.causes) == 1:
        (cause,) = judgement.causes
        yield f"{failed}: {filled(cause.means, facts)}."
        yield f"  What to do: {filled(cause.mend, facts)}."
        yield from _connect(judgement, facts)
        yield from _commands(cause, group, "  ")
    else:
        yield f"{failed}. {_several(judgement, facts)}."
        yield f"  {_order(judgement, facts)}:"
        for number, cause in enumerate(judgement.causes, 1):
            yield f"  {number}. If {filled(cause.means, facts)}: {filled(cause.mend, facts)}."
            yield from _commands(cause, group, "     ")
        for fact in known(facts):
            yield f"  Known: {fact}."
    if DELAYED & set(judgement.causes):
        yield f"  When you have changed something: {DELAY}."
    yield f"  The error: {first.error}"


def _general(finding: Finding, error: MailsluiceError) -> str:
    """What helps if the server's words are not known; empty if it is no server's error."""
    if finding.is_cut_short:
        return "try again in some minutes"
    if not isinstance(error, ServerError):
        return ""
    access = finding.facts.access
    if finding.step is Step.AUTH and access and access.takes_password:
        return filled(Cause.WRONG_PASSWORD.mend, finding.facts)
    return (
        f"try again in some minutes; if it stays so, ask who runs {finding.server} what its log says about it"
    )


def _step(finding: Finding) -> str:
    """The step, and with what, or to whom."""
    step, access = finding.step, finding.facts.access
    if step in _WAY:
        provider = access if finding.server != name_of(finding.mailbox) else None
        server = f"{finding.server} for credentials.{provider.credential}" if provider else finding.server
        return f"{step} {'of' if step is Step.DNS else 'to'} {server}"
    if step in _LOCAL or access is None:
        return str(step)
    return f"{step} {'of' if step in {Step.SECRET, Step.TOKEN} else 'with'} credentials.{access.credential}"


def _several(judgement: Judgement, facts: Facts) -> str:
    """All causes in short: nobody should take the first for the only one."""
    first, *others = (filled(cause.means, facts) for cause in judgement.causes)
    if judgement.is_likely:
        return f"Probably {first}; otherwise {'; or '.join(others)}"
    return f"One of {len(judgement.causes)} causes: {'; or '.join((first, *others))}"


def _order(judgement: Judgement, facts: Facts) -> str:
    """That the causes are to be looked at in order before anything is changed, and where."""
    if _needs_exchange(judgement, facts):
        return (
            f"Before you change anything, look in this order, in PowerShell after {connect_line(facts)}. "
            "Stop at the first that fits"
        )
    return "Look in this order, and stop at the first that fits"


def _connect(judgement: Judgement, facts: Facts) -> Iterator[str]:
    """How PowerShell is connected, if there are commands for it."""
    if _needs_exchange(judgement, facts):
        yield f"  The commands are for PowerShell, after: {connect_line(facts)}"


def _needs_exchange(judgement: Judgement, facts: Facts) -> bool:
    return any(way_of(cause, facts).needs_exchange for cause in judgement.causes)


def _commands(cause: Cause, group: Sequence[Finding], indent: str) -> Iterator[str]:
    """How to see whether it is this cause, and how to mend it, for each mailbox of the group."""
    ways = [way_of(cause, one.facts) for one in group[:_FEW]]
    for look in dict.fromkeys(line for way in ways for line in way.look):
        yield f"{indent}look:  {look}"
    if ways[0].shows:
        yield f"{indent}shows: {ways[0].shows}"
    for mend in dict.fromkeys(line for way in ways for line in way.mend):
        yield f"{indent}mend:  {mend}"
    if len(group) > _FEW and (ways[0].look or ways[0].mend):
        others = ", ".join(one.mailbox.name for one in group[_FEW:])
        yield f"{indent}and the same for {others}"
    if ways[0].page:
        yield f"{indent}page:  {ways[0].page}"


def _polled(finding: Finding) -> str:
    told = f"{finding.mailbox.name}: a poll of it goes on, so no session was opened"
    last, history = finding.last, finding.facts.history
    if last is None or last.last is None or history is None:
        return f"{told}. It was never polled before."
    told += f". Its last poll: {last.last.outcome}, begun {ago(last.last.started, history.now)}"
    return f"{told}; {last.last_error}" if last.failures else told


def _names(found: Sequence[Finding]) -> str:
    more = len(found) - _FEW
    names = ", ".join(one.mailbox.name for one in found[:_FEW])
    return f"{names} and {more} more" if more > 0 else names


def for_json(lines: Sequence[Line], found: Sequence[Finding]) -> dict[str, Any]:
    """The whole check as dictionaries, lists, texts and numbers, without secrets (docs/operations.md)."""
    return {
        "ok": all(one.error is None for one in found),
        "steps": [asdict(line) | {"detail": redact(line.detail)} for line in lines],
        "mailboxes": [_finding(one) for one in found],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "mailbox": one.mailbox.name,
        "address": one.mailbox.address,
        "ok": one.error is None,
        "polled_now": one.is_polled,
        "last_outcome": one.last.last.outcome if one.last and one.last.last else None,
        "step": one.step,
        "error": redact(str(one.error)) if one.error else "",
        "remedy": redact(one.error.remedy) if one.error else "",
        "no_answer_yet": one.is_cut_short,
        "certain": one.judgement.is_certain,
        "causes": [_cause(cause, one.facts) for cause in one.judgement.causes],
        "known": [redact(fact) for fact in known(one.facts)],
        "exit_code": one.exit_code,
    }


def _cause(cause: Cause, facts: Facts) -> dict[str, Any]:
    words = {"cause": cause.value, "means": filled(cause.means, facts), "remedy": filled(cause.mend, facts)}
    return words | asdict(way_of(cause, facts))
