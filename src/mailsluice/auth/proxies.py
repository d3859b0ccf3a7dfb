"""The proxies: on which route each server is reached, as the configuration says.

Owns whose setting counts, and what the environment's variables mean where the configuration says so. Must
never connect, and never keep a password of the configuration: it is read for each connection, so that a
renewed one counts at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from mailsluice import invocation
from mailsluice.auth.secrets import Secrets
from mailsluice.config.models import Config, Mailbox
from mailsluice.config.proxy import ProxyAddress, parse_address
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from mailsluice.net.proxy import DIRECT, Barred, Direct, Proxy, Route, bracketed
from mailsluice.net.trials import Trials

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""In the order in which they count; the name in small letters first, as everywhere."""

_NAME = "proxy"
"""What messages call a password that nobody has stored yet."""

_FindRoute = Callable[[str, int], Route]


class Proxies:
    """The routes of one configuration. Safe among threads.

    `trials` is of the process, so that a reload forgets none. Making it raises SecretError if a keyring
    cannot be used. A route tells of a wrong variable (`Barred`).
    """

    def __init__(self, config: Config, secrets: Secrets, trials: Trials) -> None:
        service = config.service
        self._service = _finder("service", service.proxy, service.proxy_password, secrets, trials)
        self._mailboxes = {
            name: _finder(f"mailboxes.{name}", mailbox.proxy, mailbox.proxy_password, secrets, trials)
            for name, mailbox in config.mailboxes.items()
            if mailbox.proxy is not None
        }

    def to_provider(self, host: str, port: int) -> Route:
        """The route to an identity provider. Its tokens are for many mailboxes: it is the service's."""
        return self._service(host, port)

    def to_server(self, mailbox: Mailbox) -> Route:
        """The route to this mailbox's server: its own, or else the service's."""
        return self._mailboxes.get(mailbox.name, self._service)(mailbox.host, mailbox.port)


def _finder(
    section: str, setting: ProxyAddress | str, password: SecretRef | None, secrets: Secrets, trials: Trials
) -> _FindRoute:
    if isinstance(setting, ProxyAddress):
        return partial(_always, _configured(section, setting, password, secrets, trials))
    return partial(_by_environment, trials) if setting == "environment" else _direct


def _always(route: Route, _host: str, _port: int) -> Route:
    return route


def _configured(
    section: str, at: ProxyAddress, ref: SecretRef | None, secrets: Secrets, trials: Trials
) -> Proxy:
    if ref is None:
        # Not as a URL: the log takes whatever stands there before `@` for a secret.
        access = (
            f"write USER@ before the host in {section}.proxy, and beside it "
            f'proxy_password = "keyring:{_NAME}"; then {invocation.command("secret", "set", _NAME)}'
        )
        return Proxy(at.host, at.port, f"{section}.proxy", access)
    access = f"check the user in {section}.proxy, and the password in {ref}"
    if ref.scheme == "keyring":
        access += f"; to store another one: {invocation.command('secret', 'set', ref.name)}"
    password = partial(_one_line, ref, secrets.reader(ref))
    return Proxy(at.host, at.port, f"{section}.proxy", access, at.user, password, trials)


def _one_line(ref: SecretRef, read: Callable[[], str]) -> str:
    """The password. Raises SecretError also if it has characters that RFC 7617 §2 does not allow."""
    password = read()
    if any(character < " " or character == "\x7f" for character in password):
        raise SecretError(
            f"{ref}: the proxy's password has a line end or another control character in it",
            remedy="store the password alone, as one line",
        )
    return password


def _direct(_host: str, _port: int) -> Route:
    if unused := _variable():
        return Direct(f'{unused} is set, but used only with `proxy = "environment"` in [service]')
    return DIRECT


def _by_environment(trials: Trials, host: str, port: int) -> Route:
    """The route that the environment's variables name (urllib.request reads them as most programs do)."""
    import urllib.request as library  # noqa: PLC0415  only where the configuration says so

    proxies = library.getproxies_environment()
    address = proxies.get("https") or proxies.get("all")
    # The port, too: NO_PROXY may have one.
    if not address or library.proxy_bypass_environment(f"{bracketed(host)}:{port}", proxies):  # type: ignore[attr-defined]
        return DIRECT
    name = f"{_variable()} in the environment"
    try:
        at = parse_address(address)
    except ValueError as exc:
        return Barred(f"{name} {exc}", remedy="correct it, or write the proxy's address into service.proxy")
    access = "write the right user and password into it, before the host"
    password = None if not at.user else lambda: at.password or ""
    return Proxy(at.host, at.port, name, access, at.user, password, trials)


def _variable() -> str:
    """The variable that names a proxy for our connections; empty if there is none."""
    return next((name for name in _VARIABLES if os.environ.get(name)), "")
