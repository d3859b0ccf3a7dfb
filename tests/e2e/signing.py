"""`mailsluice login` as a process, with a person who does what it says."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from e2e.conftest import Site
from support.people import open_address
from support.program import PATIENCE, PROGRAM, surroundings
from support.waiting import wait_until


def delegated(site: Site, *mailboxes: str, flow: str = "device-code", **keys: str) -> None:
    """Configure these mailboxes for whoever signs in."""
    site.configure(*mailboxes, **keys)
    lines = site.config.read_text().splitlines()
    site.config.write_text(
        "\n".join(f'flow = "{flow}"' if line.startswith("client_secret") else line for line in lines)
    )


class Login:
    """The process. A context manager that ends it if the test does not."""

    def __init__(self, site: Site, *options: str) -> None:
        self._sandbox = site.sandbox
        self._before = set(site.sandbox.sign_ins.waiting)
        self._process = subprocess.Popen(
            [PROGRAM, "-c", site.config, "login", "entra", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=surroundings(),
        )
        self.printed = ""

    def asked(self) -> str:
        """The code that this process shows, as soon as it does; nobody else asks for one meanwhile."""
        wait_until(lambda: bool(set(self._sandbox.sign_ins.waiting) - self._before), "a code is shown")
        (code,) = set(self._sandbox.sign_ins.waiting) - self._before
        return code

    def approve(self, person: str) -> None:
        """Let this person enter the code that is shown."""
        self._sandbox.sign_ins.approve(self.asked(), person)

    def browse(self, person: str) -> int:
        """Let this person open the address that is printed; the status of the last page."""
        self._sandbox.sign_ins.in_browser = person
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed += line
            if line.startswith("https://"):
                return open_address(line.strip(), self._sandbox.ca_file)
        raise AssertionError(self.printed)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        """The exit code, when it has come to its end."""
        rest, _ = self._process.communicate(timeout=PATIENCE)
        self.printed += rest
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.ended()
        # Printed again, so that the search for secrets sees it.
        print(self.printed, file=sys.stderr)


def sign_in(site: Site, person: str) -> None:
    """Let this person sign in by a device code."""
    with Login(site) as login:
        login.approve(person)
        assert login.ended() == 0, login.printed
