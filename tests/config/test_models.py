from __future__ import annotations

import pwd
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Config, Mailbox, MaildirSink, Service, SpoolSink, default_state_dir
from mailsluice.config.types import SecretRef
from mailsluice.errors import ConfigurationError
from mailsluice.model import MailboxKey
from support.secrecy import CANARY


def mailbox(**keys: object) -> Mailbox:
    usual = {
        "name": "invoices",
        "address": "Invoices@Acme.example",
        "credential": "acme",
        "host": "Pop.Acme.example",
        "sink": SpoolSink(path=Path("/spool")),
    }
    return Mailbox.model_validate(usual | keys)


def entra(**keys: object) -> EntraCredential:
    usual = {
        "tenant_id": "acme.example",
        "client_id": "app",
        "client_secret": SecretRef("keyring", "acme"),
    }
    return EntraCredential.model_validate(usual | keys)


def test_what_a_mailbox_does_not_say_is_the_default_of_the_contract() -> None:
    box = mailbox()
    assert (box.port, box.every, box.cron) == (995, timedelta(minutes=2), None)
    assert (box.leave_on_server, box.max_message, box.max_per_poll) == (False, 200 * 1024 * 1024, 1000)


def test_spool_files_are_for_owner_and_group_and_a_maildir_for_its_owner() -> None:
    assert SpoolSink(path=Path("/s")).mode == 0o640
    assert MaildirSink(path=Path("/s")).mode == 0o600


def test_a_mailbox_is_the_same_in_any_spelling_of_host_and_address() -> None:
    assert mailbox().key == MailboxKey(host="pop.acme.example", address="invoices@acme.example")


def test_a_cron_line_takes_the_place_of_the_default_interval() -> None:
    assert mailbox(cron="0 3 * * *").every is None


def test_interval_and_cron_line_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        mailbox(cron="0 3 * * *", every="2m")


@pytest.mark.parametrize(
    ("cloud", "host", "login"),
    [
        ("worldwide", "outlook.office365.com", "login.microsoftonline.com"),
        ("gcc-high", "outlook.office365.us", "login.microsoftonline.us"),
        ("dod", "outlook-dod.office365.us", "login.microsoftonline.us"),
        ("china", "partner.outlook.cn", "login.partner.microsoftonline.cn"),
    ],
)
def test_a_cloud_has_its_own_server_authority_and_scope(cloud: str, host: str, login: str) -> None:
    credential = entra(cloud=cloud)
    assert credential.default_host == host
    assert credential.authority == f"https://{login}/acme.example"
    assert credential.scope == f"https://{host}/.default"


def test_authority_and_scope_can_be_given() -> None:
    credential = entra(authority="https://localhost:8443/tenant", scope="api://x/.default")
    assert (credential.authority, credential.scope) == ("https://localhost:8443/tenant", "api://x/.default")


@pytest.mark.parametrize(
    "keys", [{"port": "995"}, {"port": True}, {"max_per_poll": 1.0}, {"max_per_poll": 0}, {"port": 65536}]
)
def test_nothing_is_converted_that_nobody_wrote(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        mailbox(**keys)


def test_an_error_of_a_model_does_not_repeat_its_input() -> None:
    with pytest.raises(ValidationError) as caught:
        entra(client_secret=CANARY, client_id=f"~{CANARY}", cloud=CANARY)
    assert CANARY not in str(caught.value)


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError):
        mailbox().port = 110  # type: ignore[misc]


def test_a_configuration_may_be_empty() -> None:
    assert not Config(service=Service(state_dir=Path("/state"))).mailboxes


def at_home_in(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system's list of users have this home for us; None: let us not be in it."""

    def account(uid: int) -> pwd.struct_passwd:
        if home is None:
            raise KeyError(uid)
        return pwd.struct_passwd(("ann", "x", uid, uid, "", home, "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", account)


def test_the_state_directory_of_a_user_is_the_same_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_home_in("/home/ann", monkeypatch)
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    monkeypatch.setenv("HOME", "/root")
    assert Service().state_dir == Path("/home/ann/.local/state/mailsluice")


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home_must_name_the_state_directory(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    at_home_in(home, monkeypatch)
    with pytest.raises(ConfigurationError, match=r"service\.state_dir"):
        default_state_dir()


def test_where_a_unit_provides_a_state_directory_the_configuration_must_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/mailsluice:/var/lib/other")
    with pytest.raises(ConfigurationError, match=r'write it out: state_dir = "/var/lib/mailsluice"$'):
        default_state_dir()
    assert Service(state_dir=Path("/state")).state_dir == Path("/state")


@pytest.mark.parametrize("model", [Service, EntraCredential, Mailbox, SpoolSink, MaildirSink])
def test_every_key_is_described_and_has_an_example_that_is_right(model: type[Service]) -> None:
    for key, info in model.model_fields.items():
        assert info.description, key
        assert info.examples, key
