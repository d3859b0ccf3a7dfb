"""Whether a process that crashes leaves its memory on the disk."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mailsluice.system import memory
from support.program import PATIENCE, PROGRAM, printed_by, surroundings
from support.skipping import skip_or_fail
from support.waiting import wait_until

_KEEP = "from mailsluice.system import memory; assert memory.keep_private()\n"
_ABORT = "import os; os.abort()\n"


def allow_cores() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def aborted(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A process that may leave a core in this folder, and that aborts."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        preexec_fn=allow_cores,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=surroundings(),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where cores go, if this machine writes any."""
    if Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
        skip_or_fail("this machine does not write cores into the working directory")
    assert aborted(_ABORT, tmp_path).returncode == -signal.SIGABRT
    cores = list(tmp_path.iterdir())
    if not cores:
        skip_or_fail("this machine writes no cores")
    for core in cores:
        core.unlink()
    return tmp_path


def test_a_process_that_aborts_leaves_no_core(folder: Path) -> None:
    assert aborted(_KEEP + _ABORT, folder).returncode == -signal.SIGABRT
    assert list(folder.iterdir()) == []


def test_no_core_is_left_where_the_limit_alone_would_not_help(folder: Path) -> None:
    """A kernel that pipes cores to a program ignores the limit: so here nothing sets one."""
    without = "import resource; resource.setrlimit = lambda *_: None\n"
    assert aborted(without + _KEEP + _ABORT, folder).returncode == -signal.SIGABRT
    assert list(folder.iterdir()) == []


def test_no_core_is_left_where_only_the_limit_can_be_set(folder: Path) -> None:
    without = (
        "import ctypes; ctypes.CDLL = lambda _name: object()\n"
        "from mailsluice.system import memory; assert not memory.keep_private()\n"
    )
    assert aborted(without + _ABORT, folder).returncode == -signal.SIGABRT
    assert list(folder.iterdir()) == []


def test_a_crash_still_shows_where_every_thread_was(tmp_path: Path) -> None:
    ended = aborted("import faulthandler; faulthandler.enable()\n" + _KEEP + _ABORT, tmp_path)
    assert "Fatal Python error: Aborted" in ended.stderr
    assert 'File "<string>", line' in ended.stderr


def test_the_process_still_reads_of_itself_what_the_program_reads(tmp_path: Path) -> None:
    read = (
        "import os, pathlib\n"
        "from mailsluice.files.mounts import file_system\n"
        "if os.geteuid() == 0:\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "memory.keep_private()\n"  # a change of the user makes the rule apply to what belongs to it
        "print(file_system(pathlib.Path('/')) is not None)\n"
        "descriptor = os.open('/', os.O_RDONLY)\n"
        "print(pathlib.Path(f'/proc/self/fd/{descriptor}').readlink(), len(os.listdir('/proc/self/fd')) > 0)\n"
        "print('VmHWM' in pathlib.Path('/proc/self/status').read_text())\n"
    )
    assert printed_by(_KEEP + read) == "True\n/ True\nTrue\n"


def test_a_system_without_prctl_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert memory.keep_private() is False


def test_the_program_keeps_its_memory_private_whatever_its_command(tmp_path: Path) -> None:
    """`secret set` waits for a secret: so there is time to look at it from outside."""
    config = tmp_path / "mailsluice.toml"
    config.write_text(f'service.state_dir = "{tmp_path}/state"\n')
    with subprocess.Popen(
        [PROGRAM, "-c", config, "secret", "set", "acme"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        preexec_fn=allow_cores,  # noqa: PLW1509  as above
        env=surroundings(),
    ) as process:
        assert process.stdin
        process.stdin.write(b"canary")
        process.stdin.flush()
        limits = Path(f"/proc/{process.pid}/limits")
        wait_until(lambda: re.search(r"core file size +0 +0 ", limits.read_text()) is not None, "the limit")
        os.kill(process.pid, signal.SIGABRT)
        assert process.wait(PATIENCE) == -signal.SIGABRT
    assert [path.name for path in tmp_path.iterdir()] == ["mailsluice.toml"]
