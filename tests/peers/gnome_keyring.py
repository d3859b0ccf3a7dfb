"""A real gnome-keyring on a D-Bus of its own, which nobody else uses, and no desktop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Self

import secretstorage
from jeepney import DBusErrorResponse
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection

from support.program import PATIENCE, surroundings
from support.waiting import wait_until

_NAME = "org.freedesktop.secrets"
PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
PASSWORD = "canary-master"


def why_missing() -> str:
    """Why there is no gnome-keyring here; empty if there is one."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{' and '.join(missing)} not installed: tests/peers/install-gnome-keyring" if missing else ""


class GnomeKeyring:
    """A context manager. `address` is its D-Bus, which this process must have in its environment to use it."""

    def __init__(self, folder: Path) -> None:
        self._environment = surroundings(
            HOME=str(folder), XDG_DATA_HOME=str(folder / "data"), XDG_RUNTIME_DIR=str(folder)
        )
        self._started: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def __enter__(self) -> Self:
        command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"]
        bus = self._start(command, stdout=subprocess.PIPE)
        assert bus.stdout
        self.address = bus.stdout.readline().decode().strip()
        self._environment["DBUS_SESSION_BUS_ADDRESS"] = self.address
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(DBusErrorResponse, ConnectionError, OSError):
            self.signal(signal.SIGKILL)  # one that D-Bus has started is none of our processes
        for process in reversed(self._started):
            process.kill()
            process.wait(PATIENCE)
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()

    def unlock(self, password: str = PASSWORD) -> None:
        """Start it anew with this master password. The first one is the right one from then on."""
        command = ["gnome-keyring-daemon", "--foreground", "--replace", "--unlock", "--components=secrets"]
        process = self._start(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin
        process.stdin.write(password.encode())
        process.stdin.close()
        wait_until(lambda: self.pid() == process.pid, "gnome-keyring is there")

    def lock(self) -> None:
        """Lock its default keyring."""
        with secretstorage.dbus_init() as connection:
            secretstorage.get_default_collection(connection).lock()

    def pid(self) -> int:
        """The process that keeps the keyring; 0 if there is none."""
        with open_dbus_connection() as connection:
            try:
                (found,) = Proxy(message_bus, connection).GetConnectionUnixProcessID(_NAME)
            except DBusErrorResponse:
                return 0
            return int(found)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if pid := self.pid():
            os.kill(pid, number)

    def _start(
        self, command: list[str], *, stdin: int = subprocess.DEVNULL, stdout: int
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, env=self._environment, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL
        )
        self._started.append(process)
        return process
