"""The credentials: each mailbox's login, as the configuration says.

Owns which source each kind of credential has, and which sources have a cache. Must never keep a secret, and
never decide what a refusal means for a mailbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.command import CommandSource
from mailsluice.auth.token_cache import TokenCache
from mailsluice.clock import Clock
from mailsluice.config.credentials import CommandCredential, Credential, EntraCredential, PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from mailsluice.model import BearerToken, Login, Password

if TYPE_CHECKING:
    from mailsluice.auth.sources.source import TokenSource


class Credentials:
    """Logins for every configured mailbox (the port `session.ports.Credentials`). Safe among threads.

    Sections with the same content share a token, whatever their names. Sections that differ only in the
    reference to the secret do not share one. While a secret is rotated, an expired one must not fail the
    mailboxes of the new one, and a wrong one must not go unnoticed because another one works.

    `secrets` are read each time they are needed. Tokens of `former` are used on for sections with the same
    content.
    """

    def __init__(
        self,
        credentials: Mapping[str, Credential],
        secrets: Secrets,
        clock: Clock,
        former: Credentials | None = None,
    ) -> None:
        held = former._caches if former else {}  # noqa: SLF001  of the same class
        self._credentials = credentials
        self._passwords = {
            credential: secrets.reader(credential.password)
            for credential in credentials.values()
            if isinstance(credential, PasswordCredential)
        }
        self._caches: dict[EntraCredential, TokenCache] = {
            credential: held.get(credential) or TokenCache(_entra(name, credential, secrets, clock), clock)
            for name, credential in credentials.items()
            if isinstance(credential, EntraCredential)
        }

    def login(self, mailbox: Mailbox) -> Login:
        """What to authenticate with. Raises SecretError, TokenRefused, TokenUnavailable."""
        credential = self._credentials[mailbox.credential]
        if isinstance(credential, PasswordCredential):
            return Password(_one_line(credential.password, self._passwords[credential]()))
        if isinstance(credential, CommandCredential):
            # It has no cache: nobody says how long its token lives, and sessions would wait for each other.
            source = CommandSource(credential.command, mailbox.address, variables=credential.variables)
            return BearerToken(source.ask().value)
        return BearerToken(self._caches[credential].token())

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        """Note that the server did not accept this login. Only tokens from a cache can be forgotten."""
        credential = self._credentials[mailbox.credential]
        if isinstance(credential, EntraCredential) and isinstance(login, BearerToken):
            self._caches[credential].forget(login.value)


def _entra(name: str, credential: EntraCredential, secrets: Secrets, clock: Clock) -> TokenSource:
    from mailsluice.auth.sources.ways import Means, entra_source  # noqa: PLC0415  msal: only for Entra ID

    return entra_source(name, credential, Means(secrets, clock))


def _one_line(ref: SecretRef, password: str) -> str:
    """The password, if it is one line: after a line end, the rest of it would be another command.

    Raises SecretError.
    """
    if any(character in password for character in "\r\n\0"):
        raise SecretError(
            f"{ref}: the password has a line end in it", remedy="store the password alone, as one line"
        )
    return password
