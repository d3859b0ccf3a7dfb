"""From `[mailboxes.*]`, `[defaults]` and the credentials to mailboxes with every default filled in.

Owns how defaults are applied, and what two mailboxes must not share. A mistake in `[defaults]` is reported
there, and only once. Must never repeat a value from a file in an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mailsluice.config.credentials import (
    HOSTS,
    CommandCredential,
    EntraCredential,
    PasswordCredential,
)
from mailsluice.config.files import Entry, Source
from mailsluice.config.mistakes import Mistakes, Place, nearest, validate
from mailsluice.config.models import (
    Mailbox,
    MaildirSink,
    SpoolSink,
)
from mailsluice.model import MailboxKey

AnyCredential = EntraCredential | CommandCredential | PasswordCredential

_SINKS: Mapping[str, type[SpoolSink | MaildirSink]] = {"spool": SpoolSink, "maildir": MaildirSink}
_SCHEDULES = {"every", "cron"}


class Mailboxes:
    """Builds the mailboxes of one configuration. A credential that is None had a mistake itself."""

    def __init__(
        self, source: Source, credentials: Mapping[str, AnyCredential | None], mistakes: Mistakes
    ) -> None:
        self._source = source
        self._credentials = credentials
        self._mistakes = mistakes
        self._keys: dict[MailboxKey, Place] = {}
        self._sinks: dict[Path, tuple[str, Place]] = {}
        self._defaults, self._wrong_defaults = self._check_defaults()

    def build(self) -> dict[str, Mailbox]:
        """Every mailbox without a mistake, by name."""
        built = ((name, self._mailbox(name, entry)) for name, entry in self._source.mailboxes.items())
        return {name: mailbox for name, mailbox in built if mailbox}

    def _check_defaults(self) -> tuple[dict[str, Any], set[str]]:
        """The correct values in `[defaults]`, with its sink as a model, and the keys that are wrong."""
        place = Place(self._source.path, ("defaults",))
        table, wrong = self._prepare(self._mistakes.table(place, self._source.top.get("defaults", {})), place)
        if table.keys() >= _SCHEDULES:
            self._mistakes.add(place, "`every` and `cron` exclude each other; keep one of them")
        for keys, text in validate(Mailbox, table)[1]:
            if keys[0] in table and keys[0] not in wrong:  # a missing key may be in a mailbox's own section
                self._mistakes.add(place.at(*keys), text)
                wrong.add(keys[0])
        return {key: value for key, value in table.items() if key not in wrong}, wrong

    def _prepare(self, table: dict[str, Any], place: Place) -> tuple[dict[str, Any], set[str]]:
        """The table, with its sink as a model, and the keys whose mistakes were reported here."""
        table, wrong = dict(table), set[str]()
        if "name" in table:
            del table["name"]
            self._mistakes.add(
                place.at("name"), "unknown key; a mailbox is named by its section, [mailboxes.NAME]"
            )
        if "sink" in table and (sink := self._mistakes.check_kind(_SINKS, table["sink"], place.at("sink"))):
            table["sink"] = sink
        elif "sink" in table:
            wrong.add("sink")
        name = table.get("credential")
        if isinstance(name, str) and name not in self._credentials:
            self._mistakes.add(place.at("credential"), nearest("credential", name, self._credentials))
            wrong.add("credential")
        return table, wrong

    def _mailbox(self, name: str, entry: Entry) -> Mailbox | None:
        place = entry.place
        self._mistakes.check_name(place)
        own, wrong = self._prepare(self._mistakes.table(place, entry.value), place)
        # `every` and `cron` exclude each other: a mailbox with one of them takes neither from the defaults.
        # Nor does one with a proxy of its own take the password of another proxy.
        overridden = set(_SCHEDULES if own.keys() & _SCHEDULES else ())
        overridden |= {"proxy_password"} if "proxy" in own else set()
        merged = {key: value for key, value in self._defaults.items() if key not in overridden} | own
        wrong |= self._wrong_defaults - own.keys()
        if not {"host"} & (merged.keys() | wrong):
            if host := self._default_host(merged.get("credential"), place):
                merged["host"] = host
            else:
                wrong.add("host")
        mailbox = self._mistakes.check(Mailbox, merged | {"name": name}, place, reported=wrong)
        if mailbox:
            self._compare(mailbox, place)
        return mailbox

    def _default_host(self, name: object, place: Place) -> str | None:
        """The credential's server. None if it has none; for a password that is a mistake of the mailbox."""
        credential = self._credentials.get(name) if isinstance(name, str) else None
        if isinstance(credential, PasswordCredential):
            self._mistakes.add(
                place.at("host"), 'is missing; write the server, such as host = "pop.acme.example"'
            )
        return credential.default_host if credential else None

    def _compare(self, mailbox: Mailbox, place: Place) -> None:
        """Add mistakes for what two mailboxes must not share, and for a password with Exchange Online."""
        other = self._keys.setdefault(mailbox.key, place)
        if other is not place:
            self._mistakes.add(place, f"has the same host and address as {other}; remove one of them")
        kind, other = self._sinks.setdefault(mailbox.sink.path, (mailbox.sink.kind, place))
        if kind != mailbox.sink.kind:
            self._mistakes.add(
                place.at("sink", "path"), f"is already a {kind} in {other}; use another directory"
            )
        if mailbox.key.host in HOSTS.values() and isinstance(
            self._credentials[mailbox.credential], PasswordCredential
        ):
            self._mistakes.add(
                place.at("credential"),
                'is a password, which Exchange Online refuses; use one of kind "entra"',
            )
