"""From files to a `Config`, or to every mistake in them at once.

Owns which file is loaded, the order in which its sections are checked, and the warnings. Must never repeat a
value from a file in an error.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mailsluice import invocation
from mailsluice.config.authorities import trust_of_environment
from mailsluice.config.credentials import CommandCredential, EntraCredential, PasswordCredential
from mailsluice.config.files import Entry, Source, not_obeyed, read
from mailsluice.config.mailboxes import AnyCredential, Mailboxes
from mailsluice.config.mistakes import Mistakes, Place
from mailsluice.config.models import Config, Keyring, Log, Mailbox, Service
from mailsluice.config.section import Section
from mailsluice.config.types import SecretRef
from mailsluice.errors import ConfigurationError
from mailsluice.files.trust import Problem, doubts_of_obeyed, files_of_command, problem_of_obeyed
from mailsluice.system.zone import Zone, ZoneError, local_zone

S = TypeVar("S", bound=Section)

SYSTEM_FILE = Path("/etc/mailsluice/mailsluice.toml")

_CREDENTIALS: Mapping[str, type[AnyCredential]] = {
    "entra": EntraCredential,
    "command": CommandCredential,
    "password": PasswordCredential,
}


def find(explicit: Path | None) -> Path:
    """The file to load: `explicit`, else $MAILSLUICE_CONFIG, else ./mailsluice.toml, else the system's file.

    Raises ConfigurationError if none is given and none exists. The error says where it looked.
    """
    if explicit is not None:
        return explicit
    if named := os.environ.get("MAILSLUICE_CONFIG"):
        return Path(named)
    local = Path("mailsluice.toml")
    if _is_there(local, where_hidden=False):
        return local
    if _is_there(SYSTEM_FILE, where_hidden=True):
        return SYSTEM_FILE
    raise ConfigurationError(
        [f"no configuration: no -c, no $MAILSLUICE_CONFIG, and neither ./{local} nor {SYSTEM_FILE} exists"],
        remedy=f"start from the example: {invocation.command('config', 'example')} > mailsluice.toml",
    )


def _is_there(path: Path, *, where_hidden: bool) -> bool:
    """Whether the file exists. Returns `where_hidden` if this user may not look into its directory.

    For the working directory that means no: a service's user often has no rights where an administrator
    calls a command. For the system's file it means yes, so that the error names the missing rights.
    """
    try:
        return path.exists()
    except PermissionError:
        return where_hidden


def load(path: Path) -> Config:
    """The configuration in this file and those it includes.

    Raises ConfigurationError with one line for each mistake: file, key path, what would be right.
    """
    mistakes = Mistakes()
    source = read(path, mistakes)
    service = _service(source, mistakes)
    log = _section(Log, "log", source, mistakes)
    keyring = _section(Keyring, "keyring", source, mistakes)
    credentials = {name: _credential(entry, mistakes) for name, entry in source.credentials.items()}
    mailboxes = Mailboxes(source, credentials, mistakes).build()
    _check_environments(source, credentials, (service, *mailboxes.values()), mistakes)
    _check_ca_files(source, mistakes)
    zone = _zone(mailboxes, mistakes)
    mistakes.raise_if_any()
    return Config.model_validate(
        {
            "service": service,
            "log": log,
            "keyring": keyring,
            "credentials": credentials,
            "mailboxes": mailboxes,
            "files": tuple(source.files),
            "warnings": tuple(
                dict.fromkeys((*source.unmatched, *_warnings(source, credentials), *trust_of_environment()))
            ),
            "zone": zone,
        }
    )


def _zone(mailboxes: Mapping[str, Mailbox], mistakes: Mistakes) -> Zone | None:
    """The local time for cron lines. None without any: then a wrong TZ is no mistake."""
    if all(mailbox.cron is None for mailbox in mailboxes.values()):
        return None
    try:
        return local_zone()
    except ZoneError as exc:
        mistakes.lines.append(str(exc))
        return None


def _service(source: Source, mistakes: Mistakes) -> Service | None:
    try:
        return _section(Service, "service", source, mistakes)
    except ConfigurationError as exc:  # from `default_state_dir`, which does not know the file
        mistakes.lines.extend(f"{Place(source.path)}: {line}" for line in exc.mistakes)
        return None


def _section(model: type[S], key: str, source: Source, mistakes: Mistakes) -> S | None:
    place = Place(source.path, (key,))
    return mistakes.check(model, mistakes.table(place, source.top.get(key, {})), place)


def _credential(entry: Entry, mistakes: Mistakes) -> AnyCredential | None:
    mistakes.check_name(entry.place)
    return mistakes.check_kind(_CREDENTIALS, entry.value, entry.place)


def _check_environments(
    source: Source,
    credentials: Mapping[str, AnyCredential | None],
    others: Iterable[Section | None],
    mistakes: Mistakes,
) -> None:
    """Add a mistake if a token command would get a variable that has a secret of this configuration."""
    sections = (*credentials.values(), *others)
    secrets = {ref.name for ref in _secrets(sections) if ref.scheme == "env"}
    for name, credential in credentials.items():
        if isinstance(credential, CommandCredential):
            for variable in sorted(secrets.intersection(credential.variables)):
                mistakes.add(
                    source.credentials[name].place.at("environment"),
                    f"a token command must not be given the secret env:{variable}; "
                    "remove the variable here, or keep the secret in another place",
                )


def _secrets(sections: Iterable[Section | None]) -> Iterator[SecretRef]:
    for section in sections:
        for value in dict(section or ()).values():
            if isinstance(value, SecretRef):
                yield value


def _warnings(source: Source, credentials: Mapping[str, AnyCredential | None]) -> Iterator[Problem]:
    """Warns of obeyed files that a group may write, and of commands that would not be run.

    The latter is no mistake, because only the polls of that command's mailboxes fail.
    """
    if not source.mailboxes:
        yield Problem(
            f"{Place(source.path)}: there is no mailbox, so nothing is polled", "add one: [mailboxes.NAME]"
        )
    files = [*source.places, *(Path(value) for _, value in _ca_files(source))]
    for name, credential in credentials.items():
        kind, command = _command(credential)
        for file in files_of_command(command) if command else ():
            files.append(file)
            with suppress(OSError):
                if problem := problem_of_obeyed(file):
                    what = f"{source.credentials[name].place}: the {kind} is not run, because "
                    yield Problem(what + problem.what, problem.remedy)
    for file in files:
        with suppress(OSError):
            yield from doubts_of_obeyed(file)


def _command(credential: AnyCredential | None) -> tuple[str, Sequence[str]]:
    """What errors call the command of a credential, and the command; it is empty if there is none."""
    if isinstance(credential, CommandCredential):
        return "token command", credential.command
    if isinstance(credential, EntraCredential):
        return "assertion command", credential.assertion_command or ()
    return "", ()


def _check_ca_files(source: Source, mistakes: Mistakes) -> None:
    """Add a mistake for each `ca_file` that cannot be read, has no certificates, or that others may write."""
    tried = set()
    for place, value in _ca_files(source):
        # A value that is no absolute path, or has a NUL, was reported as a mistake already.
        if value.startswith("/") and "\0" not in value and value not in tried:
            tried.add(value)
            try:
                if problem := not_obeyed(Path(value)):
                    mistakes.add(place, problem)
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
            except ssl.SSLError:
                mistakes.add(place, "contains no certificate; it must be PEM text")
            except OSError as exc:
                mistakes.add_unreadable(place, Path(value), exc)


def _ca_files(source: Source) -> Iterator[tuple[Place, str]]:
    defaults = Entry(Place(source.path, ("defaults",)), source.top.get("defaults"))
    for entry in (defaults, *source.credentials.values(), *source.mailboxes.values()):
        if isinstance(entry.value, dict) and isinstance(value := entry.value.get("ca_file"), str):
            yield entry.place.at("ca_file"), value
