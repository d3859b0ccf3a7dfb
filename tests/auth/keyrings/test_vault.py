from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from keyring.errors import PasswordDeleteError

from mailsluice import invocation
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


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))
    return file.read_bytes()


def test_gives_back_what_was_set_also_to_another_process(vault: SealedVault, tmp_path: Path) -> None:
    vault.set_password(SERVICE, "acme", "canary-ä\n\0")
    assert SealedVault(tmp_path / "state").get_password(SERVICE, "acme") == "canary-ä\n\0"


def test_a_name_has_one_secret_the_last(vault: SealedVault) -> None:
    vault.set_password(SERVICE, "acme", "canary-1")
    vault.set_password(SERVICE, "acme", "canary-2")
    assert vault.get_password(SERVICE, "acme") == "canary-2"
    assert vault.names(SERVICE) == ["acme"]


def test_names_are_in_order_and_of_one_service(vault: SealedVault) -> None:
    for service, name in ((SERVICE, "b"), (SERVICE, "a"), ("other", "c")):
        vault.set_password(service, name, "canary")
    assert vault.names(SERVICE) == ["a", "b"]


def test_before_the_first_secret_there_is_nothing_and_nothing_is_made(
    vault: SealedVault, tmp_path: Path
) -> None:
    assert vault.get_password(SERVICE, "acme") is None
    assert vault.names(SERVICE) == []
    with pytest.raises(PasswordDeleteError):
        vault.delete_password(SERVICE, "acme")
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_secret_is_gone_and_the_others_stay(vault: SealedVault) -> None:
    vault.set_password(SERVICE, "a", "canary-a")
    vault.set_password(SERVICE, "b", "canary-b")
    vault.delete_password(SERVICE, "a")
    assert vault.get_password(SERVICE, "a") is None
    assert vault.get_password(SERVICE, "b") == "canary-b"
    with pytest.raises(PasswordDeleteError, match="'a'"):
        vault.delete_password(SERVICE, "a")


def test_all_its_files_are_private_and_none_holds_the_secret(vault: SealedVault, file: Path) -> None:
    vault.set_password(SERVICE, "acme", "canary-secret")
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for path in file.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"canary" not in path.read_bytes()


def test_the_same_secret_is_sealed_differently_each_time(vault: SealedVault, file: Path) -> None:
    vault.set_password(SERVICE, "a", "canary")
    vault.set_password(SERVICE, "b", "canary")
    first, second = json.loads(file.read_bytes())["entries"]
    assert first["sealed"] != second["sealed"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_vault_or_key_that_others_may_use_is_refused(
    vault: SealedVault, file: Path, key_file: Path, mode: int
) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    for path in (file, key_file):
        path.chmod(mode)
        with pytest.raises(VaultError, match=f"{path} can be used by others"):
            vault.get_password(SERVICE, "acme")
        path.chmod(0o600)


def test_an_entry_with_one_changed_octet_is_refused_and_the_others_are_not(
    vault: SealedVault, file: Path
) -> None:
    vault.set_password(SERVICE, "a", "canary-a")
    vault.set_password(SERVICE, "b", "canary-b")

    def flip(document: dict[str, Any]) -> None:
        sealed = document["entries"][0]["sealed"]
        document["entries"][0]["sealed"] = ("B" if sealed[0] == "A" else "A") + sealed[1:]

    edit(file, flip)
    with pytest.raises(VaultError, match=r"'a'.*tampered") as caught:
        vault.get_password(SERVICE, "a")
    assert f"`{invocation.command('secret', 'set', 'a')}`" in caught.value.remedy
    assert vault.get_password(SERVICE, "b") == "canary-b"


@pytest.mark.parametrize("field", ["name", "service"])
def test_exchanged_entries_are_refused(vault: SealedVault, file: Path, field: str) -> None:
    vault.set_password("one", "a", "canary-a")
    vault.set_password("one" if field == "name" else "two", "b" if field == "name" else "a", "canary-b")

    def exchange(document: dict[str, Any]) -> None:
        first, second = document["entries"]
        first["sealed"], second["sealed"] = second["sealed"], first["sealed"]

    edit(file, exchange)
    with pytest.raises(VaultError, match="tampered"):
        vault.get_password("one", "a")


@pytest.mark.parametrize("blob", ["", "AAAA", "A" * 16, "A" * 32])
def test_an_entry_too_short_to_be_one_is_refused(vault: SealedVault, file: Path, blob: str) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    edit(file, lambda document: document["entries"][0].update(sealed=blob))
    with pytest.raises(VaultError, match="tampered"):
        vault.get_password(SERVICE, "acme")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version": 1, "key": "x", "entries": [7]}',
        b'{"version": 1, "key": "x", "entries": [{"service": "s", "name": "n", "sealed": "*"}]}',
        b"[" * 100_000,
        b'{"version": 1, "key": "\\u001b[31m", "entries": []}',
        b'{"version": 1, "key": 7, "entries": []}',
        b'{"version": ["\\u001b[31m"], "key": "x", "entries": []}',
        b'{"version": 1, "key": "x", "entries": [{"service": "s", "name": "\\ud800", "sealed": ""}]}',
        b'{"version": 1, "key": "x", "entries": [{"service": "s", "name": "'
        + b"n" * 300
        + b'", "sealed": ""}]}',
    ],
    ids=lambda content: content[:40],
)
def test_a_damaged_vault_is_refused_and_left_as_it_is(vault: SealedVault, file: Path, content: bytes) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    file.write_bytes(content)
    uses: list[Callable[[], object]] = [
        lambda: vault.get_password(SERVICE, "acme"),
        lambda: vault.set_password(SERVICE, "other", "canary"),
        lambda: vault.delete_password(SERVICE, "acme"),
        lambda: vault.names(SERVICE),
    ]
    for use in uses:
        with pytest.raises(VaultError, match="is damaged"):
            use()
    assert file.read_bytes() == content


def test_a_vault_of_a_later_version_is_refused_and_left_as_it_is(vault: SealedVault, file: Path) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    content = edit(file, lambda document: document.update(version=2, entries="another form"))
    with pytest.raises(VaultError, match="version 2"):
        vault.set_password(SERVICE, "acme", "canary")
    assert file.read_bytes() == content


def test_another_key_is_named_as_such_and_nothing_is_lost(
    vault: SealedVault, file: Path, key_file: Path
) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    content, key = file.read_bytes(), key_file.read_bytes()
    right = json.loads(content)["key"]
    key_file.write_bytes(bytes(32))
    uses: list[Callable[[], object]] = [
        lambda: vault.get_password(SERVICE, "acme"),
        lambda: vault.set_password(SERVICE, "other", "canary"),
    ]
    for use in uses:
        with pytest.raises(VaultError, match=f"sealed with the key {right}, but {key_file} is "):
            use()
    assert file.read_bytes() == content
    key_file.write_bytes(key)
    assert vault.get_password(SERVICE, "acme") == "canary"


def test_a_lost_key_is_not_made_anew(vault: SealedVault, key_file: Path) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    key_file.unlink()
    uses: list[Callable[[], object]] = [
        lambda: vault.get_password(SERVICE, "acme"),
        lambda: vault.set_password(SERVICE, "acme", "canary"),
    ]
    for use in uses:
        with pytest.raises(VaultError, match=r"key of .* is gone"):
            use()
    assert not key_file.exists()
    assert vault.names(SERVICE) == ["acme"]


def test_whoever_lost_the_key_is_told_that_sign_ins_went_with_it(vault: SealedVault, key_file: Path) -> None:
    vault.set_password("mailsluice sign-in", "ann", "canary")
    key_file.unlink()
    with pytest.raises(VaultError) as caught:
        vault.get_password("mailsluice sign-in", "ann")
    assert "login NAME`" in caught.value.remedy


@pytest.mark.parametrize("octets", [0, 31, 33])
def test_a_key_of_the_wrong_length_is_no_key(vault: SealedVault, key_file: Path, octets: int) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    key_file.write_bytes(bytes(octets))
    with pytest.raises(VaultError, match=f"it has {octets} octets"):
        vault.get_password(SERVICE, "acme")


def test_the_key_that_systemd_provides_is_used_and_none_is_made(
    vault: SealedVault, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mailsluice-vault-key").write_bytes(os.urandom(32))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    vault.set_password(SERVICE, "acme", "canary")
    assert not key_file.exists()
    assert vault.get_password(SERVICE, "acme") == "canary"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(VaultError, match=r"key of .* is gone"):
        vault.get_password(SERVICE, "acme")


def test_systemd_without_the_vaults_key_leaves_the_key_file_in_use(
    vault: SealedVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.set_password(SERVICE, "acme", "canary")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert vault.get_password(SERVICE, "acme") == "canary"


def test_the_environment_cannot_move_the_vault(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRING_PROPERTY__VAULT", "/nowhere")
    monkeypatch.setenv("KEYRING_PROPERTY_PRIORITY", "9")
    vault = SealedVault(tmp_path / "state")
    vault.set_password(SERVICE, "acme", "canary")
    assert file.exists()
    assert vault.priority == 0


def test_a_state_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    vault = SealedVault(tmp_path / "file" / "state")
    with pytest.raises(VaultError, match="Not a directory"):
        vault.set_password(SERVICE, "acme", "canary")
    with pytest.raises(VaultError, match="Not a directory"):
        vault.get_password(SERVICE, "acme")


def test_processes_that_set_at_once_lose_nothing(vault: SealedVault, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from mailsluice.auth.keyrings.vault import SealedVault\n"
        "vault = SealedVault(pathlib.Path(sys.argv[1]))\n"
        "sys.stdin.read(1)\n"
        "for number in range(20):\n"
        "    vault.set_password('mailsluice', f'{sys.argv[2]}{number}', 'canary')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "state")]
    processes = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in "ab"]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"!")
        process.stdin.close()
    assert [process.wait() for process in processes] == [0, 0]
    assert len(vault.names(SERVICE)) == 40
    assert vault.get_password(SERVICE, "a19") == vault.get_password(SERVICE, "b0") == "canary"


@pytest.mark.parametrize("renames", [1, 2])
def test_a_crash_at_any_rename_of_the_first_set_can_be_set_again(
    vault: SealedVault, tmp_path: Path, renames: int
) -> None:
    """The first rename is the key's, the second the vault's."""
    code = (
        "import os, pathlib, sys\n"
        "from mailsluice.auth.keyrings.vault import SealedVault\n"
        "real, left = os.rename, [int(sys.argv[2])]\n"
        "def rename(*names, **options):\n"
        "    left[0] -= 1\n"
        "    os._exit(9) if left[0] == 0 else real(*names, **options)\n"
        "os.rename = rename\n"
        "SealedVault(pathlib.Path(sys.argv[1])).set_password('mailsluice', 'acme', 'canary')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "state"), str(renames)]
    assert subprocess.run(command, check=False).returncode == 9
    assert vault.names(SERVICE) == []
    vault.set_password(SERVICE, "acme", "canary")
    assert vault.get_password(SERVICE, "acme") == "canary"


def test_an_entry_of_another_vault_with_the_same_key_and_another_name_is_refused(
    vault: SealedVault, file: Path
) -> None:
    vault.set_password(SERVICE, "admin", "canary-admin")
    brought = json.loads(file.read_bytes())["entries"][0]["sealed"]
    vault.set_password(SERVICE, "acme", "canary")
    edit(file, lambda document: document["entries"][0].update(sealed=brought))
    with pytest.raises(VaultError, match="tampered"):
        vault.get_password(SERVICE, "acme")
