"""The sign-ins: who signed in for a credential, and the refresh token that came of it.

Owns what is kept of a sign-in, where, and who may change it. All are in the sealed vault of the state
directory, whatever keyring the secrets have: a refresh token is replaced often, and so it needs a place that
can be written. Must never ask the identity provider.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from keyring.errors import KeyringError, PasswordDeleteError

from mailsluice import invocation
from mailsluice.auth.keyrings.seal import NotSealed
from mailsluice.auth.keyrings.vault import SealedVault, VaultError
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import SecretError, TokenUnavailable
from mailsluice.files.directory import make_with_parents
from mailsluice.files.error import FileError
from mailsluice.files.private import locked_within
from mailsluice.files.rights import is_denied

SERVICE = "mailsluice sign-in"
"""The service under which the vault knows the sign-ins. `mailsluice secret` knows another one."""

UNUSED = timedelta(days=90)
"""The life of a refresh token of Entra ID, from the moment when it was issued. Each use brings a new one."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What came of it that a person signed in.

    `account` is the name of this person at the provider. `signed_in` is when that was, and `renewed` is when
    the provider last issued the refresh token. The rest is what the refresh token is good for.
    """

    refresh_token: str = field(repr=False)
    account: str
    authority: str
    client_id: str
    scope: str
    signed_in: datetime
    renewed: datetime

    @classmethod
    def to(cls, credential: EntraCredential, account: str, refresh_token: str, now: datetime) -> Self:
        """A sign-in to this credential, now."""
        authority, client, scope = _place(credential)
        return cls(refresh_token, account, authority, client, scope, signed_in=now, renewed=now)

    @property
    def ends(self) -> datetime:
        """When the provider forgets this sign-in, unless it is used before."""
        return self.renewed + UNUSED

    def followed_by(self, refresh_token: str, now: datetime) -> Self:
        """The same sign-in with the refresh token that replaces its own."""
        return replace(self, refresh_token=refresh_token, renewed=now)

    def differs_from(self, credential: EntraCredential) -> str:
        """The keys of the section that are not as they were when the person signed in; empty if all are."""
        made_for = (self.authority, self.client_id, self.scope)
        names = ("authority", "client_id", "scope")
        both = zip(names, made_for, _place(credential), strict=True)
        return ", ".join(name for name, then, now in both if then != now)


class SignIns:
    """The sign-ins in `state_dir`, each by the name of its section. Safe among processes and threads.

    Every method raises SecretError.
    """

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir
        self._vault = SealedVault(state_dir)

    def get(self, name: str) -> SignIn | None:
        """The sign-in for `[credentials.NAME]`; None if nobody signed in."""
        with _translated(name):
            text = self._vault.get_password(SERVICE, name)
        return None if text is None else _decode(name, text)

    def made_for(self, name: str, credential: EntraCredential) -> SignIn:
        """The sign-in for this section, as the section is now."""
        sign_in = self.get(name)
        if sign_in is None:
            raise SecretError(f"credentials.{name}: nobody has signed in yet", remedy=sign_in_again(name))
        if keys := sign_in.differs_from(credential):
            raise SecretError(
                f"credentials.{name}: {sign_in.account} signed in, but for another {keys} than it has now",
                remedy=sign_in_again(name),
            )
        return sign_in

    def put(self, name: str, sign_in: SignIn) -> None:
        """Save it durably, in place of a former one. Hold the lock (`held`)."""
        with _translated(name):
            self._vault.set_password(SERVICE, name, _encode(sign_in))

    def remove(self, name: str) -> None:
        """Remove it durably. Hold the lock (`held`). Raises SecretError if there is none, too."""
        with _translated(name):
            self._vault.delete_password(SERVICE, name)

    def names(self) -> list[str]:
        """The names of the sections for which somebody has signed in, also of sections that are gone."""
        with _translated("*"):
            return self._vault.names(SERVICE)

    def prove_writable(self, name: str) -> None:
        """Find out whether `put` could save. A provider may take back what we asked for and did not save."""
        with _translated(name):
            self._vault.prove_writable()

    @contextmanager
    def held(self, name: str, seconds: float) -> Iterator[None]:
        """Be the only one, of all threads and processes, who asks with this sign-in, or changes it.

        A provider that takes refresh tokens seriously revokes the whole sign-in if it sees one twice
        (RFC 9700 §4.14.2). Raises TokenUnavailable if another one still holds it after so many seconds.
        """
        with _translated(name):
            make_with_parents(self._directory)
            lock = locked_within(self._directory / f"sign-in.{name}.lock", seconds)
        if lock is None:
            raise TokenUnavailable(
                f"credentials.{name}: another thread or process has been asking for a token, or signing in, "
                "for too long",
                remedy="it is tried again; if this stays, look for a mailsluice that hangs",
            )
        with lock:
            yield


def sign_in_again(name: str, *options: str) -> str:
    """What to do if the sign-in for `[credentials.NAME]` is missing, or of no use any more."""
    return f"sign in: `{invocation.command('login', name, *options)}`"


@contextmanager
def _translated(name: str) -> Iterator[None]:
    where = f"the sign-in of credentials.{name}"
    try:
        yield
    except VaultError as exc:
        denied = isinstance(exc.__cause__, OSError) and is_denied(exc.__cause__)
        if isinstance(exc.__cause__, NotSealed):
            remedy = f"find out who changed the file; then {sign_in_again(name)}"
            raise SecretError(f"{where}: {exc}", remedy=remedy) from exc
        raise SecretError(f"{where}: {exc}", remedy=exc.remedy, denied=denied) from exc
    except FileError as exc:
        raise SecretError(f"{where}: {exc}", remedy=exc.remedy, denied=is_denied(exc)) from exc
    except PasswordDeleteError as exc:
        raise SecretError(f"credentials.{name}: nobody has signed in") from exc
    except KeyringError as exc:
        raise SecretError(f"{where}: the keyring failed: {exc}") from exc


def _place(credential: EntraCredential) -> tuple[str, str, str]:
    """What a refresh token is good for. A credential of a person always has a client."""
    return credential.authority, credential.client_id or "", credential.scope


_TEXTS = ("refresh_token", "account", "authority", "client_id", "scope")
_MOMENTS = ("signed_in", "renewed")


def _encode(sign_in: SignIn) -> str:
    texts = {key: getattr(sign_in, key) for key in _TEXTS}
    return json.dumps(texts | {key: getattr(sign_in, key).isoformat() for key in _MOMENTS})


def _decode(name: str, text: str) -> SignIn:
    try:
        fields: dict[str, Any] = json.loads(text)
        signed_in, renewed = (datetime.fromisoformat(fields[key]).astimezone(UTC) for key in _MOMENTS)
        token, account, authority, client, scope = (_text(fields[key]) for key in _TEXTS)
        return SignIn(token, account, authority, client, scope, signed_in, renewed)
    except (ValueError, KeyError, TypeError):
        # Without the cause: it may contain the refresh token.
        raise SecretError(
            f"the sign-in of credentials.{name} was written by another version of mailsluice",
            remedy=f"use that version, or {sign_in_again(name)}",
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
