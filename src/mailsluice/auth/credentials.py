"""The credentials: each mailbox's login, by what its section of the configuration says.

Owns which source a kind of credential has, and before which a cache stands. Must never keep a secret, and
never decide what a refusal means for a mailbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailsluice.auth.sources.command import CommandSource
from mailsluice.auth.token_cache import TokenCache
from mailsluice.clock import Clock
from mailsluice.config.models import (
    CommandCredential,
    Credential,
    EntraCredential,
    Mailbox,
    PasswordCredential,
    SecretRef,
)
from mailsluice.errors import SecretError
from mailsluice.model import BearerToken, Login, Password

if TYPE_CHECKING:
    from mailsluice.auth.sources.source import TokenSource


class Credentials:
    """Logins for every configured mailbox (the port `session.ports.Credentials`). Safe among threads.

    Sections that say the same share a token, whatever their names. Those that differ in nothing but the
    reference to the secret do not, and each asks for its own: while a secret is rotated the expired one
    must not fail the mailboxes of the new one, nor a wrong one stay unseen behind the other.

    `reader` makes what reads a secret whenever it is called. The tokens that `former` holds are gone on with
    where a section says the same as there.
    """

    def __init__(
        self,
        credentials: Mapping[str, Credential],
        reader: Callable[[SecretRef], Callable[[], str]],
        clock: Clock,
        former: Credentials | None = None,
    ) -> None:
        held = former._caches if former else {}  # noqa: SLF001  of the same class
        self._credentials = credentials
        self._passwords = {
            credential: reader(credential.password)
            for credential in credentials.values()
            if isinstance(credential, PasswordCredential)
        }
        self._caches: dict[EntraCredential, TokenCache] = {
            credential: held.get(credential)
            or TokenCache(_entra(credential, reader(credential.client_secret), clock), clock)
            for credential in credentials.values()
            if isinstance(credential, EntraCredential)
        }

    def login(self, mailbox: Mailbox) -> Login:
        """What to authenticate with. Raises SecretError, TokenRefused, TokenUnavailable."""
        credential = self._credentials[mailbox.credential]
        if isinstance(credential, PasswordCredential):
            return Password(_one_line(credential.password, self._passwords[credential]()))
        if isinstance(credential, CommandCredential):
            # Without a cache: its token cannot be kept, and the sessions of a mailbox need not wait for each
            # other.
            source = CommandSource(credential.command, mailbox.address, variables=credential.variables)
            return BearerToken(source.ask().value)
        return BearerToken(self._caches[credential].token())

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        """The server did not accept this login. Only tokens that are held here can be forgotten."""
        credential = self._credentials[mailbox.credential]
        if isinstance(credential, EntraCredential) and isinstance(login, BearerToken):
            self._caches[credential].forget(login.value)


def _entra(credential: EntraCredential, secret: Callable[[], str], clock: Clock) -> TokenSource:
    from mailsluice.auth.sources.entra import EntraSource  # noqa: PLC0415  msal and requests: for who asks Entra ID

    return EntraSource(credential, secret, clock)


def _one_line(ref: SecretRef, password: str) -> str:
    """The password, for `PASS` is a line: one with a line end in it would become another command."""
    if any(character in password for character in "\r\n\0"):
        raise SecretError(
            f"{ref}: the password has a line end in it", remedy="store the password alone, as one line"
        )
    return password
