"""What `poll`, the log and `status` say of a mailbox that Exchange Online does not let in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailsluice.app import Service
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.ledger.ledger import Ledger
from mailsluice.status.presence import look
from mailsluice.status.report import status_of
from mailsluice.system.signals import Signals
from mailsluice_sandbox import Sandbox
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE, Fault, Refuse

PRINCIPAL, FULL_ACCESS = "New-ServicePrincipal", "has no FullAccess"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        for name in ("a", "b"):
            sandbox.mailbox(f"{name}@acme.example")
        yield sandbox


@pytest.fixture(autouse=True)
def all_well(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.faults.clear()
    for name in ("a", "b"):
        sandbox.mailbox(f"{name}@acme.example").full_access = True


@pytest.fixture
def config(config: Config, tmp_path: Path) -> Config:
    """Two mailboxes with one credential."""
    file = tmp_path / "mailsluice.toml"
    text = file.read_text()
    first = text[text.index("[mailboxes.a]") :]
    file.write_text(text + first.replace("a@", "b@").replace(".a]", ".b]").replace("/spool", "/other"))
    return load(file)


def signed_in(config: Config, sandbox: Sandbox, person: str) -> Config:
    """The same mailboxes, for which this person has signed in."""
    file = config.service.state_dir.parent / "mailsluice.toml"
    lines = file.read_text().splitlines()
    file.write_text(
        "\n".join('flow = "device-code"' if line.startswith("client_secret") else line for line in lines)
    )
    config = load(file)
    credential = config.credentials["entra"]
    assert isinstance(credential, EntraCredential)
    sign_in = SignIn.to(credential, person, sandbox.sign_ins.sign_in(person), datetime.now(UTC))
    SignIns(config.service.state_dir).put("entra", sign_in)
    return config


def poll(config: Config, *names: str) -> dict[str, str]:
    """The details of these mailboxes' polls, in this order, as `status` shows them, too."""
    with capture_logs() as log, Service(config) as service:
        for name in names:
            service.round([config.mailboxes[name]], Signals())
    details = {line["mailbox"]: line["detail"] for line in log if line["event"] == "session"}
    with Ledger(config.service.state_dir, read_only=True) as ledger:
        reports = ledger.reports.read()
    status = status_of(
        config.mailboxes.values(), reports, look(config.service.state_dir), now=datetime.now(UTC)
    )
    shown = {row.mailbox: row.error for row in status.mailboxes if row.mailbox in names}
    assert shown == details
    return details


def test_a_token_without_the_role_names_admin_consent_alone(
    config: Config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = sandbox.entra.tokens.mint
    monkeypatch.setattr(sandbox.entra.tokens, "mint", lambda **_: mint(claims={"roles": None}))

    told = poll(config, "a")["a"]

    assert "grant admin consent" in told
    for other in (PRINCIPAL, FULL_ACCESS, "POP is off", "throttles"):
        assert other not in told


def test_a_token_of_another_tenant_is_told_by_what_is_configured(
    config: Config, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "0a1b2c3d-0000-4000-8000-00000000000f"
    mint = sandbox.entra.tokens.mint
    monkeypatch.setattr(sandbox.entra.tokens, "mint", lambda **_: mint(claims={"tid": other}))
    sandbox.mailbox("a@acme.example").full_access = False

    assert f"the token is of another tenant than {sandbox.tenant_id}" in poll(config, "a")["a"]


def test_once_a_sibling_is_in_the_service_principal_is_not_spoken_of(
    config: Config, sandbox: Sandbox
) -> None:
    sandbox.mailbox("b@acme.example").full_access = False

    assert PRINCIPAL in poll(config, "b")["b"]
    told = poll(config, "a", "b")["b"]

    assert PRINCIPAL not in told
    assert FULL_ACCESS in told


def test_if_nobody_of_the_credential_gets_in_the_service_principal_comes_first(
    config: Config, sandbox: Sandbox
) -> None:
    for name in ("a", "b"):
        sandbox.mailbox(f"{name}@acme.example").full_access = False

    told = poll(config, "a", "b")["b"]

    assert "probably Exchange Online does not know the application" in told
    assert told.index(PRINCIPAL) < told.index(FULL_ACCESS)


def test_a_mailbox_that_was_just_in_is_probably_throttled(config: Config, sandbox: Sandbox) -> None:
    assert poll(config, "a") == {"a": ""}
    sandbox.faults.add(Fault("LOGIN", AUTHENTICATION_FAILURE, times=100))

    told = poll(config, "a")["a"]

    assert "probably the server throttles" in told
    assert told.index("throttles") < told.index(FULL_ACCESS)


def test_a_login_without_a_mailbox_behind_it_is_told_the_same_way(config: Config, sandbox: Sandbox) -> None:
    refused = Refuse("Command is not valid in this state.")
    sandbox.faults.add(Fault("UIDL", refused, times=100))

    told = poll(config, "a")["a"]

    assert FULL_ACCESS in told
    assert "check a` says how to tell them apart" in told


def test_a_person_without_full_access_is_named(config: Config, sandbox: Sandbox) -> None:
    config = signed_in(config, sandbox, "ann@acme.example")

    told = poll(config, "a")["a"]

    assert "ann@acme.example has no FullAccess to the mailbox" in told
    assert PRINCIPAL not in told
