"""What a configuration says to who sets up a tenant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.credentials import Way
from mailsluice.config.load import load
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.tenant.setup import Setup

Configured = Callable[..., Setup]
APP = 'kind = "entra"\ntenant_id = "acme.example"\nclient_id = "11111111-1111-1111-1111-111111111111"\n'


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """The setup of `[credentials.acme]` with these keys, in a configuration with these mailboxes."""

    def setup(credential: str, mailboxes: dict[str, str], service: str = "") -> Setup:
        text = f"[service]\n{service}\n[credentials.acme]\n{credential}\n[credentials.b]\n{APP}flow = 'browser'\n"
        for name, keys in mailboxes.items():
            text += f"[mailboxes.{name}]\ncredential = 'acme'\naddress = '{name}@acme.example'\n{keys}\n"
            text += f"sink = {{ kind = 'spool', path = '{tmp_path}/{name}' }}\n"
        path = tmp_path / "mailsluice.toml"
        path.write_text(text)
        path.chmod(0o600)
        return Setup.of(load(path), "acme")

    return setup


def reached(setup: Setup) -> list[tuple[str, int, str, str]]:
    return [(server.host, server.port, server.use, server.through) for server in setup.reached()]


def test_the_addresses_are_those_that_the_credential_opens(configured: Configured) -> None:
    setup = configured(f"{APP}certificate = 'keyring:x'", {"a": "", "b": ""})
    assert setup.mailboxes == ("a@acme.example", "b@acme.example")
    assert (setup.name, setup.way, setup.proof) == ("acme", Way.CERTIFICATE, SecretRef("keyring", "x"))


def test_each_server_is_there_once(configured: Configured) -> None:
    setup = configured(
        f"{APP}client_secret = 'file:/x'",
        {"a": "", "b": "", "c": "host = 'pop.acme.example'\nport = 1995"},
    )
    assert reached(setup) == [
        ("login.microsoftonline.com", 443, "tokens", "directly"),
        ("outlook.office365.com", 995, "mail", "directly"),
        ("pop.acme.example", 1995, "mail", "directly"),
    ]


def test_a_server_is_reached_as_the_configuration_says_for_it(configured: Configured) -> None:
    setup = configured(
        f"{APP}client_secret = 'file:/x'",
        {"a": "", "b": "host = 'b.acme.example'\nproxy = 'none'", "c": "proxy = 'environment'"},
        service="proxy = 'http://proxy.acme.example:3128'",
    )
    assert [(host, through) for host, _, _, through in reached(setup)] == [
        ("login.microsoftonline.com", "proxy.acme.example:3128"),
        ("outlook.office365.com", "proxy.acme.example:3128"),
        ("b.acme.example", "directly"),
        ("outlook.office365.com", "the proxy that the environment names"),
    ]


def test_an_identity_provider_of_ones_own_is_the_one_to_reach(configured: Configured) -> None:
    setup = configured(f"{APP}client_secret = 'file:/x'\nauthority = 'https://id.acme.example:8443/acme'", {})
    assert reached(setup) == [
        ("id.acme.example", 8443, "tokens", "directly"),
        ("outlook.office365.com", 995, "mail", "directly"),
    ]


def test_a_managed_identity_asks_its_machine_and_never_through_a_proxy(configured: Configured) -> None:
    setup = configured(
        "kind = 'entra'\nflow = 'managed-identity'",
        {"a": ""},
        service="proxy = 'http://proxy.acme.example:3128'",
    )
    assert [(host, through) for host, _, _, through in reached(setup)] == [
        ("169.254.169.254", "directly"),
        ("outlook.office365.com", "proxy.acme.example:3128"),
    ]


@pytest.mark.parametrize(
    ("cloud", "hosts"),
    [
        ("worldwide", ["login.microsoftonline.com", "outlook.office365.com"]),
        ("gcc-high", ["login.microsoftonline.us", "outlook.office365.us"]),
        ("dod", ["login.microsoftonline.us", "outlook-dod.office365.us"]),
        ("china", ["login.partner.microsoftonline.cn", "partner.outlook.cn"]),
    ],
)
def test_the_servers_are_those_of_the_cloud(configured: Configured, cloud: str, hosts: list[str]) -> None:
    setup = configured(f"{APP}client_secret = 'file:/x'\ncloud = '{cloud}'", {})
    assert [host for host, *_ in reached(setup)] == hosts


def test_a_token_command_asks_whom_it_likes(configured: Configured) -> None:
    setup = configured("kind = 'command'\ncommand = ['/bin/true']", {"a": ""})
    assert [host for host, *_ in reached(setup)] == ["outlook.office365.com"]


def test_without_a_configuration_the_servers_are_those_of_the_worldwide_cloud() -> None:
    assert reached(Setup()) == [
        ("login.microsoftonline.com", 443, "tokens", "directly"),
        ("outlook.office365.com", 995, "mail", "directly"),
    ]
