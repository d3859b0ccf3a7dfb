from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.auth.keyrings.seal import Key, NotSealed, SealError, first_key, read_key
from mailsluice.files.trust import trusted_owners

KEY = Key(b"k" * 32, Path("vault.key"))


def test_what_is_sealed_comes_back_in_its_place() -> None:
    assert KEY.unseal(KEY.seal("canary", "a", "b"), "a", "b") == "canary"


def test_the_same_content_is_never_sealed_to_the_same_octets() -> None:
    assert KEY.seal("canary", "a") != KEY.seal("canary", "a")


@pytest.mark.parametrize("place", [("a",), ("b", "a"), ("a", "b", "c"), ('a", "b',)])
def test_in_another_place_it_cannot_be_read(place: tuple[str, ...]) -> None:
    blob = KEY.seal("canary", "a", "b")
    with pytest.raises(NotSealed):
        KEY.unseal(blob, *place)


def test_with_another_key_or_a_changed_octet_it_cannot_be_read() -> None:
    blob = KEY.seal("canary", "a")
    with pytest.raises(NotSealed):
        Key(b"x" * 32, Path("x")).unseal(blob, "a")
    with pytest.raises(NotSealed):
        KEY.unseal(blob[:-1] + bytes([blob[-1] ^ 1]), "a")
    with pytest.raises(NotSealed):
        KEY.unseal(b"", "a")


def test_the_first_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    made = first_key(tmp_path, trusted_owners())
    assert first_key(tmp_path, trusted_owners()) == made == read_key(tmp_path, trusted_owners())
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600


def test_a_key_from_systemd_comes_first_and_no_file_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mailsluice-vault-key").write_bytes(b"s" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert first_key(tmp_path, trusted_owners()).octets == b"s" * 32
    assert not (tmp_path / "vault.key").exists()


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vault.key").touch(0o600)
    with pytest.raises(SealError, match="is not a key: it has 0 octets instead of 32"):
        read_key(tmp_path, trusted_owners())


def test_a_key_is_not_shown() -> None:
    assert "kkk" not in repr(KEY)
