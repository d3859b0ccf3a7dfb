from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.system.signals import Signals
from mailsluice_sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Config:
    secret = tmp_path / "secret"
    secret.write_text(sandbox.client_secret)
    secret.chmod(0o600)
    file = tmp_path / "mailsluice.toml"
    file.write_text(f"""
service.state_dir = "{tmp_path}/state"
[credentials.entra]
kind = "entra"
tenant_id = "{sandbox.tenant_id}"
client_id = "{sandbox.client_id}"
client_secret = "file:{secret}"
authority = "{sandbox.authority}"
ca_file = "{sandbox.ca_file}"
[mailboxes.a]
address = "a@acme.example"
credential = "entra"
host = "localhost"
port = {sandbox.pop3_port}
ca_file = "{sandbox.ca_file}"
every = "1s"
sink = {{ kind = "spool", path = "{tmp_path}/spool" }}
""")
    return load(file)


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield Signals()
    for number, handler in before.items():
        signal.signal(number, handler)
