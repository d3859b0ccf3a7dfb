"""What a running daemon is told of new secrets, and what it looks at by itself."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from mailsluice.auth.renewal import STAMP, Renewals, renewed
from mailsluice.config.load import load
from mailsluice.config.models import Config
from support.users import NOBODY, NOGROUP, need_root


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state"


@pytest.fixture
def config(state_dir: Path, tmp_path: Path) -> Config:
    file = tmp_path / "mailsluice.toml"
    file.write_text(
        f'service.state_dir = "{state_dir}"\n'
        '[credentials.one]\nkind = "password"\npassword = "keyring:acme"\n'
        '[credentials.two]\nkind = "password"\npassword = "keyring:acme"\n'
        '[credentials.other]\nkind = "password"\npassword = "keyring:other"\n'
        f'[credentials.file]\nkind = "password"\npassword = "file:{tmp_path}/secret"\n'
    )
    return load(file)


@pytest.fixture
def renewals(state_dir: Path) -> Renewals:
    return Renewals(state_dir)


def test_without_a_new_secret_nothing_is_renewed(renewals: Renewals, config: Config) -> None:
    assert renewals.look(config, config.credentials) == set()


def test_a_secret_that_was_set_concerns_the_credentials_that_refer_to_it(
    renewals: Renewals, config: Config, state_dir: Path
) -> None:
    renewed(state_dir, "keyring:acme")
    assert renewals.look(config, ()) == {"one", "two"}
    assert renewals.look(config, ()) == set()


def test_the_same_secret_may_be_set_again(renewals: Renewals, config: Config, state_dir: Path) -> None:
    for _ in range(2):
        renewed(state_dir, "keyring:other")
        assert renewals.look(config, ()) == {"other"}


def test_secrets_that_were_set_between_two_looks_are_all_seen(
    renewals: Renewals, config: Config, state_dir: Path
) -> None:
    renewed(state_dir, "keyring:acme")
    renewed(state_dir, "keyring:other")
    assert renewals.look(config, ()) == {"one", "two", "other"}


def test_a_sign_in_concerns_its_credential(renewals: Renewals, config: Config, state_dir: Path) -> None:
    renewed(state_dir, "credentials.two")
    assert renewals.look(config, ()) == {"two"}


def test_without_a_name_everything_is_concerned(renewals: Renewals, config: Config, state_dir: Path) -> None:
    renewed(state_dir)
    assert renewals.look(config, ()) == set(config.credentials)


def test_what_was_set_before_the_start_is_no_news(state_dir: Path, config: Config) -> None:
    renewed(state_dir, "keyring:acme")
    assert Renewals(state_dir).look(config, ()) == set()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"keyring:acme": 1}', b"[" * 100_000])
def test_a_stamp_that_is_damaged_is_no_news_and_the_next_one_is(
    renewals: Renewals, config: Config, state_dir: Path, content: bytes
) -> None:
    (state_dir / STAMP).write_bytes(content)
    (state_dir / STAMP).chmod(0o600)
    assert renewals.look(config, ()) == set()
    renewed(state_dir, "keyring:acme")
    assert renewals.look(config, ()) == {"one", "two"}


def test_a_stamp_that_another_user_may_have_made_is_no_news(
    renewals: Renewals, config: Config, state_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text('{"keyring:acme": "x"}')
    (state_dir / STAMP).symlink_to(tmp_path / "elsewhere")
    assert renewals.look(config, ()) == set()


def test_the_file_of_a_refused_credential_is_looked_at(
    renewals: Renewals, config: Config, tmp_path: Path
) -> None:
    assert renewals.look(config, {"file"}) == set()
    (tmp_path / "secret").write_text("canary")
    assert renewals.look(config, {"file"}) == {"file"}
    assert renewals.look(config, {"file"}) == set()
    (tmp_path / "secret").write_text("canary-2")
    assert renewals.look(config, {"file"}) == {"file"}


def test_a_file_that_is_replaced_as_a_link_is_noticed(
    renewals: Renewals, config: Config, tmp_path: Path
) -> None:
    for version in ("1", "2"):
        (tmp_path / version).write_text(f"canary-{version}")
    (tmp_path / "secret").symlink_to("1")
    assert renewals.look(config, {"file"}) == set()
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(tmp_path / "secret")
    assert renewals.look(config, {"file"}) == {"file"}


def test_the_file_of_a_credential_that_works_is_never_touched(
    renewals: Renewals, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be on a network file system that hangs."""
    looked, stat = [], os.stat

    def watched(path: Path, **more: Any) -> os.stat_result:
        looked.append(path)
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", watched)
    renewals.look(config, {"other"})
    assert tmp_path / "secret" not in looked
    renewals.look(config, {"file"})
    assert tmp_path / "secret" in looked


def test_where_there_is_no_state_directory_nothing_is_made(tmp_path: Path) -> None:
    renewed(tmp_path / "nowhere", "keyring:acme")
    assert not (tmp_path / "nowhere").exists()


def test_commands_that_stamp_at_once_lose_nothing(
    renewals: Renewals, config: Config, state_dir: Path
) -> None:
    names = ["keyring:acme", "keyring:other", "credentials.file"] * 5
    threads = [threading.Thread(target=renewed, args=(state_dir, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renewals.look(config, ()) == {"one", "two", "other", "file"}


def test_a_stamp_that_root_makes_is_the_services(state_dir: Path) -> None:
    need_root()
    os.chown(state_dir, NOBODY, NOGROUP)
    renewed(state_dir, "keyring:acme")
    assert {path.stat().st_uid for path in state_dir.iterdir()} == {NOBODY}


def test_root_who_sets_two_secrets_of_a_service_tells_of_both(
    renewals: Renewals, config: Config, state_dir: Path
) -> None:
    need_root()
    os.chown(state_dir, NOBODY, NOGROUP)
    for name in ("keyring:acme", "keyring:other"):
        renewed(state_dir, name)
    assert renewals.look(config, ()) == {"one", "two", "other"}


def test_root_follows_no_link_that_a_service_put_in_the_place_of_the_stamp(
    state_dir: Path, tmp_path: Path
) -> None:
    need_root()
    (tmp_path / "private").write_text('{"password": "canary-private"}')
    os.chown(state_dir, NOBODY, NOGROUP)
    (state_dir / STAMP).symlink_to(tmp_path / "private")
    os.chown(state_dir / STAMP, NOBODY, NOGROUP, follow_symlinks=False)
    renewed(state_dir, "keyring:acme")
    assert "canary" not in (state_dir / STAMP).read_text()
