"""An installation of several tenants, each a credential with mailboxes of its own."""

from __future__ import annotations

from pathlib import Path

from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice_sandbox import Sandbox
from support.secrecy import CANARY


class Tenants:
    """Written into `folder`, one by one. Mailboxes are called `TENANT-NUMBER`, with one password for all."""

    password = f"{CANARY}-of-all-mailboxes"

    def __init__(self, folder: Path, *, max_sessions: int = 16) -> None:
        self._folder = folder
        self._toml = f'service = {{ state_dir = "{folder}/state", max_sessions = {max_sessions} }}\n'
        secret = folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o600)

    def add(self, tenant: str, mailboxes: int, *, every: str, sandbox: Sandbox | None = None) -> list[str]:
        """A tenant with so many mailboxes, in this sandbox if they are to be met; their names."""
        self._toml += f'[credentials.{tenant}]\nkind = "password"\npassword = "file:{self._folder}/secret"\n'
        names = [f"{tenant}-{number}" for number in range(mailboxes)]
        for name in names:
            self._toml += f'[mailboxes.{name}]\naddress = "{name}@acme.example"\ncredential = "{tenant}"\n'
            self._toml += f'host = "localhost"\nevery = "{every}"\n'
            self._toml += f'sink = {{ kind = "spool", path = "{self._folder}/{name}" }}\n'
            if sandbox is not None:
                sandbox.mailbox(f"{name}@acme.example", self.password)
                self._toml += f'port = {sandbox.pop3_port}\nca_file = "{sandbox.ca_file}"\n'
        return names

    def config(self) -> Config:
        """The configuration of all of them."""
        file = self._folder / "mailsluice.toml"
        file.write_text(self._toml)
        return load(file)
