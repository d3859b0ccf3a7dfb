from __future__ import annotations

from pathlib import Path

import pytest
from keyring.errors import KeyringError

from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.vault import SealedVault
from mailsluice.errors import SecretError


def test_a_name_without_a_secret_has_none(tmp_path: Path) -> None:
    assert Keyring(tmp_path, "sealed").get("acme") is None


def test_two_keyrings_of_one_process_keep_their_secrets_apart(tmp_path: Path) -> None:
    one, two = Keyring(tmp_path / "one", "sealed"), Keyring(tmp_path / "two", "sealed")
    one.store("acme", "canary-one")
    two.store("acme", "canary-two")

    assert (one.get("acme"), two.get("acme")) == ("canary-one", "canary-two")


def test_whatever_the_keyring_raises_names_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise KeyringError("out of order")

    monkeypatch.setattr(SealedVault, "get_password", fail)

    with pytest.raises(SecretError, match=r"^keyring:acme: the keyring failed: out of order$"):
        Keyring(tmp_path, "sealed").get("acme")
