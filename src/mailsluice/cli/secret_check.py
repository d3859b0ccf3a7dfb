"""`mailsluice secret check`: whether every secret that the configuration refers to can be read.

Owns how the result is shown. It reads as the daemon does, so it refuses to judge for another user. Must never
print a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import click

from mailsluice import invocation
from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.signing.sign_ins import SignIns
from mailsluice.checking.secrets import secret_warnings, sign_in_warnings
from mailsluice.cli.choice import as_the_daemon
from mailsluice.cli.main import Settings
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Config
from mailsluice.config.references import Reference, references
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from mailsluice.obs.clean import json_text, printable
from mailsluice.outcome import ExitCode


@dataclass(frozen=True, slots=True)
class Finding:
    """How it went with one secret, or with the keyring: `problem` and `remedy` are empty if it works."""

    subject: str
    used_by: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it works."""
        return not self.problem


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def check(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> None:
    """Read every secret that the configuration refers to, as the daemon would; or those named NAME.

    A NAME is one of `secret list`, or a whole reference such as file:/PATH. Without a NAME, the sign-ins of
    people are read, too. Ends with 78 if one fails.
    """
    config = settings.config()
    as_the_daemon(config.service.state_dir)
    keyring = _keyring(config)
    found = [_read(config, ref, uses) for ref, uses in _chosen(config, names).items()]
    found += () if names else _sign_ins(config)
    if as_json:
        click.echo(json_text(_as_json(config, keyring, found)))
    else:
        for finding in (keyring, *found):
            _show(finding)
    if not all(finding.ok for finding in (keyring, *found)):
        raise click.exceptions.Exit(ExitCode.CONFIGURATION)


def _chosen(config: Config, names: Collection[str]) -> dict[SecretRef, list[Reference]]:
    """The secrets to read, and where each is used."""
    chosen: dict[SecretRef, list[Reference]] = {}
    for reference in references(config):
        if not names or {str(reference.ref), reference.ref.name} & set(names):
            chosen.setdefault(reference.ref, []).append(reference)
    for name in names:
        if not any(name in {str(ref), ref.name} for ref in chosen):
            raise click.UsageError(f"the configuration refers to no secret of the name {printable(name)}")
    return chosen


def _read(config: Config, ref: SecretRef, uses: list[Reference]) -> Finding:
    used_by = tuple(map(str, uses))
    try:
        warnings = tuple(secret_warnings(config, ref, uses))
    except SecretError as error:
        return Finding(str(ref), used_by, str(error), error.remedy)
    return Finding(str(ref), used_by, warnings=warnings)


def _sign_ins(config: Config) -> Iterator[Finding]:
    """How it is with the sign-ins of people, also with those of sections that are gone."""
    sign_ins = SignIns(config.service.state_dir)
    used: set[str] = set()
    for name, credential in config.credentials.items():
        if not isinstance(credential, EntraCredential) or not credential.way.is_delegated:
            continue
        used.add(name)
        where = (f"credentials.{name}",)
        try:
            account, warnings = sign_in_warnings(name, credential, config.service.state_dir)
        except SecretError as error:
            yield Finding("sign-in", where, str(error), error.remedy)
        else:
            yield Finding(f"sign-in of {account}", where, warnings=warnings)
    with suppress(SecretError):  # the keyring's own line has said it
        for name in sorted(set(sign_ins.names()) - used):
            forget = invocation.command("login", name, "--forget")
            yield Finding("sign-in", (f"credentials.{name}",), warnings=(f"no section uses it: `{forget}`",))


def _keyring(config: Config) -> Finding:
    """How it is with the keyring itself: where its key is from, and whether it passes its self-test."""
    keyring = Keyring(config.service.state_dir, config.keyring.backend)
    subject = f"keyring ({config.keyring.backend})"
    try:
        keyring.test()
        key = keyring.key()
    except SecretError as error:
        return Finding(subject, (), str(error), error.remedy)
    where = f"the key of sealed files is {key.origin} ({key.id})" if key else "there is no key yet"
    return Finding(f"{subject}: {where}")


def _as_json(config: Config, keyring: Finding, found: list[Finding]) -> dict[str, Any]:
    def plain(finding: Finding) -> dict[str, Any]:
        return asdict(finding) | {"ok": finding.ok}

    return {"backend": config.keyring.backend, "keyring": plain(keyring), "secrets": list(map(plain, found))}


def _show(finding: Finding) -> None:
    for line in _lines(finding):
        click.echo(printable(line))


def _lines(finding: Finding) -> Iterator[str]:
    uses = f" ({', '.join(finding.used_by)})" if finding.used_by else ""
    yield f"{finding.subject}{uses}: {finding.problem or 'ok'}"
    if finding.remedy:
        yield f"  {finding.remedy}"
    for warning in finding.warnings:
        yield f"  warning: {warning}"
