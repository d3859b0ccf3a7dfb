from __future__ import annotations

import os
from pathlib import Path

import keyring
import pytest
from keyring.backends.null import Keyring as NullKeyring

from mailsluice import invocation
from mailsluice.auth.secrets import Secrets
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "state", "sealed")


def refusal(secrets: Secrets, ref: SecretRef) -> SecretError:
    with pytest.raises(SecretError) as caught:
        secrets.reader(ref)()
    assert str(caught.value).startswith(f"{ref}: ")
    assert caught.value.remedy
    assert "canary" not in str(caught.value)
    return caught.value


def test_a_keyring_secret_is_what_was_stored(secrets: Secrets) -> None:
    secrets.store("acme", "canary")
    assert secrets.reader(SecretRef("keyring", "acme"))() == "canary"
    assert secrets.names() == ["acme"]


def test_a_changed_secret_is_seen_at_once(secrets: Secrets, tmp_path: Path) -> None:
    secrets.store("acme", "canary-1")
    assert secrets.reader(SecretRef("keyring", "acme"))() == "canary-1"
    Secrets(tmp_path / "state", "sealed").store("acme", "canary-2")
    assert secrets.reader(SecretRef("keyring", "acme"))() == "canary-2"


def test_a_missing_keyring_secret_says_how_to_set_it(secrets: Secrets) -> None:
    assert refusal(secrets, SecretRef("keyring", "acme")).remedy == invocation.command(
        "secret", "set", "acme"
    )


def test_the_keyring_is_the_sealed_vault_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    keyring.set_keyring(NullKeyring())  # type: ignore[no-untyped-call]
    secrets = Secrets(tmp_path, "sealed")
    secrets.store("acme", "canary")
    assert secrets.reader(SecretRef("keyring", "acme"))() == "canary"
    assert (tmp_path / "secrets.vault").exists()


def test_what_is_wrong_with_the_vault_is_told_with_its_remedy(secrets: Secrets, tmp_path: Path) -> None:
    secrets.store("acme", "canary")
    (tmp_path / "state" / "secrets.vault").write_bytes(b"{")
    error = refusal(secrets, SecretRef("keyring", "acme"))
    assert "is damaged" in str(error)
    assert "backup" in error.remedy
    for use in (secrets.names, lambda: secrets.store("a", "canary"), lambda: secrets.delete("a")):
        with pytest.raises(SecretError, match="is damaged"):
            use()


def test_deleting_what_is_not_there_is_an_error(secrets: Secrets) -> None:
    with pytest.raises(SecretError, match="keyring:acme: there is no secret"):
        secrets.delete("acme")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"canary\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("scheme", ["file", "credential"])
@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"canary", "canary"),
        (b"canary\n", "canary"),
        (b"canary\r\n", "canary"),
        (b"canary\n\n", "canary\n"),
        (b" canary\r", " canary\r"),
        ("canary-ä".encode(), "canary-ä"),
    ],
)
def test_one_line_end_is_the_editors_and_the_rest_is_the_secret(
    secrets: Secrets, file: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, content: bytes, secret: str
) -> None:
    file.write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    ref = SecretRef("file", str(file)) if scheme == "file" else SecretRef("credential", file.name)
    assert secrets.reader(ref)() == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_file_is_refused(secrets: Secrets, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert "empty" in str(refusal(secrets, SecretRef("file", str(file))))


def test_a_file_that_is_not_text_is_refused_and_not_repeated(secrets: Secrets, file: Path) -> None:
    file.write_bytes(b"canary\xff")
    error = refusal(secrets, SecretRef("file", str(file)))
    assert "UTF-8" in str(error)
    assert error.__cause__ is None


def test_a_file_that_others_may_read_is_refused(secrets: Secrets, file: Path) -> None:
    file.chmod(0o644)
    error = refusal(secrets, SecretRef("file", str(file)))
    assert "can be used by others: its mode is 0644" in str(error)
    assert str(file) in error.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(secrets: Secrets, file: Path) -> None:
    os.chown(file, 54321, 0)
    assert "belongs to another user, #54321" in str(refusal(secrets, SecretRef("file", str(file))))


@pytest.mark.parametrize("scheme", ["file", "credential"])
@pytest.mark.parametrize("content", [b"", b"canary\xff\x00\n"])
def test_octets_are_read_as_they_are(
    secrets: Secrets, file: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, content: bytes
) -> None:
    file.write_bytes(content)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))
    ref = SecretRef("file", str(file)) if scheme == "file" else SecretRef("credential", file.name)
    assert secrets.octets(ref)() == content


def test_the_octets_of_a_text_are_utf_8(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.store("acme", "canary-ä")
    monkeypatch.setenv("ACME", "canary-ä")
    for ref in (SecretRef("keyring", "acme"), SecretRef("env", "ACME")):
        assert secrets.octets(ref)() == "canary-ä".encode()


def test_octets_in_a_file_that_others_may_read_are_refused(secrets: Secrets, file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(SecretError, match="can be used by others: its mode is 0640") as caught:
        secrets.octets(SecretRef("file", str(file)))()
    assert caught.value.remedy == f"chmod go= {file}"


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_is_none_is_refused(secrets: Secrets, tmp_path: Path, name: str) -> None:
    refusal(secrets, SecretRef("file", f"{tmp_path}/{name}"))


def test_a_variable_of_the_environment_is_taken_as_it_is(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_SECRET", "canary\n")
    assert secrets.reader(SecretRef("env", "SLUICE_SECRET"))() == "canary\n"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_variable_is_refused(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("SLUICE_SECRET", raising=False)
    if value is not None:
        monkeypatch.setenv("SLUICE_SECRET", value)
    assert "SLUICE_SECRET" in refusal(secrets, SecretRef("env", "SLUICE_SECRET")).remedy


def test_a_credential_needs_systemd_to_provide_credentials(secrets: Secrets) -> None:
    error = refusal(secrets, SecretRef("credential", "acme"))
    assert "systemd" in str(error)
    assert "LoadCredentialEncrypted=acme:" in error.remedy


def test_a_credential_that_systemd_does_not_provide_is_named(
    secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "No such file" in str(refusal(secrets, SecretRef("credential", "acme")))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", ""])
def test_a_credential_outside_its_directory_is_refused(
    secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "secret").write_bytes(b"canary")
    (tmp_path / "credentials").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    refusal(secrets, SecretRef("credential", name))
