"""A configuration of mailboxes in a sandbox, and a check of them in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailsluice.auth.credentials import Credentials
from mailsluice.auth.proxies import Proxies
from mailsluice.auth.secrets import secrets_of
from mailsluice.checking.means import TOKEN_WAIT, Means
from mailsluice.checking.steps import Journal, Line, Step, Unwatched, Watcher
from mailsluice.cli.main import main
from mailsluice.clock import Clock, SystemClock
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.net.connections import Connections
from mailsluice.net.trials import Trials
from mailsluice_sandbox import Sandbox

DOMAIN = "acme.example"


def configured(folder: Path, sandbox: Sandbox, *names: str, secret: str = "", more: str = "") -> Path:
    """A configuration with these mailboxes, which get in by a client secret. `more` follows in their table."""
    (folder / "secret").write_text(secret or sandbox.client_secret)
    (folder / "secret").chmod(0o600)
    path = folder / "mailsluice.toml"
    text = f"""
[service]
state_dir = "{folder}/state"
[credentials.acme]
kind = "entra"
tenant_id = "{sandbox.tenant_id}"
client_id = "{sandbox.client_id}"
client_secret = "file:{folder}/secret"
authority = "{sandbox.authority}"
ca_file = "{sandbox.ca_file}"
[defaults]
credential = "acme"
host = "{sandbox.host}"
port = {sandbox.pop3_port}
ca_file = "{sandbox.ca_file}"
{more}
"""
    for name in names:
        text += f'[mailboxes.{name}]\naddress = "{name}@{DOMAIN}"\n'
        text += f'sink = {{ kind = "spool", path = "{folder}/{name}" }}\n'
        (folder / name).mkdir(exist_ok=True)
    path.write_text(text)
    return path


def loaded(folder: Path, sandbox: Sandbox, *names: str) -> Config:
    """The same, read."""
    return load(configured(folder, sandbox, *names))


def means_of(config: Config, *, clock: Clock | None = None, watcher: Watcher | None = None) -> Means:
    """What a check of this configuration works with, without a ledger."""
    clock, secrets = clock or SystemClock(), secrets_of(config)
    proxies = Proxies(config, secrets, Trials(clock))
    credentials = Credentials(
        config.credentials, secrets, clock, find_route=proxies.to_provider, longest=TOKEN_WAIT
    )
    journal = Journal(clock, watcher or Unwatched())
    return Means(config, journal, credentials, proxies, clock, Connections(), None)


def line(means: Means, step: Step) -> Line:
    """The only line of this step."""
    (found,) = [line for line in means.journal.lines if line.step is step]
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """What `mailsluice check` ended with, and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its output, parsed."""
        return dict(json.loads(self.out))


def check(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> Checked:
    """Run the command in this process."""
    code = main(["-c", str(config), "check", *arguments])
    return Checked(code, *capsys.readouterr())
