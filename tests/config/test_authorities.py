from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from mailsluice.config.authorities import trust_of_environment
from mailsluice.config.load import load


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.pem"
    path.write_text("")
    return path


def test_an_environment_that_says_nothing_is_no_reason_to_warn() -> None:
    assert list(trust_of_environment()) == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_decides_who_is_trusted_is_named_once(
    variable: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    (warning,) = trust_of_environment()
    assert warning.what == f"{variable} is set: servers are trusted by the certificates in {bundle}"
    assert f"unset {variable}" in warning.remedy
    assert "ca_file" in warning.remedy


def test_a_variable_that_names_what_would_be_used_anyhow_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = ssl.get_default_verify_paths().openssl_capath
    monkeypatch.setenv("SSL_CERT_DIR", usual)
    assert list(trust_of_environment()) == []
    if Path(usual).is_dir():
        (tmp_path / "link").symlink_to(usual)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "link"))
        assert list(trust_of_environment()) == []


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}:{tmp_path / 'missing'}")
    _, unreadable = trust_of_environment()
    assert unreadable.what == f"SSL_CERT_DIR names {tmp_path / 'missing'}, which cannot be read"


@pytest.mark.parametrize(("mode", "who"), [(0o666, "everybody"), (0o664, "group")])
def test_a_bundle_that_others_may_write_is_doubted(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, mode: int, who: str
) -> None:
    bundle.chmod(mode)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert [problem for problem in trust_of_environment() if who in problem.what]


def test_it_is_among_the_warnings_of_a_configuration(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    file = tmp_path / "mailsluice.toml"
    file.write_text(f'[service]\nstate_dir = "{tmp_path}/state"\n')
    assert [warning for warning in load(file).warnings if "SSL_CERT_FILE" in warning.what]
