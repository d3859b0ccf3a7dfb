"""The firewall of the tests, as what is behind it meets it."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from support.firewall import DROPS, NO_WAY, REFUSES, firewall

PORT = 995


def test_what_is_dropped_is_never_answered() -> None:
    with firewall(), socket.socket() as wire:
        wire.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.connect((DROPS, PORT))


def test_a_port_where_nobody_listens_refuses_at_once() -> None:
    with firewall(), socket.socket() as wire:
        assert wire.connect_ex((REFUSES, PORT)) == errno.ECONNREFUSED


def test_where_there_is_no_way_the_system_says_so_at_once() -> None:
    with firewall(), socket.socket() as wire:
        assert wire.connect_ex((NO_WAY, PORT)) == errno.ENETUNREACH


def test_the_loopback_works_and_is_not_that_of_the_machine() -> None:
    with socket.create_server((REFUSES, 0)) as outside, firewall():
        port = outside.getsockname()[1]
        with socket.socket() as wire:
            assert wire.connect_ex((REFUSES, port)) == errno.ECONNREFUSED
        with socket.create_server((REFUSES, port)) as inside, socket.create_connection(inside.getsockname()):
            pass


def network() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_the_threads_and_programs_that_are_started_are_behind_it_too() -> None:
    seen: list[str] = []
    script = "import os; print(os.readlink('/proc/self/ns/net'))"
    with firewall():
        thread = threading.Thread(target=lambda: seen.append(network()))
        thread.start()
        thread.join()
        program = subprocess.run([sys.executable, "-Sc", script], capture_output=True, text=True, check=True)
        assert {*seen, program.stdout.strip()} == {network()}


def test_afterwards_the_thread_is_in_the_machines_network_again() -> None:
    before = network()
    with suppress(KeyError), firewall():
        assert network() != before
        raise KeyError
    assert network() == before
