"""`mailsluice login`: a person signs in, so that mailsluice may open their mailboxes.

Owns what the person is told. Must never show a token, nor a code that is not for the person.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from mailsluice.auth.expiries import Expiries
from mailsluice.auth.proxies import Proxies
from mailsluice.auth.renewal import renewed
from mailsluice.auth.secrets import secrets_of
from mailsluice.auth.signing.sign_in import DeviceCode, Signing
from mailsluice.auth.signing.sign_ins import UNUSED, SignIn, SignIns
from mailsluice.auth.sources.means import Means
from mailsluice.auth.sources.ways import http_for
from mailsluice.auth.tokens.file import remove_token, token_name
from mailsluice.cli.main import Settings
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.config.models import Config
from mailsluice.errors import ConfigurationError, SecretError
from mailsluice.net.trials import Trials
from mailsluice.obs.clean import printable

_PATIENCE = 90.0
"""Seconds to wait for a poll that asks for a token at this moment. It gives up sooner."""


@click.command()
@click.argument("credential")
@click.option("--browser", is_flag=True, help="Sign in with a browser on this machine, not with a code.")
@click.option("--forget", is_flag=True, help="Remove the sign-in from this machine instead.")
@click.pass_obj
def command(settings: Settings, credential: str, *, browser: bool, forget: bool) -> None:
    """Sign in for the section [credentials.CREDENTIAL], which has a flow of device-code or browser.

    A daemon that runs uses the new sign-in by itself.
    """
    config = settings.config()
    if forget:
        _forget(config, credential)
    else:
        _sign_in(config, credential, browser=browser)


def _sign_in(config: Config, credential: str, *, browser: bool) -> None:
    clock, section = SystemClock(), _delegated(config, credential)
    secrets = secrets_of(config)
    sign_ins = SignIns(config.service.state_dir)
    sign_ins.prove_writable(credential)  # before the person: what cannot be saved is not asked for
    means = Means(secrets, clock, Proxies(config, secrets, Trials(clock)).to_provider)
    signing = Signing(credential, section, http_for(section, means), clock)
    by_browser = browser or section.way is Way.BROWSER
    # Without https://, or it would look like the address to open.
    click.echo(f"Asking {section.authority.removeprefix('https://')} …", err=True)
    sign_in = (signing.by_browser if by_browser else signing.by_device_code)(_Terminal())
    with sign_ins.held(credential, _PATIENCE):
        former = _former(sign_ins, credential)
        sign_ins.put(credential, sign_in)
    _drop_token(config, credential)
    Expiries(config.service.state_dir, clock).note(credential, section, sign_in.ends)
    _tell(credential, sign_in, former)


def _forget(config: Config, name: str) -> None:
    """Remove the sign-in and its token. The section may be gone, or need no login any more."""
    sign_ins = SignIns(config.service.state_dir)
    with sign_ins.held(name, _PATIENCE):
        sign_ins.remove(name)
    _drop_token(config, name)
    click.echo(
        printable(f"The sign-in for credentials.{name} is removed from this machine, not from backups")
    )
    click.echo("To end it everywhere, let an administrator revoke the person's sessions in Entra ID")


def _drop_token(config: Config, name: str) -> None:
    """Let nobody use the token of the sign-in before: neither other processes, nor a running daemon."""
    section = config.credentials.get(name)
    if isinstance(section, EntraCredential):
        remove_token(config.service.state_dir, token_name(name, section))
    with suppress(OSError):  # a running daemon then notices it within a quarter of an hour
        renewed(config.service.state_dir, f"credentials.{name}")


def _delegated(config: Config, name: str) -> EntraCredential:
    """The section of that name, which a person can sign in for."""
    section = config.credentials.get(name)
    if section is None:
        known = ", ".join(config.credentials) or "none"
        raise click.UsageError(f"no credential {name!r}; there are: {known}")
    if isinstance(section, EntraCredential) and section.way.is_delegated:
        return section
    how = section.way.value if isinstance(section, EntraCredential) else f'kind = "{section.kind}"'
    raise ConfigurationError(
        [f"credentials.{name}: it has {how}, and so it needs no login"],
        remedy=f'to sign in as a person, write flow = "device-code" into [credentials.{name}] instead',
    )


def _former(sign_ins: SignIns, name: str) -> SignIn | None:
    """The sign-in that was there; None if there was none, or if it cannot be read: it is replaced anyway."""
    with suppress(SecretError):
        return sign_ins.get(name)
    return None


def _tell(name: str, sign_in: SignIn, former: SignIn | None) -> None:
    click.echo(printable(f"{sign_in.account} is signed in for credentials.{name}"))
    if former is not None and former.account != sign_in.account:
        click.echo(printable(f"Before, it was {former.account}"))
    click.echo(
        f"It stays so as long as mail is polled. Without a poll for {UNUSED.days} days, it ends: "
        f"now that would be on {sign_in.ends:%Y-%m-%d}"
    )


class _Terminal:
    """The person who called the command."""

    def enter(self, code: DeviceCode) -> None:
        """Tell the person where to enter which code."""
        click.echo(
            f"To sign in, open {code.address} in a browser, on any device, and enter the code {code.code}"
        )
        click.echo(f"The code is good for {code.seconds / 60:.0f} minutes. Waiting; Ctrl-C ends it.")
        sys.stdout.flush()

    def open(self, address: str, port: int) -> None:
        """Tell the person to open this address, and open it if this is a desktop."""
        click.echo(f"To sign in, open this address in a browser on this machine:\n\n{address}\n")
        click.echo(f"With a browser on another machine, first run there: ssh -L {port}:localhost:{port} HOST")
        click.echo("Waiting; Ctrl-C ends it.")
        sys.stdout.flush()
        if sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            import webbrowser  # noqa: PLC0415  only a desktop has one

            webbrowser.open(address)
