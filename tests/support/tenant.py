"""A tenant as an administrator has configured it, and `mailsluice check` of it in this process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mailsluice import invocation
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.checking.means import DEADLINES, TOKEN_WAIT, Means
from mailsluice.cli.main import main
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice_sandbox import Sandbox, SandboxMailbox
from support.secrecy import CANARY

PERSON = "ann@acme.example"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    stdout: str
    stderr: str = ""

    @property
    def conclusion(self) -> list[str]:
        """What `check` prints after its steps: the lines that are not empty."""
        _, _, after = self.stdout.partition("\n\n")
        return [line for line in after.splitlines() if line]

    @property
    def json(self) -> Any:
        """What was printed with `--json`."""
        return json.loads(self.stdout)


class Tenant:
    """The tenant of a sandbox, configured in `folder`. Its keys may be changed at any time; see `credential`.

    It has two mailboxes, `invoices` and `scans`, unless others are named. Beside it another tenant is configured, `other`, with one
    mailbox, `far`. None of its values may be told about this one. It is no real one, unless it is `neighbour`.
    """

    others = ("11111111-aaaa-4aaa-8aaa-111111111111", "22222222-bbbb-4bbb-8bbb-222222222222", "other.example")

    def __init__(self, folder: Path, sandbox: Sandbox, *names: str) -> None:
        self.folder = folder
        self.names = names or ("invoices", "scans")
        self.sandbox = sandbox
        self.boxes = {name: sandbox.mailbox(f"{name}@acme.example") for name in self.names}
        self.addresses = {name: f"{name}@acme.example" for name in self.names}
        self.credential = {
            "kind": "entra",
            "tenant_id": sandbox.tenant_id,
            "client_id": sandbox.client_id,
            "client_secret": self.file("secret", sandbox.client_secret),
            "authority": sandbox.authority,
            "ca_file": str(sandbox.ca_file),
        }
        self.mailbox: dict[str, str | int] = {
            "credential": "acme",
            "host": "localhost",
            "port": sandbox.pop3_port,
            "ca_file": str(sandbox.ca_file),
        }
        self.service = {"state_dir": f"{folder}/state"}
        self.neighbour: Tenant | None = None

    @property
    def config(self) -> Path:
        return self.folder / "mailsluice.toml"

    @property
    def box(self) -> SandboxMailbox:
        """The mailbox that a test breaks: `invoices`."""
        return self.boxes["invoices"]

    def file(self, name: str, octets: bytes | str) -> str:
        """The reference to a private file with this content."""
        path = self.folder / name
        path.write_bytes(octets.encode() if isinstance(octets, str) else octets)
        path.chmod(0o600)
        return f"file:{path}"

    def prove_by_certificate(self, octets: bytes) -> None:
        """Configure a certificate instead of the client secret."""
        del self.credential["client_secret"]
        self.credential["certificate"] = self.file("certificate", octets)

    def sign_in(self, person: str = PERSON) -> None:
        """Configure a person's sign-in instead of the client secret, and let this person have signed in."""
        del self.credential["client_secret"]
        self.credential["flow"] = "device-code"
        self.write()
        section = load(self.config).credentials["acme"]
        assert isinstance(section, EntraCredential)
        refresh_token = self.sandbox.sign_ins.sign_in(person)
        sign_in = SignIn.to(section, person, refresh_token, datetime.now(UTC))
        SignIns(Path(self.service["state_dir"])).put("acme", sign_in)

    def write(self) -> None:
        """Write the configuration as it is now."""
        tenant, client, domain = self.others
        far: dict[str, Any] = {"credential": "other", "address": f"far@{domain}", "sink": self._sink("far")}
        other: dict[str, Any] = {
            "kind": "entra",
            "tenant_id": tenant,
            "client_id": client,
            "client_secret": self.file("other-secret", f"{CANARY}-of-another"),
        }
        if self.neighbour:
            other = self.neighbour.credential | {
                "client_secret": self.file("other-secret", self.neighbour.sandbox.client_secret)
            }
            far |= self.neighbour.mailbox | {"credential": "other"}
        sections: dict[str, dict[str, Any]] = {
            "service": self.service,
            "credentials.acme": self.credential,
            "credentials.other": other,
            "defaults": self.mailbox,
        }
        for name in self.names:
            sections[f"mailboxes.{name}"] = {"address": self.addresses[name], "sink": self._sink(name)}
        sections["mailboxes.far"] = far
        lines = []
        for title, keys in sections.items():
            lines.append(f"[{title}]")
            lines += [f"{key} = {_toml(value)}" for key, value in keys.items()]
        self.config.write_text("\n".join(lines))
        self.config.chmod(0o600)

    def check(self, *arguments: str) -> Ended:
        """Run `mailsluice check` for the mailboxes of this tenant, unless others are named."""
        self.write()
        named = [word for word in arguments if not word.startswith("-")]
        return ended("-c", str(self.config), "check", *arguments, *([] if named else self.names))

    def poll(self, *names: str) -> Ended:
        """Run `mailsluice poll`, so that there is a past."""
        self.write()
        return ended("-c", str(self.config), "poll", *(names or self.names))

    def _sink(self, name: str) -> dict[str, str]:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return {"kind": "spool", "path": str(folder)}


class OffClock(SystemClock):
    """The sandbox's clock, if this machine's is wrong by as much the other way."""

    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


def ended(*arguments: str) -> Ended:
    """Run the command line here. What it prints is printed again, so that the search for secrets sees it."""
    stdout, stderr = io.StringIO(), io.StringIO()
    invocation._call = invocation._Call()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            code = main(list(arguments))
        except SystemExit as done:
            code = int(done.code or 0)
    print(stdout.getvalue(), stderr.getvalue())
    return Ended(code, stdout.getvalue(), stderr.getvalue())


def shorten(monkeypatch: pytest.MonkeyPatch, *, token: float = TOKEN_WAIT, **deadlines: float) -> None:
    """Let `check` wait for less time than people have: `token`, and these of its `Deadlines`, in seconds."""
    shorter = replace(DEADLINES, **deadlines)  # type: ignore[arg-type]  # it is never for octets
    monkeypatch.setattr("mailsluice.cli.check.Means", partial(Means, deadlines=shorter))
    monkeypatch.setattr("mailsluice.cli.check.TOKEN_WAIT", token)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value)
