"""A machine in Azure: its service for tokens in each of its forms, and the clouds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from mailsluice_sandbox import Answer, Close, Fault, Machine, Refuse, Sandbox
from mailsluice_sandbox.tokens import AUDIENCES, POP, Cloud
from sandbox.raw_client import ADDRESS, RawClient

RESOURCE = AUDIENCES["worldwide"]
METADATA = {"Metadata": "true"}


@pytest.fixture
def machine(sandbox: Sandbox, tmp_path: Path) -> Machine:
    return sandbox.machine(tmp_path)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


class Asker:
    def __init__(self, machine: Machine, http: requests.Session) -> None:
        self._machine, self._http = machine, http

    def _get(self, url: str, headers: dict[str, str], keys: dict[str, str]) -> requests.Response:
        return self._http.get(url, params={"resource": RESOURCE, **keys}, headers=headers, timeout=10)

    def vm(self, headers: dict[str, str] = METADATA, **keys: str) -> requests.Response:
        address = self._machine.vm["AZURE_POD_IDENTITY_AUTHORITY_HOST"]
        return self._get(f"{address}/metadata/identity/oauth2/token", headers, keys)

    def app_service(self, header: str | None = None, **keys: str) -> requests.Response:
        found = self._machine.app_service
        return self._get(
            found["IDENTITY_ENDPOINT"], {"X-IDENTITY-HEADER": header or found["IDENTITY_HEADER"]}, keys
        )

    def arc(self, key: str = "", **keys: str) -> requests.Response:
        headers = {**METADATA, **({"Authorization": f"Basic {key}"} if key else {})}
        return self._get(self._machine.arc["IDENTITY_ENDPOINT"], headers, keys)

    def challenged(self) -> Path:
        return Path(self.arc().headers["WWW-Authenticate"].removeprefix("Basic realm="))


@pytest.fixture
def ask(machine: Machine, http: requests.Session) -> Asker:
    return Asker(machine, http)


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_a_machines_token_opens_a_mailbox(sandbox: Sandbox, ask: Asker) -> None:
    with RawClient(sandbox) as client:
        assert client.log_in(ADDRESS, ask.vm().json()["access_token"]).startswith(b"+OK")


def test_the_metadata_service_says_numbers_as_texts(ask: Asker, machine: Machine) -> None:
    answer = ask.vm().json()
    assert answer["expires_in"] == "86400"
    assert claims(answer["access_token"])["appid"] == answer["client_id"] == machine.system_assigned


def test_the_metadata_service_wants_its_header(ask: Asker) -> None:
    assert ask.vm({}).status_code == 400


def test_the_one_user_assigned_identity_is_meant_if_there_is_no_other(ask: Asker, machine: Machine) -> None:
    machine.system_assigned = None
    assert ask.vm().json()["error_description"] == "Identity not found"
    only = machine.assign()
    assert claims(ask.vm().json()["access_token"])["appid"] == only
    machine.assign()
    assert ask.vm().json()["error_description"].startswith("Multiple user assigned identities exist")


def test_an_unknown_identity_or_resource_is_refused(ask: Asker) -> None:
    assert ask.vm(client_id="nobody").status_code == 400
    assert ask.vm(resource="https://other.example").json()["error"] == "invalid_resource"


def test_app_service_wants_its_header_and_says_when_a_token_ends(ask: Asker) -> None:
    assert ask.app_service("other").status_code == 401
    answer = ask.app_service().json()
    assert "expires_in" not in answer
    assert int(answer["expires_on"]) == claims(answer["access_token"])["exp"]


def test_app_service_is_vague_about_a_wrong_resource(ask: Asker) -> None:
    assert ask.app_service(resource="https://other.example").status_code == 500


def test_app_service_needs_the_client_id_of_an_identity_that_was_assigned(
    ask: Asker, machine: Machine
) -> None:
    machine.system_assigned = None
    only = machine.assign()
    assert ask.app_service().status_code == 400
    assert ask.app_service(client_id=only).status_code == 200


def test_arc_wants_the_key_that_it_put_into_a_file_and_takes_it_once(ask: Asker, tmp_path: Path) -> None:
    file = ask.challenged()
    assert file.parent == tmp_path
    key = file.read_text()
    assert ask.arc(key).status_code == 200
    assert not file.exists()
    assert ask.arc(key).status_code == 401
    assert ask.arc("wrong").status_code == 401


def test_an_old_agent_gives_the_machines_identity_whatever_was_asked_for(
    ask: Asker, machine: Machine
) -> None:
    other = machine.assign()
    new = ask.arc(ask.challenged().read_text(), client_id=other).json()
    machine.is_old = True
    old = ask.arc(ask.challenged().read_text(), client_id=other).json()
    assert (new["client_id"], old["client_id"]) == (other, machine.system_assigned)


def test_faults_strike_here_too(sandbox: Sandbox, ask: Asker) -> None:
    sandbox.faults.add(Fault("IDENTITY", Answer(429, b"slow", {"Retry-After": "7"})))
    assert ask.vm().headers["Retry-After"] == "7"
    sandbox.faults.add(Fault("IDENTITY", Close()))
    with pytest.raises(requests.ConnectionError):
        ask.vm()
    with pytest.raises(ValueError, match="cannot happen"):
        Fault("IDENTITY", Refuse("no"))


@pytest.mark.parametrize("cloud", AUDIENCES)
def test_each_cloud_has_an_audience_of_its_own(cloud: Cloud) -> None:
    with Sandbox(cloud=cloud) as sandbox:
        sandbox.mailbox(ADDRESS)
        token = sandbox.entra.tokens.mint()
        assert claims(token)["aud"] == AUDIENCES[cloud]
        assert sandbox.entra.tokens.bearer(token, POP)
        other = sandbox.entra.tokens.mint(claims={"aud": "https://graph.microsoft.com"})
        assert not sandbox.entra.tokens.bearer(other, POP)
