"""The state directory in the reach of other users, and what they may have planted in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mailsluice.auth.secrets import Secrets
from mailsluice.errors import LedgerError, SecretError
from mailsluice.files.private import locked
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import ServiceLock
from mailsluice.model import MailboxKey
from support.plants import PLANTS, plant, untouched
from support.users import ANN, NOBODY, NOGROUP, acting_as, common_ground, given, need_root

KEY = MailboxKey("pop.example", "a@b.example")

pytestmark = pytest.mark.timeout(10)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


def opened(state: Path) -> None:
    Ledger(state).close()


def looked_at(state: Path) -> None:
    Ledger(state, read_only=True).close()


def served(state: Path) -> None:
    ServiceLock.take(state).release()


def polled(state: Path) -> None:
    with Ledger(state) as ledger, ledger.leases.hold(KEY):
        pass


USES = (opened, looked_at, served)


@pytest.mark.parametrize("use", USES)
def test_a_state_directory_that_others_could_exchange_is_refused(
    ground: Path, use: Callable[[Path], None]
) -> None:
    above = given(ground / "above", 0, 0o777)
    given(above / "state", NOBODY, 0o700)
    with acting_as(NOBODY), pytest.raises(LedgerError, match="on the way") as error:
        use(above / "state")
    assert error.value.remedy == f"chmod o-w {above}"


@pytest.mark.parametrize("use", [opened, served])
def test_a_state_directory_is_not_made_where_others_could_exchange_it(
    ground: Path, use: Callable[[Path], None]
) -> None:
    above = given(ground / "above", ANN, 0o777)
    with acting_as(NOBODY), pytest.raises(LedgerError, match=f"{above} belongs to another user"):
        use(above / "deep" / "state")
    assert list(above.iterdir()) == []


def test_a_state_directory_of_root_s_making_behind_a_link_is_used_as_systemd_has_it(ground: Path) -> None:
    given(ground / "private", 0, 0o755)
    given(ground / "private" / "mailsluice", NOBODY, 0o700)
    (ground / "mailsluice").symlink_to("private/mailsluice")
    with acting_as(NOBODY):
        polled(ground / "mailsluice")
        served(ground / "mailsluice")


@pytest.mark.parametrize("what", [*(kind for kind in PLANTS if kind != "hard link"), "directory"])
@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal", f"{FILE}-shm"])
def test_what_is_planted_for_the_ledger_is_refused_and_not_followed(
    state: Path, tmp_path: Path, name: str, what: str
) -> None:
    if name != FILE:
        opened(state)
    plant(what, state / name, tmp_path / "victim")
    for use in (opened, looked_at):
        with pytest.raises(LedgerError) as error:
            use(state)
        assert str(state / name) in error.value.remedy
    assert untouched(tmp_path / "victim")


@pytest.mark.parametrize("name", [FILE, f"{FILE}-wal"])
def test_a_ledger_that_another_user_has_left_is_refused(ground: Path, name: str) -> None:
    state = given(ground / "state", NOBODY, 0o700)
    (state / name).touch(mode=0o666)
    os.chown(state / name, ANN, NOGROUP)
    with acting_as(NOBODY), pytest.raises(LedgerError, match=f"{name} belongs to another user") as error:
        opened(state)
    assert error.value.remedy.endswith(f"chown {NOBODY} {state}/{name}")


def test_a_ledger_that_others_can_write_is_refused(state: Path) -> None:
    opened(state)
    (state / FILE).chmod(0o660)
    with pytest.raises(LedgerError) as error:
        opened(state)
    assert error.value.remedy == f"chmod go= {state / FILE}"


@pytest.mark.parametrize("what", [*PLANTS, "directory", "link to a directory"])
@pytest.mark.parametrize("use", [polled, served])
@pytest.mark.parametrize("place", ["locks", "the file"])
def test_what_is_planted_for_a_lock_is_refused_and_not_followed(
    state: Path, tmp_path: Path, place: str, use: Callable[[Path], None], what: str
) -> None:
    use(state)
    (lock,) = (state / "locks").iterdir()
    spot = lock if place == "the file" else lock.parent
    elsewhere = tmp_path / "elsewhere"
    spot.rename(elsewhere)
    if what == "link to a directory":
        spot.symlink_to(elsewhere)
    elif what == "directory" and place == "locks":
        spot.mkdir(mode=0o777)
        spot.chmod(0o777)
    else:
        plant(what, spot, tmp_path / "victim")

    with pytest.raises(LedgerError) as error:
        use(state)

    assert error.value.remedy
    assert untouched(tmp_path / "victim")


@pytest.mark.parametrize("what", PLANTS)
@pytest.mark.parametrize("name", ["secrets.lock", "secrets.vault", "vault.key", ".secrets.vault.new"])
def test_what_is_planted_for_the_vault_is_not_written_through(
    state: Path, tmp_path: Path, name: str, what: str
) -> None:
    plant(what, state / name, tmp_path / "victim")
    with suppress(SecretError):
        Secrets(state, "sealed").store("acme", "canary")
    assert untouched(tmp_path / "victim")


def test_a_lock_that_root_takes_gives_no_other_file_of_root_s_away(ground: Path) -> None:
    state = given(ground / "state", NOBODY, 0o700)
    (ground / "victim").touch(mode=0o600)
    (state / "secrets.lock").hardlink_to(ground / "victim")
    with suppress(OSError), locked(state / "secrets.lock"):
        pass
    assert (ground / "victim").stat().st_uid == 0
