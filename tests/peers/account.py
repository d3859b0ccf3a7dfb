"""mailsluice set up for one mailbox of a Dovecot, as an administrator would: files, and the program itself.

Owns the configuration and everything it names; must never reach into the program.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from peers.dovecot import Dovecot, PeerMailbox
from support.program import Ended, run_program
from support.staging import staging_of


def with_lf(octets: bytes) -> bytes:
    """As a Maildir keeps it."""
    return octets.replace(b"\r\n", b"\n")


@dataclass(frozen=True)
class Polled:
    """How a `poll --json` ended, and its report of the one mailbox."""

    ended: Ended
    report: dict[str, object]

    @property
    def code(self) -> int:
        return self.ended.code

    @property
    def counts(self) -> dict[str, object]:
        return {name: self.report[name] for name in ("listed", "stored", "deleted", "waiting")}


def polled(ended: Ended) -> Polled:
    """What a `poll --json` of one mailbox reported."""
    (report,) = json.loads(ended.stdout)
    return Polled(ended, report)


class Account:
    """One mailbox in a configuration of its own, all of it below `folder`.

    It signs in by a command that prints the token in a file; `give_token` changes that. Settings are those
    of the mailbox's section; None leaves one out.
    """

    def __init__(self, dovecot: Dovecot, peer: PeerMailbox, folder: Path) -> None:
        self.peer = peer
        self.folder = folder
        self.config = folder / "mailsluice.toml"
        self.sink = folder / "mail"
        self._dovecot = dovecot
        self._tokens = folder / "tokens"
        self._tokens.mkdir(mode=0o700)
        self.give_token(dovecot.token())
        self.configure()

    def give_token(self, token: str) -> None:
        """From now on the token command prints this."""
        (self._tokens / self.peer.address).write_text(f"{token}\n")

    def configure(self, *, sink: str = "spool", credential: str | None = None, **settings: object) -> None:
        """Write the configuration. `credential` is the body of its section, in TOML."""
        usual: dict[str, object] = {
            "address": self.peer.address,
            "credential": "way-in",
            "host": self._dovecot.host,
            "port": self._dovecot.port,
            "ca_file": str(self._dovecot.ca_file),
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in (usual | settings).items()]
        self.config.write_text(
            "\n".join(
                [
                    "[service]",
                    f'state_dir = "{self.folder / "state"}"',
                    "[credentials.way-in]",
                    credential or self._token_command(),
                    "[mailboxes.box]",
                    f'sink = {{ kind = "{sink}", path = "{self.sink}" }}',
                    *lines,
                    "",
                ]
            )
        )

    def secret(self, name: str, value: str) -> str:
        """Keep a secret in a private file; the reference to it, for a `credential`."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(value)
        return f"file:{path}"

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        """The program with this configuration."""
        return run_program("-c", self.config, *arguments, stdin=stdin)

    def poll(self) -> Polled:
        """One poll, and what it reports."""
        return polled(self.run("poll", "--json"))

    def spooled(self) -> list[tuple[bytes, dict[str, object]]]:
        """Each message of the spool with its description, in the order of their names."""
        return [
            (path.read_bytes(), json.loads(path.with_suffix(".json").read_bytes()))
            for path in sorted(self.sink.glob("*.eml"))
        ]

    def stored(self) -> list[bytes]:
        """The messages in the sink, of either kind, in the order of their names."""
        found = [*self.sink.glob("*.eml"), *self.sink.glob("new/*")]
        return [path.read_bytes() for path in sorted(found)]

    def staging(self) -> Path:
        """The directory messages are staged in, in either kind of sink; it is made with the first."""
        return staging_of(self.sink)

    def logins(self) -> int:
        """How often Dovecot says that somebody logged in to this mailbox."""
        return self._dovecot.log().count(f"Login: user=<{self.peer.address}>")

    def _token_command(self) -> str:
        program = self.folder / "print-token"
        if not program.exists():
            program.write_text(f'#!/bin/sh\nexec cat "{self._tokens}/$1"\n')
            program.chmod(0o700)
        return f'kind = "command"\ncommand = ["{program}", "{{address}}"]'
