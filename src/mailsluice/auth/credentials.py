"""The credentials: each mailbox's login, as the configuration says.

Owns which source each kind of credential has, which sources have a cache, and which caches a file. Must never
keep a secret, and never decide what a refusal means for a mailbox.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.command import CommandSource
from mailsluice.auth.sources.late import LateSource
from mailsluice.auth.sources.means import Means, NoteEnd, unnoted
from mailsluice.auth.sources.source import LONGEST
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.auth.tokens.file import SAID, TokenFile, token_name
from mailsluice.auth.tokens.said import SaidToday
from mailsluice.clock import Clock
from mailsluice.config.credentials import CommandCredential, Credential, EntraCredential, PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError, TokenError
from mailsluice.model import BearerToken, Login, Password
from mailsluice.net.proxy import FindRoute, no_proxy


class Credentials:
    """Logins for every configured mailbox (the port `session.ports.Credentials`). Safe among threads.

    Sections with the same content share a token, whatever their names. But where people sign in, each section
    has tokens of its own: another person may have signed in for it. Sections that differ only in the
    reference to the secret do not share one. While a secret is rotated, an expired one must not fail the
    mailboxes of the new one, and a wrong one must not go unnoticed because another one works.

    `secrets` are read each time they are needed. `find_route` is asked for each request of a token. Tokens of
    `former` are used on for sections with the same content. Tokens are kept in `state_dir` for other
    processes; None: in memory alone. No request for a token lasts more than `longest` seconds.
    """

    def __init__(
        self,
        credentials: Mapping[str, Credential],
        secrets: Secrets,
        clock: Clock,
        former: Credentials | None = None,
        *,
        state_dir: Path | None = None,
        find_route: FindRoute = no_proxy,
        note_end: NoteEnd = unnoted,
        longest: float = LONGEST,
    ) -> None:
        self._credentials = credentials
        self._passwords = {
            credential: secrets.reader(credential.password)
            for credential in credentials.values()
            if isinstance(credential, PasswordCredential)
        }
        means = Means(secrets, clock, find_route, note_end, longest)
        said = SaidToday(state_dir / SAID, clock) if state_dir else None
        self._names: dict[str, str] = {}  # of tokens, by section
        self._sources: dict[str, LateSource] = {}
        self._caches: dict[str, TokenCache] = {}
        for section, credential in credentials.items():
            if not isinstance(credential, EntraCredential):
                continue
            self._names[section] = name = token_name(section, credential)
            if name in self._caches:
                continue
            if former and name in former._caches:  # noqa: SLF001  of the same class
                self._caches[name], self._sources[name] = former._caches[name], former._sources[name]  # noqa: SLF001
                continue
            self._sources[name] = source = LateSource(section, credential, means)
            file = TokenFile(state_dir, name, said, clock) if state_dir and said else None
            self._caches[name] = TokenCache(source, clock, file=file)

    def prepare(self) -> None:
        """Make every source now, and load all that asking for a token needs.

        For a process that goes on while its files are upgraded: a later import would find other files. Raises
        SecretError.
        """
        for source in self._sources.values():
            source.made  # noqa: B018  it is made
        if self._sources:
            import mailsluice.auth.keyrings.seal  # noqa: F401, PLC0415  cryptography: only for kept tokens

    def foresee(self, mailboxes: Iterable[Mailbox]) -> None:
        """Make the sources that these mailboxes will have to ask, while nothing else goes on.

        In the middle of many polls an import could fail, if there is no free descriptor. What is wrong with a
        source each poll says for itself.
        """
        for name in {self._names[box.credential] for box in mailboxes if box.credential in self._names}:
            if not self._caches[name].is_at_hand():
                with suppress(SecretError):
                    self._sources[name].made  # noqa: B018  it is made

    def login(self, mailbox: Mailbox) -> Login:
        """What to authenticate with. Raises SecretError, TokenRefused, TokenUnavailable, TokenBarred."""
        credential = self._credentials[mailbox.credential]
        if isinstance(credential, PasswordCredential):
            return Password(_one_line(credential.password, self._passwords[credential]()))
        if isinstance(credential, CommandCredential):
            # It has no cache: nobody says how long its token lives, and sessions would wait for each other.
            source = CommandSource(credential.command, mailbox.address, variables=credential.variables)
            return BearerToken(source.ask().value)
        try:
            return BearerToken(self._caches[self._names[mailbox.credential]].token())
        except TokenError as error:
            raise _in_section(mailbox.credential, error) from error

    def accepted(self, mailbox: Mailbox, login: Login) -> None:
        """Note that the server let the mailbox in with this login. Only tokens from a cache remember it."""
        name = self._names.get(mailbox.credential)
        if name and isinstance(login, BearerToken):
            self._caches[name].accepted(login.value)

    def refused(self, mailbox: Mailbox, login: Login) -> None:
        """Note that the server did not accept this login. Only tokens from a cache can be dropped."""
        name = self._names.get(mailbox.credential)
        if name and isinstance(login, BearerToken):
            self._caches[name].refused(login.value)

    def renewed(self, sections: Collection[str]) -> None:
        """Note that the secrets of these sections were renewed: former refusals count no longer."""
        for section in sections:
            credential = self._credentials.get(section)
            if isinstance(credential, EntraCredential):
                cache = self._caches[self._names[section]]
                cache.forget_refusal()
                if credential.way.is_delegated:  # perhaps another person has signed in
                    cache.forget_token()


def _in_section(name: str, error: TokenError) -> TokenError:
    """The same error, which names the section: several may have the same application and tenant."""
    section = f"credentials.{name}: "
    told = str(error)
    return error.worded(told if told.startswith(section) else section + told)


def _one_line(ref: SecretRef, password: str) -> str:
    """The password, if it is one line: after a line end, the rest of it would be another command.

    Raises SecretError.
    """
    if any(character in password for character in "\r\n\0"):
        raise SecretError(
            f"{ref}: the password has a line end in it", remedy="store the password alone, as one line"
        )
    return password
