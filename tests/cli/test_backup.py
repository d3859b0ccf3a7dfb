"""`mailsluice backup`: what is copied, where to, and with whose rights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailsluice.auth.secrets import Secrets
from mailsluice.cli.backup import command
from mailsluice.cli.main import Settings
from mailsluice.config.types import SecretRef
from mailsluice.errors import BackupError, LedgerError, SecretError
from mailsluice.files.directory import Directory
from mailsluice.files.error import failed
from mailsluice.ledger.database import FILE
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey
from support.users import NOBODY, NOGROUP, common_ground, given, need_root

KEY = MailboxKey("h", "a")
ALL = ["ledger.db", "ledger.id", "secrets.vault", "vault.key"]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state directory with a ledger and a secret."""
    path = tmp_path / "state"
    Ledger(path).close()
    Secrets(path, "sealed").store("acme", "canary")
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def run(state_dir: Path, place: Path, *options: str) -> Result:
    config = state_dir.with_name("mailsluice.toml")
    config.write_text(f'service.state_dir = "{state_dir}"\n')
    return CliRunner().invoke(command, [str(place), *options], obj=Settings(config))


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_backup_is_a_state_directory_with_the_ledger_and_the_secrets(state_dir: Path, place: Path) -> None:
    ended = run(state_dir, place)

    assert ended.output == f"ledger.db, ledger.id, secrets.vault, vault.key copied to {place}\n"
    assert names(place) == ALL
    assert Secrets(place, "sealed").reader(SecretRef("keyring", "acme"))() == "canary"
    with Ledger(place) as copy, Ledger(state_dir) as ledger:
        assert copy.staging_owner(KEY) == ledger.staging_owner(KEY)


def test_it_says_so_as_json(state_dir: Path, place: Path) -> None:
    assert json.loads(run(state_dir, place, "--json").output) == {
        "directory": str(place),
        "files": ALL,
        "lacks": [],
    }


def test_it_is_private(state_dir: Path, place: Path) -> None:
    place.mkdir(mode=0o755)
    run(state_dir, place)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_without_secrets_it_is_the_ledger_alone(tmp_path: Path, place: Path) -> None:
    Ledger(tmp_path / "state").close()
    run(tmp_path / "state", place)
    assert names(place) == ALL[:2]
    assert "secrets.lock" not in names(tmp_path / "state")


def test_where_the_key_is_elsewhere_it_says_that_it_must_be_kept_too(state_dir: Path, place: Path) -> None:
    (state_dir / "vault.key").unlink()
    told = run(state_dir, place).output
    assert "The key of secrets.vault is not in it: keep mailsluice-vault-key elsewhere, too" in told
    assert "only this machine can decrypt" in told


@pytest.mark.parametrize(
    ("backend", "where"), [("systemd", "systemd has them"), ("secret-service", "this user's keyring")]
)
def test_where_the_secrets_are_elsewhere_it_says_that_they_are_not_in_it(
    state_dir: Path, place: Path, backend: str, where: str
) -> None:
    config = state_dir.with_name("other.toml")
    config.write_text(f'service.state_dir = "{state_dir}"\nkeyring.backend = "{backend}"\n')
    ended = CliRunner().invoke(command, [str(place), "--json"], obj=Settings(config))
    told = json.loads(ended.output)
    assert where in told["lacks"][0]
    assert told["files"] == ALL


def test_a_directory_that_has_something_in_it_is_refused_and_left_as_it_is(
    state_dir: Path, place: Path
) -> None:
    place.mkdir(mode=0o700)
    (place / "precious").write_bytes(b"precious")
    error = run(state_dir, place).exception
    assert isinstance(error, BackupError)
    assert str(error) == f"{place} is not empty"
    assert error.exit_code == 73
    assert names(place) == ["precious"]


@pytest.mark.parametrize("inside", ["", "backups/today"])
def test_a_backup_into_the_state_directory_itself_is_refused(state_dir: Path, inside: str) -> None:
    result = run(state_dir, state_dir / inside)
    assert isinstance(result.exception, BackupError)
    assert "is in the state directory" in str(result.exception)


def test_a_directory_that_others_can_exchange_is_refused(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    error = run(state_dir, tmp_path / "open" / "backup").exception
    assert isinstance(error, BackupError)
    assert error.remedy == f"chmod o-w {tmp_path}/open"
    assert names(tmp_path / "open") == []


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(state_dir: Path, tmp_path: Path) -> None:
    error = run(state_dir, tmp_path / "missing" / "backup").exception
    assert isinstance(error, BackupError)
    assert str(error) == f"cannot open the directory {tmp_path}/missing: No such file or directory (ENOENT)"


@pytest.mark.parametrize("made_before", [True, False])
def test_a_backup_that_fails_leaves_nothing_behind(state_dir: Path, place: Path, made_before: bool) -> None:
    if made_before:
        place.mkdir(mode=0o700)
    (state_dir / "secrets.vault").chmod(0o644)
    assert isinstance(run(state_dir, place).exception, SecretError)
    assert place.exists() == made_before
    if made_before:
        assert names(place) == []


def test_a_backup_that_fails_at_its_last_step_leaves_nothing_behind(
    state_dir: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Directory.sync

    def fail(directory: Directory) -> None:
        if directory.path == place.parent and (place / FILE).exists():
            raise failed("sync", directory.path, OSError(28, os.strerror(28)))
        sync(directory)

    monkeypatch.setattr(Directory, "sync", fail)
    error = run(state_dir, place).exception
    assert isinstance(error, BackupError)
    assert "df" in error.remedy
    assert not place.exists()


def test_without_a_ledger_there_is_nothing_to_copy(tmp_path: Path, place: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    error = run(tmp_path / "state", place).exception
    assert isinstance(error, LedgerError)
    assert "nothing has been polled" in str(error)
    assert not place.exists()


def test_without_a_state_directory_it_is_that_which_is_named(tmp_path: Path, place: Path) -> None:
    error = run(tmp_path / "state", place).exception
    assert isinstance(error, LedgerError)
    assert str(error) == f"the state directory {tmp_path}/state cannot be used: No such file or directory"
    assert not place.exists()


class TestRoot:
    @pytest.fixture
    def ground(self) -> Iterator[Path]:
        need_root()
        with common_ground() as ground:
            yield ground

    @pytest.fixture
    def service(self, ground: Path, state_dir: Path) -> Path:
        """The same state directory, but of the service's user."""
        path = state_dir.rename(given(ground / "lib", 0) / "mailsluice")
        for file in (path, *path.rglob("*")):
            os.chown(file, NOBODY, NOGROUP)
        return path

    def test_what_root_makes_of_a_service_s_state_is_root_s(self, service: Path, place: Path) -> None:
        run(service, place)
        assert names(place) == ALL
        assert {path.stat().st_uid for path in (place, *place.iterdir())} == {0}
        assert {path.stat().st_uid for path in service.rglob("*")} == {NOBODY}
        assert (os.geteuid(), os.getegid()) == (0, 0)

    def test_root_reads_nothing_that_the_service_could_not(self, service: Path, place: Path) -> None:
        secret = place.with_name("secret")
        secret.write_bytes((service / "vault.key").read_bytes())
        secret.chmod(0o600)
        (service / "vault.key").unlink()
        (service / "vault.key").symlink_to(secret)
        assert isinstance(run(service, place).exception, SecretError)
        assert not place.exists()
        assert os.geteuid() == 0
