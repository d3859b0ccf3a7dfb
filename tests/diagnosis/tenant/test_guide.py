"""The set-up of a tenant, as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mailsluice import invocation
from mailsluice.auth.sources.certificate import certificate_in
from mailsluice.config.credentials import Cloud, Way
from mailsluice.config.proxy import ProxyAddress
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.facts import Access
from mailsluice.diagnosis.tenant.guide import guide
from mailsluice.diagnosis.tenant.setup import Server, Setup

TENANT = "00000000-0000-0000-0000-000000000000"
CLIENT = "11111111-1111-1111-1111-111111111111"
PEOPLE = (Way.DEVICE_CODE, Way.BROWSER)
APPLICATIONS = tuple(way for way in Way if way not in PEOPLE)
ADDRESSES = ("invoices@acme.example", "o'hara@acme.example")


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of ours are spelled by their name alone."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    invocation.note_file(None)


def known(way: Way | None, cloud: Cloud = "worldwide", proof: SecretRef | None = None) -> Setup:
    access = Access("acme", way, TENANT, CLIENT, cloud, f"https://login.microsoftonline.com/{TENANT}")
    return Setup(access, ADDRESSES, proof=proof)


SETUPS = (Setup(), *map(known, Way), known(None))


def code(text: str) -> list[str]:
    """The lines to copy, as they are copied."""
    return [line[6:] for line in text.splitlines() if line.startswith(" " * 6)]


@pytest.mark.parametrize(
    "setup",
    [*SETUPS, known(Way.MANAGED_IDENTITY, "dod"), known(Way.CERTIFICATE, "china")],
    ids=lambda setup: f"{setup.way} {setup.cloud}",
)
def test_it_fits_on_a_terminal(setup: Setup) -> None:
    assert max(map(len, guide(setup).splitlines())) <= 100


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: str(setup.way))
def test_its_steps_are_counted_and_each_name_is_filled_in(setup: Setup) -> None:
    text = guide(setup)
    numbers = re.findall(r"^(\d+)\. ", text, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert not re.search(r"\{[a-z]|\}\}|\{\{", text)


def test_without_a_configuration_it_says_what_to_write_into_it_and_leaves_open_what_it_cannot_know() -> None:
    lines = code(guide(Setup()))
    assert 'tenant_id = "<Directory (tenant) ID>"' in lines
    assert "$app = '<Application (client) ID>'" in lines
    assert "    '<address of a mailbox>'" in lines


def test_without_a_configuration_the_certificate_comes_before_the_client_secret() -> None:
    text = guide(Setup())
    assert text.index("openssl req") < text.index("New client secret")


def test_what_the_configuration_says_is_filled_in_as_powershell_quotes_it() -> None:
    lines = code(guide(known(Way.CERTIFICATE)))
    assert f"$app = '{CLIENT}'" in lines
    at = lines.index("$mailboxes = @(")
    assert lines[at : at + 4] == [
        "$mailboxes = @(",
        "    'invoices@acme.example'",
        "    'o''hara@acme.example'",
        ")",
    ]
    assert not [line for line in lines if "tenant_id =" in line]


def test_an_address_a_path_and_a_file_with_braces_stay_as_they_are() -> None:
    invocation.note_file(Path("/etc/{x/}y.toml"))
    proof = SecretRef("file", "/etc/{a}/}")
    setup = Setup(Access("acme", Way.CERTIFICATE, TENANT, CLIENT), ("{host}@acme.example",), proof=proof)
    text = guide(setup)
    assert "    '{host}@acme.example'" in code(text)
    assert "mailsluice -c '/etc/{x/}y.toml' check" in code(text)
    assert "file:/etc/{a}/}" in text


@pytest.mark.parametrize("way", APPLICATIONS)
def test_an_application_is_registered_in_exchange_by_the_object_id_of_the_enterprise_application(
    way: Way,
) -> None:
    lines = code(guide(known(way)))
    assert "New-ServicePrincipal -AppId $app -ObjectId $object -DisplayName 'mailsluice'" in lines
    assert "    Add-MailboxPermission -Identity $mailbox -User $object -AccessRights FullAccess" in lines
    assert "$object = '<Object ID of the Enterprise application>'" in lines


@pytest.mark.parametrize("way", PEOPLE)
def test_a_person_needs_delegated_permission_public_client_flows_and_a_sign_in(way: Way) -> None:
    text = guide(known(way))
    assert "POP.AccessAsUser.All" in text
    assert "allow public client flows" in text
    assert "mailsluice login acme" in code(text)
    assert "New-ServicePrincipal" not in text
    assert "POP.AccessAsApp" not in text


def test_a_managed_identity_gets_its_role_by_powershell_and_has_nothing_to_register() -> None:
    text = guide(known(Way.MANAGED_IDENTITY))
    assert "New-MgServicePrincipalAppRoleAssignment" in text
    assert "App registrations" not in text
    assert "secret" not in text


@pytest.mark.parametrize("way", [Way.ASSERTION, Way.ASSERTION_COMMAND])
@pytest.mark.parametrize(
    ("cloud", "audience"),
    [("worldwide", "Exchange`"), ("dod", "ExchangeUSGov`"), ("china", "ExchangeChina`")],
)
def test_a_federated_credential_is_for_the_audience_of_the_cloud(
    way: Way, cloud: Cloud, audience: str
) -> None:
    assert f"`api://AzureADToken{audience}" in guide(known(way, cloud))


@pytest.mark.parametrize(
    ("cloud", "lines"),
    [
        ("worldwide", ["Connect-ExchangeOnline"]),
        ("gcc-high", ["Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovGCCHigh"]),
        ("dod", ["Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovDoD"]),
        ("china", ["Connect-ExchangeOnline -ExchangeEnvironmentName O365China"]),
    ],
)
def test_powershell_is_connected_to_the_cloud_before_anything_else(cloud: Cloud, lines: list[str]) -> None:
    connected = [line for line in code(guide(known(Way.SECRET, cloud))) if line.startswith("Connect-")]
    assert connected == lines * 2


def test_a_proxy_is_named_beside_each_host_that_is_reached_through_it() -> None:
    proxy = ProxyAddress("proxy.acme.example", 3128)
    servers = (
        Server("login.microsoftonline.com", 443, proxy, "tokens"),
        Server("pop.acme.example", 995, "none", "mail"),
    )
    text = guide(Setup(known(Way.SECRET).access, ADDRESSES, servers))
    assert re.search(r"login\.microsoftonline\.com +TCP 443 +tokens +proxy\.acme\.example:3128", text)
    assert re.search(r"pop\.acme\.example +TCP 995 +mail +directly", text)
    assert "CONNECT" in text


def test_without_a_proxy_none_is_spoken_of() -> None:
    assert "proxy" not in guide(known(Way.SECRET))


def test_the_other_doors_are_those_of_exchange_online_alone() -> None:
    assert re.search(r"smtp\.office365\.com +TCP 587", guide(Setup()))
    servers = (Server("pop.acme.example", 995, "none", "mail"),)
    assert "587" not in guide(Setup(known(Way.SECRET).access, ADDRESSES, servers))


def test_a_password_is_told_to_have_no_tenant() -> None:
    text = guide(Setup(Access("old", takes_password=True)))
    assert text.startswith("credentials.old is a password.")
    assert "1. " not in text


def test_a_token_command_is_told_what_to_ask_for() -> None:
    text = guide(known(None, "gcc-high"))
    assert "`https://outlook.office365.us/.default`" in text
    assert "openssl" not in text


def test_a_secret_in_a_file_is_put_there_and_not_into_the_keyring() -> None:
    for way in (Way.CERTIFICATE, Way.SECRET):
        text = guide(known(way, proof=SecretRef("file", "/etc/mailsluice/acme")))
        assert "file:/etc/mailsluice/acme" in text
        assert "secret set" not in text
        assert "secret delete" not in text


@pytest.mark.parametrize(
    ("proof", "made"),
    [(SecretRef("keyring", "acme-cert"), "stored"), (SecretRef("file", "/x"), "acme.pem")],
    ids=str,
)
def test_its_commands_make_a_certificate_that_can_be_used_and_leave_no_key_behind(
    tmp_path: Path, proof: SecretRef, made: str
) -> None:
    lines = code(guide(known(Way.CERTIFICATE, proof=proof)))
    at = next(number for number, line in enumerate(lines) if "openssl" in line)
    script = "\n".join(lines[at : at + 3]).replace("mailsluice secret set acme-cert", "cat > stored")
    subprocess.run(["/bin/sh", "-ec", script], cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    certificate = certificate_in((tmp_path / made).read_bytes(), None)
    assert (tmp_path / "acme.crt").read_text() == certificate.public
    assert {path.name for path in tmp_path.iterdir()} == {"acme.crt", made}


def test_a_key_that_was_not_stored_is_not_removed(tmp_path: Path) -> None:
    (line,) = [line for line in code(guide(known(Way.CERTIFICATE))) if "secret set" in line]
    for name in ("acme.key", "acme.crt"):
        (tmp_path / name).touch()
    script = line.replace("mailsluice secret set acme-cert", "false")
    ended = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, check=False)
    assert ended.returncode == 1
    assert (tmp_path / "acme.key").exists()


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: str(setup.way))
def test_no_line_asks_a_question_that_takes_the_next_line_for_its_answer(setup: Setup) -> None:
    lines = guide(setup).replace("`\n", "").splitlines()

    assert all("-Confirm:$false" in line for line in lines if line.strip().startswith("Remove-"))
    asking = [at for at, line in enumerate(lines) if line.strip().startswith("Install-Module ")]
    assert asking
    assert all(not lines[at + 1].strip() for at in asking)
