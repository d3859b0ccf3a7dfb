"""The real program against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailsluice_sandbox import Sandbox
from support.waiting import wait_until

__all__ = ["Site", "wait_until"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@dataclass
class Site:
    """One installation: its configuration file, its sinks, its state."""

    folder: Path
    sandbox: Sandbox

    @property
    def config(self) -> Path:
        return self.folder / "mailsluice.toml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def spool(self, name: str) -> Path:
        return self.folder / name

    def stored(self, name: str) -> list[bytes]:
        """The messages in a mailbox's spool, in the order of their names."""
        return [path.read_bytes() for path in sorted(self.spool(name).glob("*.eml"))]

    def configure(self, *mailboxes: str, **keys: str) -> None:
        """Write a configuration with these mailboxes; `keys` are TOML values for all of them."""
        secret = self.folder / "secret"
        secret.write_text(self.sandbox.client_secret)
        secret.chmod(0o600)
        defaults = {
            "credential": '"entra"',
            "host": f'"{self.sandbox.host}"',
            "port": str(self.sandbox.pop3_port),
            "ca_file": f'"{self.sandbox.ca_file}"',
            "every": '"1s"',
            **keys,
        }
        self.config.write_text(
            f"""
[service]
state_dir = "{self.folder}/state"
[credentials.entra]
kind = "entra"
tenant_id = "{self.sandbox.tenant_id}"
client_id = "{self.sandbox.client_id}"
client_secret = "file:{secret}"
authority = "{self.sandbox.authority}"
ca_file = "{self.sandbox.ca_file}"
[defaults]
"""
            + "".join(f"{key} = {value}\n" for key, value in defaults.items())
            + "".join(
                f'[mailboxes.{name}]\naddress = "{name}@acme.example"\n'
                f'sink = {{ kind = "spool", path = "{self.spool(name)}" }}\n'
                for name in mailboxes
            )
        )


@pytest.fixture
def site(tmp_path: Path, sandbox: Sandbox) -> Site:
    return Site(tmp_path, sandbox)
