"""Which key the vault has, and what is said about a wrong one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mailsluice.auth.keyrings.vault import SealedVault, VaultError

SERVICE = "mailsluice"


@pytest.fixture
def vault(tmp_path: Path) -> SealedVault:
    return SealedVault(tmp_path / "state")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "secrets.vault"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "vault.key"


def test_the_key_is_made_once_before_any_secret_and_is_the_one_that_is_used(
    vault: SealedVault, key_file: Path
) -> None:
    assert vault.key() is None
    assert vault.make_key() is True
    assert vault.make_key() is False
    made = key_file.read_bytes()
    vault.set_password(SERVICE, "acme", "canary")
    assert key_file.read_bytes() == made
    key = vault.key()
    assert key is not None
    assert (key.origin, key.octets) == (key_file, made)


def test_a_key_that_was_lost_is_not_made_again_either(vault: SealedVault, key_file: Path) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    key_file.unlink()
    for ask in (vault.key, vault.make_key):
        with pytest.raises(VaultError, match=r"key of .* is gone"):
            ask()
    assert not key_file.exists()


class TestTwoKeys:
    """The unit provides one key, and a file in the state directory has another one."""

    @pytest.fixture
    def credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "credentials").mkdir()
        (tmp_path / "credentials" / "mailsluice-vault-key").write_bytes(os.urandom(32))
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
        return tmp_path / "credentials" / "mailsluice-vault-key"

    @pytest.mark.usefixtures("credential")
    def test_the_units_key_is_used_where_it_is_the_right_one(
        self, vault: SealedVault, key_file: Path
    ) -> None:
        vault.set_password(SERVICE, "acme", "canary")
        key_file.touch(0o600)
        key_file.write_bytes(os.urandom(32))
        assert vault.get_password(SERVICE, "acme") == "canary"

    def test_a_vault_of_the_file_is_told_with_the_two_ways_out(
        self, vault: SealedVault, key_file: Path, credential: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.delenv("CREDENTIALS_DIRECTORY")  # `secret set` in a shell, on a fresh machine
            vault.set_password(SERVICE, "acme", "canary")
        with pytest.raises(VaultError, match=f"but {credential} is ") as caught:
            vault.get_password(SERVICE, "acme")
        assert caught.value.remedy.startswith(f"the right key is {key_file}: encrypt that one for the unit")

    @pytest.mark.usefixtures("credential")
    def test_a_vault_of_the_unit_is_told_in_a_shell_where_its_key_is(
        self, vault: SealedVault, key_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault.set_password(SERVICE, "acme", "canary")
        key_file.touch(0o600)
        key_file.write_bytes(os.urandom(32))
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        with pytest.raises(VaultError, match=f"but {key_file} is ") as caught:
            vault.get_password(SERVICE, "acme")
        assert "run this where systemd provides it as mailsluice-vault-key" in caught.value.remedy

    def test_a_vault_of_neither_is_told_with_the_key_that_it_needs(
        self, vault: SealedVault, file: Path, key_file: Path, credential: Path
    ) -> None:
        vault.set_password(SERVICE, "acme", "canary")
        needed = json.loads(file.read_bytes())["key"]
        for path in (key_file, credential):
            path.touch(0o600)
            path.write_bytes(os.urandom(32))
        with pytest.raises(VaultError, match="is sealed with the key") as caught:
            vault.get_password(SERVICE, "acme")
        assert caught.value.remedy.startswith(f"provide the key {needed} as mailsluice-vault-key")


def test_a_vault_of_another_machine_is_refused_and_neither_is_changed(
    vault: SealedVault, file: Path, key_file: Path, tmp_path: Path
) -> None:
    other = SealedVault(tmp_path / "other")
    vault.set_password(SERVICE, "acme", "canary")
    other.set_password(SERVICE, "acme", "canary-other")
    brought = (tmp_path / "other" / "secrets.vault").read_bytes()
    file.write_bytes(brought)
    with pytest.raises(VaultError, match="is sealed with the key"):
        vault.get_password(SERVICE, "acme")
    with pytest.raises(VaultError, match="is sealed with the key"):
        vault.set_password(SERVICE, "acme", "canary")
    assert file.read_bytes() == brought
