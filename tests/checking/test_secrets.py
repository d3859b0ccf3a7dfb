"""What is looked at in a secret, by its use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.checking.secrets import secret_warnings, sign_in_warnings
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.config.references import references
from mailsluice.errors import SecretError
from support.proofs import assertion, pair, written

NOW = datetime.now(UTC)
TOML = """
service.state_dir = "{folder}/state"
[credentials.acme]
kind = "entra"
tenant_id = "acme.example"
client_id = "c"
{way}
"""


def configured(folder: Path, way: str) -> Config:
    path = folder / "mailsluice.toml"
    path.write_text(TOML.format(folder=folder, way=way))
    return load(path)


def warnings(config: Config) -> list[str]:
    """What is wrong with the only secret."""
    (use,) = references(config)
    return list(secret_warnings(config, use.ref, [use]))


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        ("canary~of-the-usual-form-and-length-00000", []),
        ("11111111-2222-3333-4444-555555555555", ["the secret looks like the ID of a client secret"]),
    ],
)
def test_a_client_secret_of_another_form_is_in_doubt(tmp_path: Path, secret: str, what: list[str]) -> None:
    path = written(tmp_path / "secret", secret)
    found = warnings(configured(tmp_path, f'client_secret = "file:{path}"'))
    assert [one[: len(what[0])] for one in found] == what if what else found == []


def test_a_secret_whose_declared_end_is_near_is_in_doubt(tmp_path: Path) -> None:
    path = written(tmp_path / "secret", "canary~of-the-usual-form-and-length-00000")
    ends = f"{NOW + timedelta(days=6):%Y-%m-%d}"
    (found,) = warnings(configured(tmp_path, f'client_secret = "file:{path}"\nexpires = {ends}'))
    assert found.endswith(f"on {ends}")


@pytest.mark.parametrize(("days", "count"), [(5, 1), (300, 0)])
def test_a_certificate_is_in_doubt_when_its_end_is_near(tmp_path: Path, days: int, count: int) -> None:
    path = written(tmp_path / "pem", pair(end=NOW + timedelta(days=days, hours=1)).pem())
    found = warnings(configured(tmp_path, f'certificate = "file:{path}"'))
    assert len(found) == count
    assert all("certificate ends in 5 days" in one for one in found)


def test_a_certificate_that_has_ended_is_an_error(tmp_path: Path) -> None:
    own = pair(begin=NOW - timedelta(days=9), end=NOW - timedelta(days=1))
    path = written(tmp_path / "pem", own.pem())
    with pytest.raises(SecretError):
        warnings(configured(tmp_path, f'certificate = "file:{path}"'))


def test_an_assertion_is_read_as_one(tmp_path: Path) -> None:
    good = written(tmp_path / "good", assertion(NOW + timedelta(hours=1)))
    assert warnings(configured(tmp_path, f'assertion = "file:{good}"')) == []
    bad = written(tmp_path / "bad", "canary")
    with pytest.raises(SecretError):
        warnings(configured(tmp_path, f'assertion = "file:{bad}"'))


@pytest.mark.parametrize(("age", "count"), [(1, 0), (85, 1)])
def test_a_sign_in_that_was_not_used_for_long_is_in_doubt(tmp_path: Path, age: int, count: int) -> None:
    config = configured(tmp_path, 'flow = "device-code"')
    credential = config.credentials["acme"]
    assert isinstance(credential, EntraCredential)
    then = NOW - timedelta(days=age)
    SignIns(config.service.state_dir).put("acme", SignIn.to(credential, "ann@acme.example", "canary-r", then))

    account, found = sign_in_warnings("acme", credential, config.service.state_dir)

    assert account == "ann@acme.example"
    assert len(found) == count


def test_if_nobody_signed_in_nothing_is_made(tmp_path: Path) -> None:
    config = configured(tmp_path, 'flow = "device-code"')
    credential = config.credentials["acme"]
    assert isinstance(credential, EntraCredential)
    with pytest.raises(SecretError):
        sign_in_warnings("acme", credential, config.service.state_dir)
    assert not config.service.state_dir.exists()
