"""A real tinyproxy on a loopback port, which wants a password.

Owns its temporary directory and its process; must never import mailsluice, so that what it proves is
independent of what it tests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import wait_until

BINARY = Path("/usr/bin/tinyproxy")
USER = "ann"
PASSWORD = "canary-of-the-tinyproxy"
FILTERED = "filtered.contoso.test"
STOP_SECONDS = 10.0


class TinyproxyError(Exception):
    """tinyproxy did not start, or did not live to the end of the tests."""


def why_missing() -> str | None:
    """Why this machine has no tinyproxy to test with; None where it has one."""
    if not BINARY.exists():
        return "Debian's tinyproxy-bin is not installed; tests/peers/install-tinyproxy installs it"
    return None


class Tinyproxy:
    """A running proxy. A context manager: entering starts it, leaving stops it and removes its files.

    It lets `USER` through to these ports, and to no host called `FILTERED`. `password` None: it wants none.
    """

    def __init__(self, ports: Collection[int], password: str | None = PASSWORD) -> None:
        self._prefix = Path(tempfile.mkdtemp(prefix="tp", dir="/tmp"))
        self._ports = ports
        self._password = password
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port, as they stand in a URL."""
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        dead, log = self._dead(), self.log()
        self._clean_up()
        print(log)
        if dead:
            raise TinyproxyError(f"tinyproxy ended before the tests did:\n{log}")

    def start(self, *, password: str | None = None) -> None:
        """Start it, with another password if one is given. It ends with this process, however that ends."""
        self._password = password or self._password
        self._lay_out()
        # Whoever changes its user itself loses the signal that ends it with us (prctl(2)).
        as_nobody = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        command = ["/usr/bin/setpriv", *as_nobody, "--pdeathsig", "TERM"]
        command += [str(BINARY), "-d", "-c", str(self._config)]
        with (self._prefix / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_until(lambda: self._listens() or self._dead(), "tinyproxy listens")
        if self._dead():
            raise TinyproxyError(f"tinyproxy did not start:\n{self.log()}")

    def stop(self) -> None:
        """End it."""
        if self._process is not None and not self._dead():
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def log(self) -> str:
        """What it has written."""
        return "".join(
            path.read_text(errors="replace")
            for name in ("output", "log")
            if (path := self._prefix / name).exists()
        )

    @property
    def _config(self) -> Path:
        return self._prefix / "tinyproxy.conf"

    def _lay_out(self) -> None:
        self._prefix.chmod(0o755)
        log, hosts = self._prefix / "log", self._prefix / "filter"
        log.touch()
        hosts.write_text(f"^{FILTERED}$\n")
        lines = [
            f"Port {self.port}",
            "Listen 127.0.0.1",
            "Timeout 60",
            f'LogFile "{log}"',
            "LogLevel Connect",
            "MaxClients 50",
            f'Filter "{hosts}"',
            "FilterExtended On",
            *([f"BasicAuth {USER} {self._password}"] if self._password else []),
            *(f"ConnectPort {port}" for port in self._ports),
        ]
        if os.geteuid() == 0:
            shutil.chown(log, "nobody", "nogroup")
        self._config.write_text("\n".join([*lines, ""]))

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2):
                return True
        except OSError:
            return False

    def _dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _clean_up(self) -> None:
        self.stop()
        shutil.rmtree(self._prefix, ignore_errors=True)
