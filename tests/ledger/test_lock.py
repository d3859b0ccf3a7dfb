from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailsluice.errors import AlreadyRunning, LedgerError, MailboxLocked
from mailsluice.ledger.lock import ServiceLock, hold, serving

HOLDER = """
import sys
from pathlib import Path
from mailsluice.errors import MailboxLocked
from mailsluice.ledger.lock import hold
try:
    with hold(Path(sys.argv[1]), "a@b.example"):
        print("held", flush=True)
        sys.stdin.read()
except MailboxLocked:
    print("locked", flush=True)
"""


def holder(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def answer(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "x.lock"


def lock(path: Path) -> None:
    with hold(path, "a@b.example"):
        pass


def test_of_two_processes_one_gets_it(path: Path) -> None:
    with holder(path) as one, holder(path) as other:
        assert {answer(one), answer(other)} == {b"held", b"locked"}
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.close()


def test_the_error_names_mailbox_and_holder(path: Path) -> None:
    with holder(path) as process:
        assert answer(process) == b"held"
        with pytest.raises(
            MailboxLocked, match=f"^a@b.example is being polled or checked by process {process.pid}$"
        ):
            lock(path)
        assert process.stdin is not None
        process.stdin.close()
    lock(path)


def test_a_killed_process_holds_nothing(path: Path) -> None:
    with holder(path) as process:
        assert answer(process) == b"held"
        process.send_signal(signal.SIGKILL)
        process.wait()
    lock(path)


def test_a_holder_that_left_no_number_is_another_process(path: Path) -> None:
    with hold(path, "a@b.example"):
        path.write_bytes(b"\xffnonsense")
        with pytest.raises(MailboxLocked, match="another process"):
            lock(path)


def test_threads_of_one_process_exclude_each_other(path: Path) -> None:
    errors: list[MailboxLocked] = []

    def attempt() -> None:
        try:
            lock(path)
        except MailboxLocked as error:
            errors.append(error)

    with hold(path, "a@b.example"):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert str(os.getpid()) in str(errors[0])


def test_an_exception_frees_it(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), hold(path, "a@b.example"):
        raise KeyboardInterrupt
    lock(path)


def test_lock_files_are_private_and_stay(path: Path) -> None:
    lock(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_lock_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "locks").write_bytes(b"")
    with pytest.raises(LedgerError) as error:
        lock(tmp_path / "locks" / "x.lock")
    assert error.value.remedy


def test_a_descriptor_that_fails_to_close_spoils_no_poll(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close = os.close

    def closed_badly(fd: int) -> None:
        close(fd)
        raise OSError(errno.EIO, "bad")

    with monkeypatch.context() as patch, hold(path, "a@b.example"):
        patch.setattr("mailsluice.files.lock.os.close", closed_badly)
    lock(path)


def test_a_holder_that_cannot_be_read_is_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> bytes:
        raise OSError(errno.EIO, "bad")

    monkeypatch.setattr("mailsluice.files.directory.os.read", unreadable)
    with hold(path, "a@b.example"), pytest.raises(MailboxLocked, match="another process"):
        lock(path)


def test_one_daemon_serves_a_state_directory_and_the_next_when_it_has_let_go(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path / "state"):
        with pytest.raises(AlreadyRunning, match=f"{tmp_path}/state: process {os.getpid()}$") as error:
            ServiceLock.take(tmp_path / "state")
        assert f"kill {os.getpid()}" in error.value.remedy
        assert error.value.exit_code == 75
    ServiceLock.take(tmp_path / "state").release()


def test_a_daemon_that_left_no_number_is_another_process(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path / "state"):
        (tmp_path / "state" / "locks" / "service.lock").write_bytes(b"")
        with pytest.raises(AlreadyRunning, match=r"another process$"):
            ServiceLock.take(tmp_path / "state")


def test_a_successor_in_the_same_directory_keeps_others_out_when_its_predecessor_has_let_go(
    tmp_path: Path,
) -> None:
    first = ServiceLock.take(tmp_path / "state")
    with first.following(tmp_path / "state"):
        first.release()
        with pytest.raises(AlreadyRunning):
            ServiceLock.take(tmp_path / "state")
    ServiceLock.take(tmp_path / "state").release()


def test_a_successor_in_another_directory_takes_that_while_the_first_is_held(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path / "a") as first, first.following(tmp_path / "b"):
        for state_dir in (tmp_path / "a", tmp_path / "b"):
            with pytest.raises(AlreadyRunning):
                ServiceLock.take(state_dir)


def test_a_successor_is_refused_a_directory_that_another_daemon_serves(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path / "a") as first, ServiceLock.take(tmp_path / "b"):
        with pytest.raises(AlreadyRunning):
            first.following(tmp_path / "b")
        with pytest.raises(AlreadyRunning):
            ServiceLock.take(tmp_path / "a")


def test_the_lock_of_the_service_is_none_of_a_mailbox_s(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path / "state"):
        lock(tmp_path / "state" / "locks" / "x.lock")


def test_a_daemon_is_seen_by_its_number_as_long_as_it_serves(tmp_path: Path) -> None:
    before = serving(tmp_path)
    with ServiceLock.take(tmp_path):
        meanwhile = serving(tmp_path)

    assert (before, meanwhile, serving(tmp_path)) == (None, str(os.getpid()), None)


def test_a_killed_daemon_is_not_seen(tmp_path: Path) -> None:
    daemon = (
        "import sys; from pathlib import Path; from mailsluice.ledger.lock import ServiceLock;"
        "lock = ServiceLock.take(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", daemon, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert answer(process) == b"held"
        alive = serving(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert alive == str(process.pid)
    assert serving(tmp_path) is None


def test_a_daemon_that_left_no_number_is_seen(tmp_path: Path) -> None:
    with ServiceLock.take(tmp_path):
        (tmp_path / "locks" / "service.lock").write_bytes(b"nonsense")

        assert serving(tmp_path) == ""


def test_a_daemon_is_seen_until_its_successor_has_ended(tmp_path: Path) -> None:
    first = ServiceLock.take(tmp_path)
    with first.following(tmp_path):
        first.release()
        meanwhile = serving(tmp_path)

    assert meanwhile == str(os.getpid())
    assert serving(tmp_path) is None


def test_a_look_is_not_in_the_way_of_a_daemon_that_starts_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ServiceLock.take(tmp_path).release()
    begun: list[ServiceLock] = []
    look = fcntl.fcntl

    def look_and_start(fd: int, command: int, lock: bytes) -> object:
        seen = look(fd, command, lock)
        if command == fcntl.F_OFD_GETLK:
            begun.append(ServiceLock.take(tmp_path))
        return seen

    monkeypatch.setattr(fcntl, "fcntl", look_and_start)
    assert serving(tmp_path) is None

    (lock,) = begun
    lock.release()


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    assert serving(tmp_path / "state") is None
    assert list(tmp_path.iterdir()) == []


def test_where_a_lock_cannot_be_shown_it_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as short:
        short.setattr("fcntl.fcntl", fail)
        with pytest.raises(LedgerError, match="No locks available"):
            ServiceLock.take(tmp_path)
    ServiceLock.take(tmp_path).release()
