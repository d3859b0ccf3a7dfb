"""`mailsluice secret check`: what can be read, and what an administrator reads about the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mailsluice.auth.secrets import Secrets
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.cli.main import Settings
from mailsluice.cli.secret import command
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice.errors import SecretError
from support.proofs import PASSWORD, pair, written
from support.users import NOBODY, NOGROUP, acting_as, common_ground, need_root


class Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.file = folder / "mailsluice.toml"

    def configure(self, backend: str = "sealed", **passwords: str) -> None:
        sections = "".join(
            f'[credentials.{name}]\nkind = "password"\npassword = "{ref}"\n'
            for name, ref in passwords.items()
        )
        self.file.write_text(f'service.state_dir = "{self.state}"\nkeyring.backend = "{backend}"\n{sections}')

    def check(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, ["check", *arguments], obj=Settings(self.file))

    def found(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.check("--json", *arguments).output)
        return answer


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_secrets_that_can_be_read_are_ok_and_never_shown(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.folder / "secret"
    file.touch(0o600)
    file.write_text("canary-file")
    monkeypatch.setenv("MAILSLUICE_TEST", "canary-env")
    place.configure(a="keyring:a", b=f"file:{file}", c="env:MAILSLUICE_TEST", d="keyring:a")
    Secrets(place.state, "sealed").store("a", "canary-a")
    result = place.check()
    assert result.exit_code == 0
    assert "keyring:a (credentials.a.password, credentials.d.password): ok" in result.output
    assert f"file:{file} (credentials.b.password): ok" in result.output
    assert "env:MAILSLUICE_TEST (credentials.c.password): ok" in result.output
    assert "canary" not in result.output


def test_the_end_that_is_declared_for_a_client_secret_is_told(place: Place) -> None:
    place.configure()
    with place.file.open("a") as file:
        file.write(
            '[credentials.acme]\nkind = "entra"\ntenant_id = "t"\nclient_id = "c"\n'
            'client_secret = "keyring:acme"\nexpires = 2020-05-01\n'
        )
    Secrets(place.state, "sealed").store("acme", "canary")
    result = place.check()
    assert result.exit_code == 0
    assert "warning: client secret ended " in result.output
    assert "ago, on 2020-05-01" in result.output


def test_a_certificate_is_judged_as_one_and_its_end_is_told(place: Place) -> None:
    ends = datetime.now(UTC) + timedelta(days=12, hours=1)
    path = written(place.folder / "acme.pfx", pair(end=ends).pfx(PASSWORD))
    place.configure(old="keyring:old")
    with place.file.open("a") as file:
        file.write(
            '[credentials.acme]\nkind = "entra"\ntenant_id = "t"\nclient_id = "c"\n'
            f'certificate = "file:{path}"\ncertificate_password = "keyring:word"\n'
        )
    secrets = Secrets(place.state, "sealed")
    secrets.store("old", "canary-old")
    secrets.store("word", PASSWORD)
    result = place.check()
    assert f"file:{path} (credentials.acme.certificate): ok" in result.output
    assert "warning: certificate ends in 12 days" in result.output
    secrets.store("word", "canary-wrong")
    assert place.check(f"file:{path}").exit_code == 78


def test_a_federated_assertion_is_judged_as_one(place: Place) -> None:
    path = written(place.folder / "token", "canary")
    place.configure()
    with place.file.open("a") as file:
        file.write(
            '[credentials.acme]\nkind = "entra"\ntenant_id = "t"\nclient_id = "c"\n'
            f'assertion = "file:{path}"\n'
        )
    (found,) = place.found()["secrets"]
    assert "the assertion is not a JWT" in found["problem"]
    assert "canary" not in json.dumps(found)


PERSON = """
[credentials.ann]
kind = "entra"
flow = "device-code"
tenant_id = "t"
client_id = "c"
"""


def test_a_person_who_has_not_signed_in_is_told_with_the_command(place: Place) -> None:
    place.configure()
    place.file.write_text(place.file.read_text() + PERSON)
    (found,) = place.found()["secrets"]
    assert found["problem"] == "credentials.ann: nobody has signed in yet"
    assert "login ann`" in found["remedy"]
    assert place.check().exit_code == 78


def test_who_signed_in_is_told_and_that_no_section_uses_it_any_more(place: Place) -> None:
    place.configure()
    place.file.write_text(place.file.read_text() + PERSON)
    credential = load(place.file).credentials["ann"]
    assert isinstance(credential, EntraCredential)
    sign_in = SignIn.to(credential, "ann@acme.example", "canary-refresh", datetime.now(UTC))
    SignIns(place.state).put("ann", sign_in)
    result = place.check()
    assert (result.exit_code, "canary" in result.output) == (0, False)
    assert "sign-in of ann@acme.example (credentials.ann): ok" in result.output
    place.configure()
    assert "login ann --forget`" in place.check().output


def test_each_that_fails_has_its_cause_and_its_remedy_and_the_exit_code_says_so(place: Place) -> None:
    place.configure(a="keyring:a", b="file:/nowhere", c="credential:c", d="keyring:d")
    Secrets(place.state, "sealed").store("a", "canary-a")
    assert place.check().exit_code == 78
    found = {secret["subject"]: secret for secret in place.found()["secrets"]}
    assert [secret["ok"] for secret in found.values()] == [True, False, False, False]
    assert found["file:/nowhere"]["problem"] == "file:/nowhere: No such file or directory"
    assert "systemd provides no credentials here" in found["credential:c"]["problem"]
    assert found["keyring:d"]["remedy"].endswith("secret set d")


def test_it_tells_the_backend_and_where_the_key_is_from(place: Place) -> None:
    place.configure()
    assert place.check().output == "keyring (sealed): there is no key yet: ok\n"
    Secrets(place.state, "sealed").store("a", "canary-a")
    assert f"the key of sealed files is {place.state}/vault.key" in place.check().output
    assert place.found()["backend"] == "sealed"


def test_a_key_that_does_not_fit_fails_the_keyring_itself(place: Place) -> None:
    place.configure()
    Secrets(place.state, "sealed").store("a", "canary-a")
    (place.state / "vault.key").write_bytes(bytes(32))
    result = place.check()
    assert result.exit_code == 78
    assert "is sealed with the key" in result.output


def test_a_keyring_without_its_d_bus_fails_with_its_cause(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    place.configure("secret-service", a="keyring:a")
    result = place.check()
    assert result.exit_code == 78
    assert "keyring (secret-service): keyring: the user's D-Bus cannot be reached" in result.output
    assert (
        "keyring:a: the user's D-Bus cannot be reached: DBUS_SESSION_BUS_ADDRESS is not set" in result.output
    )


@pytest.mark.parametrize("name", ["a", "keyring:a"])
def test_only_the_named_ones_are_read(place: Place, name: str) -> None:
    place.configure(a="keyring:a", b="file:/nowhere")
    Secrets(place.state, "sealed").store("a", "canary-a")
    assert [secret["subject"] for secret in place.found(name)["secrets"]] == ["keyring:a"]
    assert place.check(name).exit_code == 0


def test_a_name_that_nothing_refers_to_is_wrong_usage(place: Place) -> None:
    place.configure(a="keyring:a")
    result = place.check("other")
    assert "refers to no secret of the name other" in result.output
    assert result.exit_code == 2


def test_what_is_probably_a_mistake_is_a_warning(place: Place) -> None:
    file = place.folder / "secret"
    file.touch(0o600)
    file.write_text("\ufeff canary\n")
    place.configure(a=f"file:{file}")
    result = place.check()
    assert result.exit_code == 0
    assert "warning: the secret has a byte order mark" in result.output


def test_root_is_sent_to_the_user_that_the_daemon_runs_as(place: Place) -> None:
    need_root()
    place.configure()
    place.state.mkdir(mode=0o700)
    os.chown(place.state, NOBODY, NOGROUP)
    error = place.check().exception
    assert isinstance(error, SecretError)
    assert error.exit_code == 77
    assert "who may read more than the user 'nobody'" in str(error)


@pytest.fixture
def common() -> Iterator[Path]:
    with common_ground() as folder:
        yield folder


def test_the_daemons_user_learns_what_it_cannot_read(common: Path) -> None:
    need_root()
    place = Place(common)
    secret = common / "secret"
    secret.touch(0o600)
    place.configure(a=f"file:{secret}")
    place.file.chmod(0o644)
    with acting_as(NOBODY):
        result = place.check()
    assert result.exit_code == 78
    assert "who may not read" in result.output


def test_the_declared_end_of_a_client_secret_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILSLUICE_TEST", "canary~secret")
    for day, told in (("2020-01-31", True), ("2999-12-31", False)):
        place.file.write_text(
            f'service.state_dir = "{place.state}"\n[credentials.app]\nkind = "entra"\ntenant_id = "acme"\n'
            f'client_id = "app"\nclient_secret = "env:MAILSLUICE_TEST"\nexpires = {day}\n'
        )
        result = place.check()
        assert result.exit_code == 0
        assert ("warning: client secret ended" in result.output) is told
