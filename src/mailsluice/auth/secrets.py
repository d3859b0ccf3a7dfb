"""Secrets: from a reference in the configuration to the secret itself.

Owns the four places where a secret may be kept, and the translation of their errors. Must never put a secret
into an error, and never let keyring choose a backend: it may choose one that stores plain text, and its
configuration files load code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mailsluice import invocation
from mailsluice.auth.keyrings.systemd import credential, loading, octets_of_credential
from mailsluice.auth.text import without_line_end
from mailsluice.config.models import Backend, Config
from mailsluice.config.types import Scheme, SecretRef
from mailsluice.errors import SecretError, system_remedy
from mailsluice.files import rights
from mailsluice.files.error import FileError
from mailsluice.files.private import PrivateJudge, read_private
from mailsluice.files.rights import is_denied
from mailsluice.files.trust import problem_of_secret, trusted_owners

if TYPE_CHECKING:
    from mailsluice.auth.keyrings.keyring import Keyring


class Secrets:
    """The secrets that a `SecretRef` stands for, and the keyring of `keyring:NAME`.

    Every method raises SecretError. Nothing is remembered: a secret that is changed while the daemon runs is
    read when it is next needed.
    """

    def __init__(self, state_dir: Path, backend: Backend) -> None:
        self._state_dir = state_dir
        self._backend = backend

    @property
    def state_dir(self) -> Path:
        """The state directory, which has the sealed vault."""
        return self._state_dir

    def reader(self, ref: SecretRef) -> Callable[[], str]:
        """A function that reads the secret each time it is called, and raises SecretError.

        The secret is never empty. One line end at the end of a file is not part of the secret: editors put it
        there.
        """
        # The keyring's libraries are loaded here, while a service is built, and not in the middle of a poll.
        look_up = _from_keyring(self._keyring()) if ref.scheme == "keyring" else _LOOK_UPS[ref.scheme]
        return partial(_never_empty, look_up, ref)

    def octets(self, ref: SecretRef, judge: PrivateJudge = problem_of_secret) -> Callable[[], bytes]:
        """A function that reads the secret as it is, which need not be text, and may be empty.

        `judge` says whose file it may be.
        """
        match ref.scheme:
            case "file":
                return partial(_octets_of_file, ref, judge)
            case "credential":
                return partial(_octets_from_systemd, ref)
            case "keyring":
                look_up = _from_keyring(self._keyring())
            case "env":
                look_up = _from_environment
        return lambda: look_up(ref).encode(errors="surrogateescape")

    def store(self, name: str, secret: str) -> None:
        """Store a secret in the keyring. It replaces one of the same name."""
        self._keyring().store(name, secret)

    def delete(self, name: str) -> None:
        """Delete a secret from the keyring."""
        self._keyring().delete(name)

    def names(self) -> list[str]:
        """The names of the secrets in the keyring, sorted."""
        return self._keyring().names()

    def test(self) -> None:
        """Whether the keyring works, if another program keeps it. Others are looked at when they are read."""
        if self._backend == "secret-service":
            self._keyring().test()

    def _keyring(self) -> Keyring:
        from mailsluice.auth.keyrings.keyring import Keyring  # noqa: PLC0415  keyring and cryptography: only if used

        return Keyring(self._state_dir, self._backend)


def secrets_of(config: Config) -> Secrets:
    """The secrets that this configuration refers to."""
    return Secrets(config.service.state_dir, config.keyring.backend)


_LookUp = Callable[[SecretRef], str]


def _never_empty(look_up: _LookUp, ref: SecretRef) -> str:
    secret = look_up(ref)
    if not secret:
        raise SecretError(f"{ref}: the secret is empty", remedy=_remedy(ref))
    return secret


def _from_keyring(keyring: Keyring) -> _LookUp:
    def look_up(ref: SecretRef) -> str:
        secret = keyring.get(ref.name)
        if secret is None:
            raise SecretError(f"{ref}: the keyring has no secret of that name", remedy=_remedy(ref))
        return secret

    return look_up


def _from_file(ref: SecretRef) -> str:
    return _text(ref, _octets_of_file(ref, problem_of_secret))


def _octets_of_file(ref: SecretRef, judge: PrivateJudge) -> bytes:
    path = Path(ref.name)
    try:
        return read_private(path, owners=trusted_owners(), judge=judge)
    except (FileError, FileNotFoundError) as exc:
        denied = is_denied(exc)
        remedy = rights.remedy(path) if denied else system_remedy(exc, _remedy(ref))
        if isinstance(exc, FileError) and exc.is_of_a_rule:  # our own rule: it knows the better remedy
            remedy = exc.remedy or remedy
        raise SecretError(f"{ref}: {exc.strerror or exc}", remedy=remedy, denied=denied) from exc


def _from_systemd(ref: SecretRef) -> str:
    try:
        return credential(ref.name)
    except SecretError as exc:
        raise SecretError(f"{ref}: {exc}", remedy=exc.remedy) from exc


def _octets_from_systemd(ref: SecretRef) -> bytes:
    try:
        return octets_of_credential(ref.name)
    except SecretError as exc:
        raise SecretError(f"{ref}: {exc}", remedy=exc.remedy) from exc


def _from_environment(ref: SecretRef) -> str:
    secret = os.environ.get(ref.name)
    if secret is None:
        raise SecretError(f"{ref}: the environment has no such variable", remedy=_remedy(ref))
    return secret


def _text(ref: SecretRef, raw: bytes) -> str:
    try:
        return without_line_end(raw.decode())
    except UnicodeDecodeError:
        # Without the cause, because that contains the octets of the secret.
        raise SecretError(f"{ref}: the secret is not UTF-8 text", remedy=_remedy(ref)) from None


def _remedy(ref: SecretRef) -> str:
    match ref.scheme:
        case "keyring":
            return invocation.command("secret", "set", ref.name)
        case "file":
            return f"put only the secret into {ref.name}, owned by the service's user, with mode 0600"
        case "credential":
            return loading(ref.name)
        case "env":
            return f"set {ref.name} in the environment of the service"


_LOOK_UPS: Mapping[Scheme, _LookUp] = {
    "file": _from_file,
    "credential": _from_systemd,
    "env": _from_environment,
}
