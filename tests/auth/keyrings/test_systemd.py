"""Secrets that systemd provides: read, and never written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.systemd import credential, encrypting
from mailsluice.errors import SecretError


@pytest.fixture
def provided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "credentials"
    directory.mkdir(mode=0o500)
    directory.chmod(0o700)
    (directory / "acme").write_text("canary\n")
    (directory / "mailsluice-vault-key").write_bytes(b"\xff" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    return directory


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "state", "systemd")


def test_a_secret_of_the_keyring_is_the_credential_of_its_name(provided: Path, keyring: Keyring) -> None:
    assert keyring.get("acme") == "canary"


def test_the_names_are_those_of_the_credentials_without_the_vaults_key(
    provided: Path, keyring: Keyring
) -> None:
    (provided / "a").touch()
    assert keyring.names() == ["a", "acme"]


def test_one_that_is_not_there_is_told_with_the_units_setting(provided: Path, keyring: Keyring) -> None:
    with pytest.raises(SecretError, match="keyring:other: No such file or directory") as caught:
        keyring.get("other")
    assert caught.value.remedy == "give the unit LoadCredentialEncrypted=other:FILE"


def test_outside_of_a_unit_there_are_none_and_that_is_told(keyring: Keyring) -> None:
    with pytest.raises(SecretError, match="keyring:acme: systemd provides no credentials here") as caught:
        keyring.get("acme")
    assert "only the unit's own processes" in caught.value.remedy
    with pytest.raises(SecretError, match="systemd provides no credentials here"):
        keyring.names()


def test_set_and_delete_say_what_to_do_instead(provided: Path, keyring: Keyring) -> None:
    with pytest.raises(SecretError, match="nothing else can set one") as caught:
        keyring.store("acme", "canary-2")
    assert encrypting("acme", "-") in caught.value.remedy
    assert "canary" not in caught.value.remedy
    with pytest.raises(SecretError, match="nothing else can delete one"):
        keyring.delete("acme")
    assert (provided / "acme").read_text() == "canary\n"


def test_the_vault_is_not_looked_into_instead(provided: Path, tmp_path: Path, keyring: Keyring) -> None:
    Keyring(tmp_path / "state", "sealed").store("sealed", "canary-sealed")
    with pytest.raises(SecretError, match="keyring:sealed"):
        keyring.get("sealed")


def test_one_that_is_no_text_is_refused_without_a_word_of_it(provided: Path, keyring: Keyring) -> None:
    (provided / "acme").write_bytes(b"canary\xff")
    with pytest.raises(SecretError, match="keyring:acme: the secret is not UTF-8 text") as caught:
        keyring.get("acme")
    assert caught.value.__cause__ is None or "canary" not in repr(caught.value.__cause__.__cause__)


@pytest.mark.parametrize("name", ["..", "../acme", "/etc/passwd"])
def test_a_name_is_never_a_way_to_another_file(provided: Path, name: str) -> None:
    with pytest.raises(SecretError, match="plain file name"):
        credential(name)
