"""The demo: the real daemon polls a simulated Exchange Online, from the configuration to the proof.

Owns the steps of the demo and what they print. Must never reach into the daemon. It is a process of its own,
and gets only a configuration file and signals, as from an administrator.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mailsluice import invocation
from mailsluice_sandbox import Sandbox, SandboxMailbox, mail

DEADLINE = 60.0
"""Seconds that the whole demo may take. A slower one has failed."""

_PROGRAM = [sys.executable, "-m", "mailsluice"]


class DemoFailed(Exception):
    """The daemon did not do what the demo should show."""


@dataclass
class Actor:
    """One mailbox of the demo: its sink, and what was sent to it."""

    name: str
    mailbox: SandboxMailbox
    sink: str
    folder: Path
    leave: str
    policy: str
    sent: list[bytes] = field(default_factory=list)

    def receive(self, *messages: bytes) -> None:
        """Deliver these messages to the mailbox."""
        for message in messages:
            self.sent.append(message)
            self.mailbox.deliver(message)

    def stored(self) -> Counter[str]:
        """How often the sink has each message, by the hash of its content."""
        pattern = "*.eml" if self.sink == "spool" else "new/*"
        return Counter(_digest(path.read_bytes()) for path in self.folder.glob(pattern))

    @property
    def complete(self) -> bool:
        """Whether everything sent is in the sink."""
        return all(self.stored()[_digest(message)] for message in self.sent)


class Demo:
    """The steps of the demo. They print to `console` and leave their files in `folder`."""

    def __init__(self, folder: Path, console: Console, sandbox: Sandbox) -> None:
        self._folder = folder
        self._say = console.print
        self._sandbox = sandbox
        self._config = folder / "mailsluice.toml"
        self._ca_file = folder / "ca.pem"
        self._log = folder / "mailsluice.log"
        self._until = time.monotonic() + DEADLINE
        self._daemon: subprocess.Popen[bytes] | None = None
        self._actors = [
            self._actor("invoices", "spool", "false", "delete"),
            self._actor("scans", "maildir", "true", "keep"),
            self._actor("archive", "spool", '"30d"', "keep 30 days"),
        ]

    def _actor(self, name: str, sink: str, leave: str, policy: str) -> Actor:
        mailbox = self._sandbox.mailbox(f"{name}@acme.example")
        return Actor(name, mailbox, sink, self._folder / name, leave, policy)

    def run(self) -> None:
        """Run all steps. Raises DemoFailed if the daemon does not keep its promise."""
        invoices, scans, archive = self._actors
        self._say("A simulated Entra ID and Exchange Online now run on this machine, with three mailboxes.")
        invoices.receive(mail.umlauts(1), mail.invoice(2))
        scans.receive(mail.inline_image(3), mail.scan(4))
        archive.receive(mail.note(5), mail.invoice(6))
        self._ca_file.write_bytes(self._sandbox.ca_file.read_bytes())
        self._config.write_text(self._configuration(), encoding="utf-8")
        self._call("secret", "set", "sandbox", stdin=self._sandbox.client_secret)
        self._say(f"The configuration is {self._config}. The client secret is in the sealed keyring.\n")

        daemon = self._start()
        self._wait_for_all(daemon, "the mail that was waiting")
        self._say("[green]✓[/] The waiting mail is stored: umlauts, a PDF, an inline image, a 25 MB scan.")
        for number in range(10, 40, 3):
            invoices.receive(mail.sample(number))
            scans.receive(mail.sample(number + 1))
            archive.receive(mail.sample(number + 2))
        self._wait_for_all(daemon, "the mail that arrived while the daemon ran")
        self._say("[green]✓[/] 30 more messages arrived while the daemon ran, and are stored.")
        invoices.receive(*(mail.sample(number) for number in range(100, 400)))
        self._wait(daemon, lambda: len(invoices.stored()) > len(invoices.sent) - 300, "the first of 300")
        daemon.kill()
        daemon.wait()
        self._say(
            "[yellow]![/] The daemon was killed (SIGKILL) in the middle of 300 messages, and started again."
        )
        daemon = self._start()
        self._wait_for_all(daemon, "the rest of the 300")
        self._end(daemon)
        self._say("[green]✓[/] All 300 are stored, and SIGTERM ended the daemon cleanly.\n")
        self._prove()

    def close(self) -> None:
        """Kill the daemon if it still runs: the story may end early, as when nobody reads it any more."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()

    def _prove(self) -> None:
        columns = ("mailbox", "stored as", "policy", "sent", "stored", "twice", "lost", "still on server")
        table = Table(*columns, box=None, pad_edge=False)
        faults = 0
        for actor in self._actors:
            stored = actor.stored()
            twice = sum(times - 1 for times in stored.values())
            lost = sum(not stored[_digest(message)] for message in actor.sent)
            faults += twice + lost
            row = (len(actor.sent), stored.total(), twice, lost, len(actor.mailbox.remaining()))
            table.add_row(f"{actor.name}/", actor.sink, actor.policy, *map(str, row))
        self._say(table)
        self._say(f"\nAll files are in {self._folder}")
        self._say(f"The daemon's log, with one line for each poll: {self._log}")
        self._say(f"To see its state: {shlex.join(invocation.program())} -c {self._config} status")
        sample = min(self._actors[0].folder.glob("*.json"))
        self._say(f"The description of one message, {sample}:")
        self._say(json.dumps(json.loads(sample.read_text()), ensure_ascii=False, indent=2))
        if faults:
            raise DemoFailed(f"{faults} messages lost or stored twice")

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*_PROGRAM, "-c", self._config, "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self._daemon

    def _call(self, *arguments: str, stdin: str) -> None:
        command = [*_PROGRAM, "-c", str(self._config), *arguments]
        ended = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
        if ended.returncode:
            raise DemoFailed(f"mailsluice {' '.join(arguments)} failed: {ended.stderr.strip()}")

    def _end(self, daemon: subprocess.Popen[bytes]) -> None:
        daemon.send_signal(signal.SIGTERM)
        try:
            code = daemon.wait(max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"the daemon did not end within {DEADLINE:.0f} s; see {self._log}") from None
        if code:
            raise DemoFailed(f"the daemon ended with exit code {code} at SIGTERM; see {self._log}")

    def _wait_for_all(self, daemon: subprocess.Popen[bytes], what: str) -> None:
        self._wait(daemon, lambda: all(actor.complete for actor in self._actors), what)

    def _wait(self, daemon: subprocess.Popen[bytes], done: Callable[[], bool], what: str) -> None:
        while not done():
            if daemon.poll() is not None:
                raise DemoFailed(f"the daemon ended by itself; see {self._log}")
            if time.monotonic() > self._until:
                raise DemoFailed(f"{what} was not stored within {DEADLINE:.0f} s; see {self._log}")
            time.sleep(0.05)

    def _configuration(self) -> str:
        sandbox = self._sandbox
        head = f"""\
[service]
state_dir = "{self._folder}/state"

[credentials.sandbox]
kind          = "entra"
tenant_id     = "{sandbox.tenant_id}"
client_id     = "{sandbox.client_id}"
client_secret = "keyring:sandbox"
authority     = "{sandbox.authority}"
ca_file       = "{self._ca_file}"

[defaults]
credential = "sandbox"
host       = "{sandbox.host}"
port       = {sandbox.pop3_port}
ca_file    = "{self._ca_file}"
every      = "1s"
"""
        return head + "".join(
            f"""
[mailboxes.{actor.name}]
address         = "{actor.mailbox.address}"
sink            = {{ kind = "{actor.sink}", path = "{actor.folder}" }}
leave_on_server = {actor.leave}
"""
            for actor in self._actors
        )


def _digest(content: bytes) -> str:
    """The same hash for a message in a spool and in a Maildir, which has LF as line end."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def demonstrate(folder: Path, console: Console) -> None:
    """Run the demo, with its files in `folder`, which must be an empty directory.

    Raises DemoFailed, also if the demo takes longer than DEADLINE.
    """
    with Sandbox() as sandbox, closing(Demo(folder, console, sandbox)) as demo:
        demo.run()
