"""The demo: a simulated Exchange Online, and the real daemon at work on it, from set-up to proof.

Owns the story and its telling. Must never reach into the daemon: it is a process of its own, told what to
do by a configuration file and signals alone, as an administrator does.
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
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mailsluice import invocation
from mailsluice_sandbox import Sandbox, SandboxMailbox, mail

DEADLINE = 60.0
"""Seconds that the whole demo may take; a slower one has failed."""

_PROGRAM = [sys.executable, "-m", "mailsluice"]


class DemoFailed(Exception):
    """The daemon did not do what the demo is there to show."""


@dataclass
class Actor:
    """One mailbox of the demo: where its mail goes, and what was sent to it."""

    name: str
    mailbox: SandboxMailbox
    sink: str
    folder: Path
    leave: str
    policy: str
    sent: list[bytes] = field(default_factory=list)

    def receive(self, *messages: bytes) -> None:
        """Have these messages arrive in the mailbox."""
        for message in messages:
            self.sent.append(message)
            self.mailbox.deliver(message)

    def stored(self) -> Counter[str]:
        """What lies in the sink: how often each message's content, by its hash."""
        pattern = "*.eml" if self.sink == "spool" else "new/*"
        return Counter(_digest(path.read_bytes()) for path in self.folder.glob(pattern))

    @property
    def complete(self) -> bool:
        """Whether everything sent is in the sink."""
        return all(self.stored()[_digest(message)] for message in self.sent)


class Demo:
    """The story, told on `console`, leaving its files in `folder`."""

    def __init__(self, folder: Path, console: Console, sandbox: Sandbox) -> None:
        self._folder = folder
        self._say = console.print
        self._sandbox = sandbox
        self._config = folder / "mailsluice.toml"
        self._ca_file = folder / "ca.pem"
        self._log = folder / "mailsluice.log"
        self._until = time.monotonic() + DEADLINE
        self._actors = [
            self._actor("invoices", "spool", "false", "delete"),
            self._actor("scans", "maildir", "true", "keep"),
            self._actor("archive", "spool", '"30d"', "keep 30 days"),
        ]

    def _actor(self, name: str, sink: str, leave: str, policy: str) -> Actor:
        mailbox = self._sandbox.mailbox(f"{name}@acme.example")
        return Actor(name, mailbox, sink, self._folder / name, leave, policy)

    def run(self) -> None:
        """Tell the story. Raises DemoFailed if the daemon does not keep its promise."""
        invoices, scans, archive = self._actors
        self._say("A simulated Entra ID and Exchange Online run on this machine, with three mailboxes.")
        invoices.receive(mail.umlauts(1), mail.invoice(2))
        scans.receive(mail.inline_image(3), mail.scan(4))
        archive.receive(mail.note(5), mail.invoice(6))
        self._ca_file.write_bytes(self._sandbox.ca_file.read_bytes())
        self._config.write_text(self._configuration(), encoding="utf-8")
        self._call("secret", "set", "sandbox", stdin=self._sandbox.client_secret)
        self._say(f"Configuration written, client secret stored in the sealed keyring: {self._config}\n")

        daemon = self._start()
        self._wait_for_all(daemon, "the mail that was waiting")
        self._say("[green]✓[/] what was waiting is stored: umlauts, a PDF, an inline image, a 25 MB scan")
        for number in range(10, 40, 3):
            invoices.receive(mail.sample(number))
            scans.receive(mail.sample(number + 1))
            archive.receive(mail.sample(number + 2))
        self._wait_for_all(daemon, "the mail that came meanwhile")
        self._say("[green]✓[/] 30 more messages that arrived while it ran")
        invoices.receive(*(mail.sample(number) for number in range(100, 400)))
        self._wait(daemon, lambda: len(invoices.stored()) > len(invoices.sent) - 300, "the first of 300")
        daemon.kill()
        daemon.wait()
        self._say("[yellow]![/] killed (SIGKILL) in the middle of 300 messages, and started again")
        daemon = self._start()
        self._wait_for_all(daemon, "the rest of the 300")
        self._end(daemon)
        self._say("[green]✓[/] every one of them is stored, and SIGTERM ended the daemon cleanly\n")
        self._prove()

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
        self._say(f"\nThe files are yours to look at: {self._folder}")
        self._say(f"What the daemon logged, one line a poll: {self._log}")
        self._say(f"What it remembers: {shlex.join(invocation.program())} -c {self._config} status")
        sample = min(self._actors[0].folder.glob("*.json"))
        self._say(f"One message's description, {sample}:")
        self._say(json.dumps(json.loads(sample.read_text()), ensure_ascii=False, indent=2))
        if faults:
            raise DemoFailed(f"{faults} messages lost or stored twice")

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*_PROGRAM, "-c", self._config, "run"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

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
            daemon.kill()
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
                daemon.kill()
                raise DemoFailed(f"{what} was not stored when {DEADLINE:.0f} s were over; see {self._log}")
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
    """What two stored forms of one message have in common: a Maildir's line ends are LF."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def demonstrate(folder: Path, console: Console) -> None:
    """Run the demo with its files in `folder`, which is there and empty.

    Raises DemoFailed, when it has not ended within DEADLINE, too.
    """
    with Sandbox() as sandbox:
        Demo(folder, console, sandbox).run()
