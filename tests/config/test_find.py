"""Which configuration file is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice import invocation
from mailsluice.config import load as loading
from mailsluice.config.load import find, load
from mailsluice.errors import ConfigurationError
from support.users import unprivileged


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MAILSLUICE_CONFIG", raising=False)
    monkeypatch.setattr(loading, "SYSTEM_FILE", tmp_path / "etc.toml")
    monkeypatch.chdir(tmp_path)


def test_the_file_given_comes_first_even_if_it_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSLUICE_CONFIG", "/b.toml")
    assert find(Path("/a.toml")) == Path("/a.toml")


def test_then_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mailsluice.toml").touch()
    monkeypatch.setenv("MAILSLUICE_CONFIG", "/b.toml")
    assert find(None) == Path("/b.toml")


def test_then_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "mailsluice.toml").touch()
    (tmp_path / "etc.toml").touch()
    assert find(None) == Path("mailsluice.toml")


def test_then_the_systems(tmp_path: Path) -> None:
    (tmp_path / "etc.toml").touch()
    assert find(None) == tmp_path / "etc.toml"


def test_a_working_directory_that_this_user_may_not_enter_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loading, "SYSTEM_FILE", Path("/etc/passwd"))
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "mailsluice.toml").touch()
    monkeypatch.chdir(hidden)
    hidden.chmod(0)
    with unprivileged():
        assert find(None) == Path("/etc/passwd")
    hidden.chmod(0o700)


def test_a_system_s_file_that_this_user_may_not_see_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hidden = tmp_path / "etc"
    hidden.mkdir(mode=0)
    monkeypatch.setattr(loading, "SYSTEM_FILE", hidden / "mailsluice.toml")
    with (
        unprivileged(),
        pytest.raises(ConfigurationError, match=r"mailsluice\.toml: cannot be read: Permission denied"),
    ):
        load(find(None))
    hidden.chmod(0o700)


def test_else_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find(None)
    assert str(tmp_path / "etc.toml") in str(caught.value)
    assert f"{invocation.command('config', 'example')} > mailsluice.toml" in caught.value.remedy
