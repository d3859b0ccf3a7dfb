"""The sealed vault: a keyring backend for a server that starts without a person to unlock it.

Owns the format of `secrets.vault`. Must never write a plain secret to a disk. Must never replace a vault that
it could not read completely.

Each entry is sealed for its service and name (`seal`). So nobody can change or exchange entries unnoticed.
The names are not secret. An older copy of the whole file is not detected.
"""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError

from mailsluice import invocation
from mailsluice.auth.keyrings.seal import (
    KEY,
    KEY_CREDENTIAL,
    LOCK,
    VAULT,
    Key,
    NotSealed,
    SealError,
    first_key,
    read_key,
    read_key_file,
)
from mailsluice.errors import system_remedy
from mailsluice.files.directory import make_with_parents
from mailsluice.files.error import FileError
from mailsluice.files.private import locked, read_private, replace_private
from mailsluice.files.trust import trusted_owners

_VERSION = 1
_LONGEST_WORD = 200
"""Characters of a name. The configuration allows a third of that."""


class VaultError(KeyringError):
    """The vault, or its key, cannot be used. `remedy` is what to do about it."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(slots=True)
class _Contents:
    """What the file contains: by (service, name), a nonce and the encrypted secret. All have one key."""

    key_id: str = ""
    entries: dict[tuple[str, str], bytes] = field(default_factory=dict)


class SealedVault(KeyringBackend):
    """The keyring in `state_dir`. Every method raises KeyringError. Safe among processes and threads."""

    # The base class requires it. keyring's detection, which compares it, is never used.
    priority = 0.0

    def __init__(self, state_dir: Path) -> None:
        # Not the base class's __init__: it lets KEYRING_PROPERTY_* in the environment set any attribute.
        self._directory = state_dir
        self._vault = state_dir / VAULT
        self._lock = state_dir / LOCK
        self._key_file = state_dir / KEY

    def get_password(self, service: str, username: str) -> str | None:
        """The secret of that name, or None where there is none."""
        with self._explained():
            contents = self._read()
            blob = contents.entries.get((service, username))
            if blob is None:
                return None
            return self._unseal(self._key_of(contents), service, username, blob)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a secret durably. It replaces one of the same name. The first secret makes the key."""
        with self._explained():
            make_with_parents(self._directory)
            with locked(self._lock):
                contents = self._read()
                key = self._key_of(contents) if contents.entries else self._first_key()
                contents.key_id = key.id
                contents.entries[service, username] = key.seal(password, service, username)
                replace_private(self._vault, _encode(contents))

    def prove_writable(self) -> None:
        """Write the vault durably as it is, so that an error comes now, and not when something is lost by it.

        An error has changed nothing. Without a vault, an empty one is made, and its key.
        """
        with self._explained():
            make_with_parents(self._directory)
            with locked(self._lock):
                contents = self._read()
                contents.key_id = (self._key_of(contents) if contents.entries else self._first_key()).id
                replace_private(self._vault, _encode(contents))

    def delete_password(self, service: str, username: str) -> None:
        """Delete a secret durably. Raises PasswordDeleteError if there is none of that name."""
        with self._explained():
            # Before the lock: it would make its file, and perhaps the directory is not even there.
            if not self._vault.exists():
                raise PasswordDeleteError(f"there is no secret of the name {username!r}")
            with locked(self._lock):
                contents = self._read()
                if contents.entries.pop((service, username), None) is None:
                    raise PasswordDeleteError(f"there is no secret of the name {username!r}")
                replace_private(self._vault, _encode(contents))

    def names(self, service: str) -> list[str]:
        """The names of a service's secrets, sorted. Needs no key."""
        with self._explained():
            return sorted(name for owner, name in self._read().entries if owner == service)

    def key(self) -> Key | None:
        """The key; None if there is none yet. Raises VaultError if the vault needs one, or another one."""
        with self._explained():
            contents = self._read()
            if contents.entries:
                return self._key_of(contents)
            with suppress(FileNotFoundError):
                return read_key(self._directory, self._owners())
        return None

    def make_key(self) -> bool:
        """Make the key, if there is none. Returns whether it was made. A lost one is not made again."""
        with self._explained():
            make_with_parents(self._directory)
            with locked(self._lock):
                if self.key() is not None:
                    return False
                self._first_key()
                return True

    def files(self) -> dict[str, bytes]:
        """The octets of the vault and its key, of one moment, by file name. Only those that exist."""
        with self._explained():
            paths = [path for path in (self._vault, self._key_file) if path.exists()]
            if not paths:
                return {}
            with locked(self._lock):
                return {path.name: read_private(path, owners=self._owners()) for path in paths}

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SealError as exc:
            raise VaultError(str(exc), remedy=exc.remedy) from exc
        except FileError as exc:
            told = exc.remedy if exc.is_of_a_rule else ""
            raise VaultError(str(exc), remedy=told or self._remedy(exc)) from exc
        except OSError as exc:
            raise VaultError(
                f"{exc.filename or self._vault}: {exc.strerror}", remedy=self._remedy(exc)
            ) from exc

    def _remedy(self, exc: OSError) -> str:
        with suppress(OSError):
            owner = self._directory.stat().st_uid
            if exc.errno == errno.EACCES and owner != os.geteuid():
                return f"run the command as the user whose directory it is: {invocation.again_as(owner)}"
        return system_remedy(
            exc,
            f"let the service's user own {self._directory} and its files, and give the files mode 0600; "
            "or set service.state_dir to a directory of your own",
        )

    def _read(self) -> _Contents:
        try:
            raw = read_private(self._vault, owners=self._owners())
        except FileNotFoundError:
            return _Contents()
        return _decode(raw, self._vault)

    def _owners(self) -> set[int]:
        return trusted_owners() | {self._directory.stat().st_uid}

    def _key_of(self, contents: _Contents) -> Key:
        """The key, if it is the one that the vault is sealed with. Raises VaultError if it is another one."""
        try:
            key = read_key(self._directory, self._owners())
        except FileNotFoundError as exc:
            raise VaultError(
                f"the key of {self._vault} is gone: there is no {exc.filename}",
                remedy=f"restore the key, or run this where systemd provides it as {KEY_CREDENTIAL}; "
                f"{self._lost()}",
            ) from exc
        if key.id != contents.key_id:
            raise VaultError(
                f"{self._vault} is sealed with the key {contents.key_id}, but {key.origin} is {key.id}",
                remedy=f"{self._right_key(key, contents.key_id)}; {self._lost()}",
            )
        return key

    def _right_key(self, wrong: Key, key_id: str) -> str:
        """Where the right key is, as far as can be known here."""
        if wrong.origin == self._key_file:
            return f"provide the key {key_id}, or run this where systemd provides it as {KEY_CREDENTIAL}"
        with suppress(OSError, VaultError):
            if read_key_file(self._directory, self._owners()).id == key_id:
                return (
                    f"the right key is {self._key_file}: encrypt that one for the unit, "
                    f"or remove {KEY_CREDENTIAL} from it"
                )
        return f"provide the key {key_id} as {KEY_CREDENTIAL}"

    def _lost(self) -> str:
        again, login = invocation.command("secret", "set", "NAME"), invocation.command("login", "NAME")
        return (
            f"if it is lost, so are the secrets and the sign-ins: `{_aside(self._vault)}`, "
            f"then set each secret again: `{again}`, and let each person sign in again: `{login}`"
        )

    def _first_key(self) -> Key:
        return first_key(self._directory, self._owners())

    def _unseal(self, key: Key, service: str, name: str, blob: bytes) -> str:
        try:
            return key.unseal(blob, service, name)
        except NotSealed as exc:
            raise VaultError(
                f"the entry {name!r} of {self._vault} was damaged or tampered with",
                remedy=f"find out who changed the file; then `{invocation.command('secret', 'set', name)}`",
            ) from exc


def _aside(path: Path) -> str:
    return shlex.join(["mv", str(path), f"{path}.lost"])


def _encode(contents: _Contents) -> bytes:
    entries = [
        {"service": service, "name": name, "sealed": base64.b64encode(blob).decode()}
        for (service, name), blob in sorted(contents.entries.items())
    ]
    document = {"version": _VERSION, "key": contents.key_id, "entries": entries}
    return json.dumps(document, indent=1).encode() + b"\n"


def _decode(raw: bytes, path: Path) -> _Contents:
    try:
        document: dict[str, Any] = json.loads(raw)
        version, key_id = _number(document["version"]), _word(document["key"])
        entries = {
            (_word(entry["service"]), _word(entry["name"])): base64.b64decode(entry["sealed"], validate=True)
            for entry in (document["entries"] if version == _VERSION else ())
        }
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as exc:
        raise VaultError(
            f"{path} is damaged: it is not a vault",
            remedy=f"it was not changed: restore it from a backup; or `{_aside(path)}`, "
            "then set all secrets again, and let people sign in again",
        ) from exc
    if version != _VERSION:
        raise VaultError(
            f"{path} has version {version!r}, and this program knows only version {_VERSION}",
            remedy="use the mailsluice that wrote it, or a newer one",
        )
    return _Contents(key_id, entries)


def _number(value: object) -> int:
    if not isinstance(value, int) or abs(value) > 10**6:
        raise ValueError("not a number that this module writes")
    return value


def _word(value: object) -> str:
    """A name that errors and lists may show as it is. Raises ValueError for any other value."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_WORD:
        raise ValueError("not a name that this module writes")
    return value
