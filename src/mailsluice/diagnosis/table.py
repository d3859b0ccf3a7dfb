"""The table: what is seen, what it may come from, how to see which it is, and what to do, for the manual.

Owns how symptoms and causes are put into rows. Must never have a word of its own about a cause: all of them
are those that `check` prints.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.commands import WAYS
from mailsluice.diagnosis.symptoms import OBSTACLES, REFUSALS, REPLIES, Symptom, symptom_of_refusal
from mailsluice.diagnosis.tenant.layout import cell, table

_HEAD = ("what is seen", "cause", "how to see it", "what to do")
_WORDS: Mapping[str, str] = {
    "cloud": "that `cloud` names",
    "tenant": "`tenant_id`",
    "client": "`client_id`",
    "mailbox": "the mailbox",
    "host": "HOST",
    "server": "HOST:PORT",
    "door": "POP",
    "role": "`POP.AccessAsApp`",
    "scope": "`POP.AccessAsUser.All`",
    "right_scope": "`https://outlook.office365.com/.default`",
    "other_cloud": "the one where the tenant is",
    "who": "the application (or the person)",
    "grantee": "it",
    "has": "another permission",
    "audience": "another service",
    "token_tenant": "",
    "portal": "Entra admin center",
    "permissions": "the app registration's API permissions",
    "sign_in": "sign in again",
    "off": "`PopEnabled : False`",
    "object_id": "the Object ID",
    "clock": "",
    "issuer": "",
    "section": "NAME",
    "of_credential": "of the credential",
    "place": "",
    "public": "",
    "of_proxy": "see what the error says about the proxy",
    "unused_proxy": "",
}
"""What stands for a name in a text that is about no certain case. A name without a word is a mistake here."""
_REGISTRATION = (
    "Entra admin center > App registrations > All applications > `client_id`",
    "App registration",
)


def tables() -> str:
    """The three tables, under their headings, as Markdown."""
    ended = symptom_of_refusal("invalid_grant")
    phases = (
        ("The identity provider refuses a token", (*REFUSALS.values(), *([ended] if ended else []))),
        ("A server is not reached", OBSTACLES.values()),
        ("The mail server refuses", dict.fromkeys(reply.symptom for reply in REPLIES)),
    )
    return "\n".join(f"### {title}\n\n{_table(tuple(_rows(symptoms)))}\n" for title, symptoms in phases)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """The rows under their head, without a column in which there is nothing."""
    used = [at for at in range(len(_HEAD)) if any(row[at] for row in rows)]
    return table([_HEAD[at] for at in used], [[row[at] for at in used] for row in rows])


def _rows(symptoms: Iterable[Symptom]) -> Iterator[tuple[str, ...]]:
    told: set[Cause] = set()
    for causes, seen in _merged(symptoms):
        first = cell(", ".join(seen))
        for known, some in groupby(causes, told.__contains__):
            for words in [_words(some)] if known else map(_explained, some):
                yield first, *words
                first = ""
        told.update(causes)


def _explained(cause: Cause) -> tuple[str, str, str]:
    means = f"{_worded(cause.means)} (`{cause}`)"
    return cell(means), cell(_see(cause)), cell(_worded(cause.mend))


def _words(causes: Iterable[Cause]) -> tuple[str, str, str]:
    """Causes that were explained above, by their words alone."""
    return ", ".join(f"`{cause}`" for cause in causes), "", "as above"


def _merged(symptoms: Iterable[Symptom]) -> Iterator[tuple[tuple[Cause, ...], list[str]]]:
    """What may be the causes, those that only a person can have at the end, and what is seen then."""
    merged: dict[frozenset[Cause], tuple[tuple[Cause, ...], list[str]]] = {}
    for symptom in symptoms:
        causes = tuple(dict.fromkeys((*symptom.causes, *symptom.of_person)))
        merged.setdefault(frozenset(causes), (causes, []))[1].append(symptom.seen)
    yield from merged.values()


def _see(cause: Cause) -> str:
    """What shows whether it is this cause: a command of PowerShell without its words, or a page."""
    way = WAYS.get(cause)
    if way is None:
        return ""
    if way.look:
        return f"`{way.look[0].split()[0]}` shows {_worded(way.shows)}"
    return _worded(way.page).replace(*_REGISTRATION)


def _worded(text: str) -> str:
    return string.Formatter().vformat(text, (), {name: _Word(word) for name, word in _WORDS.items()})


class _Word(str):
    """A word that is not quoted: it is no value, and nobody pastes it."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        return str(self)
