"""What `poll` shows while it runs; its outcomes are specified end to end."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice_sandbox import Fault, Sandbox, Silence, mail
from support.program import PATIENCE, PROGRAM


@pytest.mark.slow
def test_a_poll_on_a_terminal_shows_its_progress_and_a_summary(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        box = sandbox.mailbox("a@acme.example", password="canary")
        for number in range(40):
            box.deliver(mail.sample(number))
        secret = tmp_path / "secret"
        secret.write_text("canary")
        secret.chmod(0o600)
        config = tmp_path / "mailsluice.toml"
        config.write_text(f"""
service.state_dir = "{tmp_path}/state"
credentials.c = {{ kind = "password", password = "file:{secret}" }}
[mailboxes.inbox]
address = "a@acme.example"
host = "localhost"
port = {sandbox.pop3_port}
ca_file = "{sandbox.ca_file}"
credential = "c"
sink = {{ kind = "spool", path = "{tmp_path}/spool" }}
""")
        halt = sandbox.faults.add(Fault("RETR", Silence(), skip=20))
        master, slave = pty.openpty()
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(
            [PROGRAM, "-c", config, "poll"], stdin=slave, stdout=slave, stderr=slave, env=environment
        ) as process:
            os.close(slave)
            shown = _read_to_end(master, lambda seen: halt.release() if b"20/40" in seen else None)
            assert process.wait(PATIENCE) == 0

    assert "inbox" in shown[: shown.index("20/40")]
    assert "outcome" in shown
    assert len(list((tmp_path / "spool").glob("*.eml"))) == 40


def _read_to_end(master: int, look: Callable[[bytes], None]) -> str:
    """Everything that appears on the terminal until the program ends; `look` is called as it comes."""
    seen = b""
    with open(master, "rb", buffering=0) as terminal:
        while True:
            try:
                some = terminal.read(65536)
            except OSError:  # EIO: nobody holds the other end any more
                break
            if not some:
                break
            seen += some
            look(seen)
    return seen.decode()
