"""A log whose reader has stopped: `mailsluice run | less`, a terminal that was stopped, a journal that hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Sandbox, mail
from support.program import PATIENCE, surroundings

FEW = 3
"""Lines that wait for the reader here."""

_PROGRAM = f"""
import sys
from mailsluice.obs import outlet
outlet.MOST = {FEW}
from mailsluice.cli.main import main
sys.exit(main())
"""


def full_pipe() -> tuple[int, int]:
    return _filled(*os.pipe())


def full_socket() -> tuple[int, int]:
    """As the journal has them."""
    ours, theirs = socket.socketpair()
    return _filled(ours.detach(), theirs.detach())


def _filled(read: int, write: int) -> tuple[int, int]:
    os.set_blocking(write, False)
    for octets in (b"x" * 4096, b"x"):
        try:
            while True:
                os.write(write, octets)
        except BlockingIOError:
            pass
    os.set_blocking(write, True)
    return read, write


@contextmanager
def started(
    site: Site, command: str, log: tuple[int, int], *options: str, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """The program with a log that nobody reads."""
    read, write = log
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "-c", site.config, command, *options],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=write,
        env=surroundings(),
    ) as process:
        os.close(write)
        try:
            yield process
        finally:
            process.kill()
            os.close(read)


@pytest.mark.parametrize("full", [full_pipe, full_socket])
def test_polling_goes_on_and_sigterm_is_obeyed(site: Site, sandbox: Sandbox, full: type) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")
    with started(site, "run", full()) as daemon:
        for number in range(3):
            box.deliver(mail.note(number))
            wait_until(lambda: not box.remaining(), "stored and deleted")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    assert len(site.stored("a")) == 3


def test_a_reader_who_goes_on_is_told_once_how_many_lines_are_missing(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    site.configure("a")
    read, write = full_pipe()
    with started(site, "run", (read, write)) as daemon:
        wait_until(lambda: len(box.sessions) > FEW + 2, "more polls than lines wait for the reader")
        text = ""
        while '"service stopped"' not in text:
            text += os.read(read, 2**16).decode()
            if '"log lines dropped"' in text:
                daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    lines = [json.loads(line) for line in text.strip("x").splitlines()]
    (told,) = (line for line in lines if line["event"] == "log lines dropped")
    assert lines.index(told) == FEW
    sessions = sum(line["event"] == "session" for line in lines)
    assert told["lines"] >= 2
    assert sessions + told["lines"] >= len(box.sessions)


def test_a_poll_ends_as_ever(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")
    with started(site, "poll", full_pipe()) as process:
        assert process.wait(PATIENCE) == 0
    assert site.stored("a") == [mail.note(1)]


def test_a_poll_whose_output_is_not_read_is_ended_by_sigterm(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")
    read, write = full_pipe()
    with started(site, "poll", (read, write), "--json", stdout=write) as process:
        wait_until(lambda: len(site.stored("a")) == 1, "stored")

        def ended() -> bool:
            process.send_signal(signal.SIGTERM)
            return process.poll() is not None

        wait_until(ended, "the end, once it has begun to print")
        assert process.returncode == -signal.SIGTERM
