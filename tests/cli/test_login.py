from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mailsluice.auth.keyrings.vault import SealedVault
from mailsluice.auth.signing.sign_ins import SERVICE, SignIns
from mailsluice.cli.login import command
from mailsluice.cli.main import Settings
from mailsluice.errors import ConfigurationError, SecretError
from mailsluice.outcome import ExitCode
from mailsluice_sandbox import Sandbox
from support.people import open_address
from support.users import ANN as ANN_UID
from support.users import common_ground, given, need_root

ANN, BOB = "ann@acme.example", "bob@acme.example"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.sign_ins.in_browser = ANN
        yield sandbox


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Installation:
    """A configuration, and a person who opens what they are shown in a browser."""

    def __init__(self, file: Path, state: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self.state = state
        self.opened: list[str] = []
        self._settings = Settings(file)
        monkeypatch.setattr(
            "mailsluice.cli.login._Terminal.open", lambda _, address, _port: self._open(address)
        )
        file.write_text(f"""\
            [service]
            state_dir = "{state}"
            [credentials.ann]
            kind = "entra"
            flow = "browser"
            tenant_id = "{sandbox.tenant_id}"
            client_id = "{sandbox.client_id}"
            authority = "{sandbox.authority}"
            ca_file = "{sandbox.ca_file}"
            [credentials.code]
            kind = "entra"
            flow = "device-code"
            tenant_id = "{sandbox.tenant_id}"
            client_id = "{sandbox.client_id}"
            authority = "{sandbox.authority}"
            ca_file = "{sandbox.ca_file}"
            [credentials.app]
            kind = "entra"
            tenant_id = "contoso"
            client_id = "app"
            client_secret = "keyring:acme"
            [credentials.old]
            kind = "password"
            password = "keyring:old"
            """)

    def login(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, arguments, obj=self._settings)

    def _open(self, address: str) -> None:
        self.opened.append(address)
        assert open_address(address, self.sandbox.ca_file) == 200


@pytest.fixture
def site(tmp_path: Path, state: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return Installation(tmp_path / "mailsluice.toml", state, sandbox, monkeypatch)


def test_it_says_who_signed_in_and_until_when(site: Installation, state: Path) -> None:
    result = site.login("ann")
    assert result.exit_code == 0
    sign_in = SignIns(state).get("ann")
    assert sign_in is not None
    assert f"{ANN} is signed in for credentials.ann\n" in result.output
    assert (
        f"Without a poll for 90 days, it ends: now that would be on {sign_in.ends:%Y-%m-%d}" in result.output
    )
    assert "canary" not in result.output


def test_the_browser_is_used_whatever_the_section_says_if_it_is_asked_for(
    site: Installation, state: Path
) -> None:
    assert site.login("code", "--browser").exit_code == 0
    assert len(site.opened) == 1
    assert SignIns(state).get("code") is not None


def test_a_second_person_replaces_the_first_and_is_told_so(site: Installation, state: Path) -> None:
    assert "Before" not in site.login("ann").output
    assert "Before" not in site.login("ann").output
    site.sandbox.sign_ins.in_browser = BOB
    result = site.login("ann")
    assert f"{BOB} is signed in for credentials.ann\nBefore, it was {ANN}\n" in result.output
    sign_in = SignIns(state).get("ann")
    assert sign_in is not None
    assert sign_in.account == BOB


@pytest.mark.parametrize(("name", "how"), [("app", "client_secret"), ("old", 'kind = "password"')])
def test_a_credential_of_no_person_needs_no_login(
    site: Installation, state: Path, name: str, how: str
) -> None:
    error = site.login(name).exception
    assert isinstance(error, ConfigurationError)
    assert str(error) == f"credentials.{name}: it has {how}, and so it needs no login"
    assert error.exit_code == ExitCode.CONFIGURATION
    assert not state.exists()


def test_a_name_that_is_not_there_is_answered_with_those_that_are(site: Installation) -> None:
    result = site.login("anne")
    assert result.exit_code == click.UsageError.exit_code
    assert "no credential 'anne'; there are: ann, code, app, old" in result.output


def test_nobody_is_asked_to_sign_in_if_that_could_not_be_saved(
    site: Installation, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("mailsluice.files.new_file.NewFile.write", full)
    error = site.login("ann").exception
    assert isinstance(error, SecretError)
    assert "No space left" in str(error)
    assert site.opened == []
    monkeypatch.undo()
    assert SignIns(state).get("ann") is None


def test_what_cannot_be_read_is_replaced(site: Installation, state: Path) -> None:
    SealedVault(state).set_password(SERVICE, "ann", "canary of another version")
    assert site.login("ann").exit_code == 0
    assert SignIns(state).get("ann") is not None


def test_a_refusal_saves_nothing_and_leaves_what_there_was(site: Installation, state: Path) -> None:
    site.login("ann")
    before = SignIns(state).get("ann")
    site.sandbox.sign_ins.in_browser = ""
    error = site.login("ann").exception
    assert getattr(error, "exit_code", None) == ExitCode.REFUSED
    assert SignIns(state).get("ann") == before


def test_what_root_makes_belongs_to_the_service(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    need_root()
    with common_ground() as ground:
        state = given(ground / "state", ANN_UID)
        site = Installation(tmp_path / "mailsluice.toml", state, sandbox, monkeypatch)
        assert site.login("ann").exit_code == 0
        assert {path.stat().st_uid for path in state.iterdir()} == {ANN_UID}


def test_it_has_help(site: Installation) -> None:
    assert site.login("--help").output.startswith("Usage:")


def test_a_sign_in_that_is_forgotten_is_gone_and_so_is_its_token(site: Installation, state: Path) -> None:
    assert site.login("ann").exit_code == 0
    token = state / "tokens"
    result = site.login("ann", "--forget")
    assert result.exit_code == 0
    assert "is removed from this machine" in result.output
    assert SignIns(state).get("ann") is None
    assert not list(token.glob("*.token"))


def test_a_sign_in_of_a_section_that_is_gone_can_be_forgotten(site: Installation, state: Path) -> None:
    assert site.login("ann").exit_code == 0
    vault = SealedVault(state)
    sign_in = vault.get_password(SERVICE, "ann")
    assert sign_in is not None
    vault.set_password(SERVICE, "gone", sign_in)
    assert site.login("gone", "--forget").exit_code == 0
    assert SignIns(state).names() == ["ann"]


def test_nobody_can_be_forgotten_who_did_not_sign_in(site: Installation) -> None:
    result = site.login("ann", "--forget")
    assert isinstance(result.exception, SecretError)
    assert "credentials.ann: nobody has signed in" in str(result.exception)
