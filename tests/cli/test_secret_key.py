"""`mailsluice secret init`: the key, and what is said about it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.cli.main import Settings
from mailsluice.cli.secret import command
from mailsluice.errors import SecretError
from support.skipping import skip_or_fail
from support.users import need_root


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def init(state: Path, backend: str = "sealed") -> Result:
    file = state.with_name("mailsluice.toml")
    file.write_text(f'service.state_dir = "{state}"\nkeyring.backend = "{backend}"\n')
    return CliRunner().invoke(command, ["init"], obj=Settings(file))


@pytest.mark.parametrize("backend", ["sealed", "systemd"])
def test_it_makes_a_key_that_is_private_and_says_what_that_protects(state: Path, backend: str) -> None:
    output = init(state, backend).output
    assert (state / "vault.key").stat().st_mode & 0o777 == 0o600
    assert f"is the file {state}/vault.key." in output
    assert "It protects copies and backups that have the sealed files without it." in output
    assert "It does not protect from root, nor from anybody who reads the whole state directory" in output


def test_a_key_that_is_there_is_named_and_not_changed(state: Path) -> None:
    init(state)
    key = (state / "vault.key").read_bytes()
    assert f"There is a key already: {state}/vault.key" in init(state).output
    assert (state / "vault.key").read_bytes() == key


def test_a_key_that_systemd_provides_is_named_and_none_is_made(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mailsluice-vault-key").write_bytes(os.urandom(32))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    output = init(state).output
    assert f"There is a key already: {tmp_path}/mailsluice-vault-key" in output
    assert "systemd provides it." in output
    assert not (state / "vault.key").exists()


def test_a_key_that_was_lost_is_not_made_again(state: Path) -> None:
    Keyring(state, "sealed").store("acme", "canary")
    (state / "vault.key").unlink()
    error = init(state).exception
    assert isinstance(error, SecretError)
    assert "the key of" in str(error)
    assert not (state / "vault.key").exists()


def test_the_key_never_shows(state: Path) -> None:
    output = init(state).output
    key = (state / "vault.key").read_bytes()
    assert key.hex() not in output
    assert key not in output.encode(errors="replace")


def test_the_command_that_encrypts_the_key_works_and_gives_the_same_key(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the way is systemd's: it puts what it decrypts into the credentials' directory."""
    need_root()
    if shutil.which("systemd-creds") is None:
        skip_or_fail("there is no systemd-creds")
    told = re.search(r"systemd-creds encrypt \S+ \S+ (\S+)", init(state).output)
    assert told
    credential = tmp_path / "key.cred"
    encrypt = told[0].replace(told[1], str(credential))
    subprocess.run(encrypt.split(), check=True, capture_output=True)
    (tmp_path / "credentials").mkdir()
    decrypt = ["systemd-creds", "decrypt", "--name=mailsluice-vault-key", str(credential)]
    subprocess.run(
        [*decrypt, str(tmp_path / "credentials" / "mailsluice-vault-key")], check=True, capture_output=True
    )
    Keyring(state, "sealed").store("acme", "canary")
    (state / "vault.key").rename(tmp_path / "away")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert Keyring(state, "sealed").get("acme") == "canary"


def test_it_names_the_command_that_sets_a_secret_where_only_the_unit_has_the_key(state: Path) -> None:
    (line,) = [line for line in init(state).output.splitlines() if "systemd-run" in line]
    assert f"--property=User={os.geteuid()} " in line
    assert "--property=LoadCredentialEncrypted=mailsluice-vault-key:/etc/mailsluice/" in line
    assert line.endswith(f"-c {state.with_name('mailsluice.toml')} secret set NAME")
