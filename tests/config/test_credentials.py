from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.config.types import SecretRef

Told = Callable[[str], list[str]]
IDS = {"tenant_id": "acme.example", "client_id": "app"}
SECRET = {"client_secret": "keyring:acme"}


@pytest.mark.parametrize(
    ("keys", "way"),
    [
        ({**IDS, **SECRET}, Way.SECRET),
        ({**IDS, "certificate": "file:/acme.pfx"}, Way.CERTIFICATE),
        ({**IDS, "assertion": "file:/run/token"}, Way.ASSERTION),
        ({**IDS, "assertion_command": ["/bin/assert"]}, Way.ASSERTION_COMMAND),
        ({**IDS, "flow": "device-code"}, Way.DEVICE_CODE),
        ({**IDS, "flow": "browser"}, Way.BROWSER),
        ({"flow": "managed-identity"}, Way.MANAGED_IDENTITY),
        ({"flow": "managed-identity", "client_id": "app"}, Way.MANAGED_IDENTITY),
    ],
)
def test_one_key_says_which_way_is_used(keys: dict[str, object], way: Way) -> None:
    assert EntraCredential.model_validate(keys).way is way


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", "credentials.a: has no way to get a token; write one of client_secret, certificate, "),
        (
            "client_secret = 'keyring:a'\ncertificate = 'keyring:b'",
            "credentials.a: `client_secret` and `certificate` exclude each other; keep one",
        ),
        (
            "client_secret = 'keyring:a'\nflow = 'browser'",
            'credentials.a: `client_secret` and `flow = "browser"` exclude each other; keep one',
        ),
        ("flow = 'browser'\nexpires = 2027-05-01", "credentials.a: `expires` is for `client_secret` alone"),
        (
            "client_secret = 'keyring:a'\ncertificate_password = 'keyring:b'",
            "credentials.a: `certificate_password` is for `certificate` alone",
        ),
        ("client_secret = 'keyring:a'\nexpires = 'May 2027'", "credentials.a.expires: must be a day such as"),
        (
            "client_secret = 'keyring:a'\nexpires = 2027-05-01T00:00:00Z",
            "credentials.a.expires: must be a day such as",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_told(mistakes: Told, keys: str, told: str) -> None:
    text = f"[credentials.a]\nkind = 'entra'\ntenant_id = 'acme.example'\nclient_id = 'app'\n{keys}"
    assert any(told in line for line in mistakes(text)), mistakes(text)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("flow = 'managed-identity'\ntenant_id = 'acme.example'", "remove `tenant_id`: "),
        ("flow = 'managed-identity'\nauthority = 'https://login.acme.example/a'", "remove `authority`: "),
        (
            "flow = 'managed-identity'\ntenant_id = 'a.example'\nca_file = '/ca.pem'",
            "remove `tenant_id` and `ca_file`: ",
        ),
        (
            "tenant_id = 'a.example'\nclient_id = 'app'\nassertion_command = ['/bin/assert', '{address}']",
            "remove {address}",
        ),
    ],
)
def test_a_key_without_effect_is_told(mistakes: Told, keys: str, told: str) -> None:
    assert any(told in line for line in mistakes(f"[credentials.a]\nkind = 'entra'\n{keys}"))


def test_a_missing_tenant_and_a_missing_client_are_told_at_once(mistakes: Told) -> None:
    told = mistakes("[credentials.a]\nkind = 'entra'\nclient_secret = 'keyring:a'")
    assert [line.split(": ")[1] for line in told] == ["credentials.a.tenant_id", "credentials.a.client_id"]


@pytest.mark.parametrize(
    ("cloud", "login", "app", "delegated"),
    [
        ("worldwide", "login.microsoftonline.com", "outlook.office365.com", "outlook.office.com"),
        ("gcc-high", "login.microsoftonline.us", "outlook.office365.us", "outlook.office365.us"),
        ("dod", "login.microsoftonline.us", "outlook-dod.office365.us", "outlook-dod.office365.us"),
        ("china", "login.partner.microsoftonline.cn", "partner.outlook.cn", "partner.outlook.cn"),
    ],
)
def test_a_cloud_sets_authority_scope_and_host(cloud: str, login: str, app: str, delegated: str) -> None:
    secret = EntraCredential.model_validate({**IDS, **SECRET, "cloud": cloud})
    person = EntraCredential.model_validate({**IDS, "flow": "device-code", "cloud": cloud})
    assert secret.authority == person.authority == f"https://{login}/acme.example"
    assert secret.scope == f"https://{app}/.default"
    assert person.scope == f"https://{delegated}/POP.AccessAsUser.All"
    assert secret.default_host == person.default_host == app


def test_authority_and_scope_of_a_cloud_can_be_replaced() -> None:
    own = {"authority": "https://login.acme.example/acme", "scope": "https://mail.acme.example/.default"}
    credential = EntraCredential.model_validate({**IDS, **SECRET, "cloud": "china", **own})
    assert (credential.authority, credential.scope) == (own["authority"], own["scope"])


@pytest.mark.parametrize("value", ["2027-05-01", date(2027, 5, 1)])
def test_the_end_of_a_secret_is_a_day(value: object) -> None:
    credential = EntraCredential.model_validate({**IDS, **SECRET, "expires": value})
    assert credential.expires == date(2027, 5, 1)
    assert credential.client_secret == SecretRef("keyring", "acme")
