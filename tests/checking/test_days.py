"""`check` on days when it is called wrongly, beside a daemon, as another user, or where nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from mailsluice.config.load import load
from mailsluice.ledger import open_ledger
from mailsluice_sandbox import Fault, Sandbox, Silence
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE, When
from support.interrupting import interrupt_after
from support.program import PATIENCE
from support.tenant import Ended, Tenant, ended, shorten
from support.users import ANN, NOBODY, acting_as, common_ground, given, need_root

SOON = 0.3
"""Seconds that a silent server is waited for. Nothing else in the same test has so little time."""


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Iterator[Sandbox]:
    """One for all tests of this module: each ends its faults."""
    yield _sandbox
    _sandbox.faults.clear()


@pytest.fixture
def tenant(tmp_path: Path, sandbox: Sandbox) -> Tenant:
    return Tenant(tmp_path, sandbox)


def is_an_answer(end: Ended) -> bool:
    """Whether people can read what was said: it is no traceback."""
    return bool(end.stdout + end.stderr) and "Traceback" not in end.stdout + end.stderr


# What is configured


def test_a_mailbox_that_is_not_configured_is_wrong_usage_and_the_others_are_listed(tenant: Tenant) -> None:
    end = tenant.check("invoises")
    assert end.code == 64
    assert "no mailbox 'invoises'; there are: invoices, scans, far" in end.stderr


def test_a_credential_that_is_not_configured_is_a_mistake_with_its_place(tenant: Tenant) -> None:
    tenant.mailbox["credential"] = "amce"
    end = tenant.check("--json")
    assert end.code == 78
    assert end.stdout == ""
    assert f'{tenant.config}: defaults.credential: unknown credential; did you mean "acme"?' in end.stderr
    assert is_an_answer(end)


@pytest.mark.parametrize("text", ["[service", "\0", "[service]\nstate_dir = 7\n", "\x80"])
def test_a_configuration_that_cannot_be_read_is_an_answer(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mailsluice.toml"
    file.write_bytes(text.encode("latin-1"))
    end = ended("-c", str(file), "check")
    assert end.code == 78
    assert str(file) in end.stderr
    assert is_an_answer(end)


def test_a_configuration_that_is_missing_is_an_answer(tmp_path: Path) -> None:
    end = ended("-c", str(tmp_path / "none.toml"), "check")
    assert end.code == 78
    assert "none.toml" in end.stderr
    assert is_an_answer(end)


# Beside a daemon


def test_while_a_poll_goes_on_no_session_is_opened_and_its_last_outcome_is_told(tenant: Tenant) -> None:
    assert tenant.poll().code == 0
    before = len(tenant.box.sessions)
    config = load(tenant.config)
    with open_ledger(config.service) as ledger, ledger.leases.hold(config.mailboxes["invoices"].key):
        end = tenant.check()
        found, other = tenant.check("--json").json["mailboxes"]
    assert end.code == 0
    assert len(tenant.box.sessions) == before
    (told,) = (line for line in end.conclusion if line.startswith("invoices: a poll of it goes on"))
    assert "no session was opened. Its last poll: ok" in told
    assert "scans: everything works. Nothing was fetched or changed." in end.conclusion
    assert (found["polled_now"], found["ok"], other["polled_now"]) == (True, True, False)
    assert found["last_outcome"] == "ok"


def test_while_a_poll_goes_on_the_error_of_the_last_one_is_told(tenant: Tenant, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("LOGIN", AUTHENTICATION_FAILURE))
    assert tenant.poll("invoices").code == 77
    config = load(tenant.config)
    with open_ledger(config.service) as ledger, ledger.leases.hold(config.mailboxes["invoices"].key):
        (told,) = tenant.check("invoices").conclusion
    assert "Its last poll: login-refused, begun less than a minute ago" in told
    assert "did not accept the login of invoices@acme.example" in told


def test_it_changes_nothing(tenant: Tenant, sandbox: Sandbox) -> None:
    tenant.box.deliver(b"Subject: a\r\n\r\n")
    before = len(tenant.box.sessions)
    assert tenant.check().code == 0
    (session,) = tenant.box.sessions[before:]
    assert session.commands == ["STAT", "QUIT"]
    assert not (tenant.folder / "state").exists()
    assert list((tenant.folder / "invoices").iterdir()) == []


# As another user


def test_root_is_sent_to_the_user_who_runs_the_daemon(tenant: Tenant) -> None:
    need_root()
    given(tenant.folder / "state", NOBODY)
    end = tenant.check()
    assert end.code == 77
    assert "this runs as root, who may read more than the user 'nobody'" in end.stderr
    assert "check as that user: `" in end.stderr


def test_a_user_who_may_not_read_the_secret_or_the_ledger_is_told_so(sandbox: Sandbox) -> None:
    need_root()
    with common_ground() as folder:
        tenant = Tenant(folder, sandbox)
        authority = folder / "ca.pem"
        authority.write_bytes(sandbox.ca_file.read_bytes())
        tenant.credential["ca_file"] = tenant.mailbox["ca_file"] = str(authority)
        assert tenant.poll().code == 0
        tenant.check()  # another user may have no way to what is imported late
        tenant.config.chmod(0o644)
        with acting_as(ANN):
            end = ended("-c", str(tenant.config), "check", "invoices")
    assert end.code == 77
    assert is_an_answer(end)
    assert str(folder / "secret") in end.conclusion[0]
    assert f"the state directory {folder}/state belongs to another user, root" in end.stdout


# Where nobody answers


@pytest.mark.parametrize(
    ("when", "deadline", "step"),
    [
        ("TOKEN_CONNECT", "tls", "TLS"),
        ("DISCOVERY", "token", "token"),
        ("TOKEN", "token", "token"),
        ("CONNECT", "tls", "TLS"),
        ("GREETING", "greeting", "greeting"),
        ("CAPA", "greeting", "CAPA"),
        ("AUTH", "auth", "AUTH"),
        ("LOGIN", "auth", "AUTH"),
        ("STAT", "listing", "STAT"),
    ],
)
def test_a_server_that_says_nothing_is_no_answer_yet_and_no_verdict(
    tenant: Tenant, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, when: When, deadline: str, step: str
) -> None:
    shorten(monkeypatch, **{deadline: SOON})
    sandbox.faults.add(Fault(when, Silence(), times=None))
    end = tenant.check("invoices")
    assert end.code == 75
    assert f"invoices: {step} " in end.conclusion[0]
    assert " has no answer yet" in end.conclusion[0]
    assert not any("failed" in line for line in end.conclusion)
    assert any("no answer yet" in line and f"  {step}" in line for line in end.stdout.splitlines())
    assert any("try again in some minutes" in line for line in end.conclusion)


def test_ctrl_c_ends_it_at_once_without_a_word(tenant: Tenant, sandbox: Sandbox) -> None:
    silence = sandbox.faults.add(Fault("LOGIN", Silence(), times=None))

    interrupt_after(silence.wait)
    begun = monotonic()
    end = tenant.check()
    assert end.code == 130
    assert monotonic() - begun < PATIENCE
    assert "Traceback" not in end.stdout + end.stderr


# Many at once


MANY = tuple(f"box{number}" for number in range(30))


def test_thirty_mailboxes_are_checked_at_once_with_one_token(tmp_path: Path, sandbox: Sandbox) -> None:
    tenant = Tenant(tmp_path, sandbox, *MANY)
    before = sandbox.entra.token_requests
    end = tenant.check()
    assert end.code == 0
    (told,) = end.conclusion
    assert told.startswith("box0, box1, box2, box3, box4 and 25 more: everything works.")
    assert sandbox.entra.token_requests == before + 1
    assert all(len(box.sessions) == 1 for box in tenant.boxes.values())


def test_thirty_mailboxes_with_one_cause_are_told_once(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.exchange, "service_principal", None)
    end = Tenant(tmp_path, sandbox, *MANY).check()
    assert end.code == 77
    assert end.conclusion[0].startswith("box0, box1, box2, box3, box4 and 25 more: AUTH ")
    assert len(end.conclusion) < 60
    assert sum("and the same for box5, box6," in line for line in end.conclusion) == 4
