from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import msal
import pytest
import requests

from mailsluice_sandbox import Sandbox
from sandbox.raw_client import ADDRESS, HandClock, RawClient

SCOPE = "https://outlook.office.com/POP.AccessAsUser.All"
ANN = "ann@acme.example"


@pytest.fixture
def application(sandbox: Sandbox) -> Iterator[Callable[[], msal.PublicClientApplication]]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(sandbox.ca_file)
        yield lambda: msal.PublicClientApplication(
            sandbox.client_id, authority=sandbox.authority, instance_discovery=False, http_client=session
        )


Make = Callable[[], msal.PublicClientApplication]


def refresh(application: Make, token: str) -> dict[str, Any]:
    answer: dict[str, Any] = application().acquire_token_by_refresh_token(token, [SCOPE])
    return answer


def by_code(application: Make, flow: dict[str, Any]) -> dict[str, Any]:
    once = {"device_code": flow["device_code"], "interval": 1}
    answer: dict[str, Any] = application().acquire_token_by_device_flow(once, exit_condition=lambda _: True)
    return answer


def test_a_device_code_waits_for_a_person(sandbox: Sandbox, application: Make) -> None:
    flow = application().initiate_device_flow([SCOPE])
    assert flow["message"].startswith("To sign in, open https://microsoft.com/devicelogin")
    assert by_code(application, flow)["error"] == "authorization_pending"
    assert sandbox.sign_ins.waiting == (flow["user_code"],)
    sandbox.sign_ins.approve(flow["user_code"], ANN)
    answer = by_code(application, flow)
    assert answer["id_token_claims"]["preferred_username"] == ANN
    assert answer["refresh_token"]
    assert by_code(application, flow)["error"] == "bad_verification_code"
    assert sandbox.sign_ins.tries(flow["user_code"]) == 2


def test_a_device_code_is_declined_or_expires(sandbox: Sandbox, application: Make, clock: HandClock) -> None:
    first, second, third = (application().initiate_device_flow([SCOPE]) for _ in range(3))
    sandbox.sign_ins.decline(first["user_code"])
    sandbox.sign_ins.expire(second["user_code"])
    assert by_code(application, first)["error"] == "authorization_declined"
    assert by_code(application, second)["error"] == "expired_token"
    clock.advance(timedelta(minutes=16))
    assert by_code(application, third)["error"] == "expired_token"


def test_a_token_of_a_person_says_what_entra_says(sandbox: Sandbox, application: Make) -> None:
    token = refresh(application, sandbox.sign_ins.sign_in(ANN))["access_token"]
    claims = jwt.decode(
        token,
        sandbox.entra.tokens.public_key_pem,
        algorithms=["RS256"],
        audience="https://outlook.office.com",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert (claims["scp"], claims["upn"]) == ("POP.AccessAsUser.All", ANN)
    assert not claims.keys() & {"roles", "idtyp"}
    assert sandbox.entra.issued == (token,)


def test_a_person_opens_their_own_mailbox_and_what_is_shared_with_them(
    sandbox: Sandbox, application: Make
) -> None:
    token = refresh(application, sandbox.sign_ins.sign_in(ANN))["access_token"]

    def opens(address: str) -> bool:
        with RawClient(sandbox) as client:
            return client.log_in(address, token).startswith(b"+OK")

    sandbox.mailbox(ANN)
    sandbox.mailbox("bob@acme.example")
    team = sandbox.mailbox("team@acme.example")
    assert [opens(ANN), opens(ADDRESS), opens("bob@acme.example"), opens(team.address)] == [
        True,
        *[False] * 3,
    ]
    team.shared_with.add(ANN)
    assert opens(team.address)


def test_old_refresh_tokens_stay_good_as_at_entra(sandbox: Sandbox, application: Make) -> None:
    old = sandbox.sign_ins.sign_in(ANN)
    new = refresh(application, old)["refresh_token"]
    assert new != old
    assert "access_token" in refresh(application, old)
    assert "access_token" in refresh(application, new)


def test_a_strict_provider_revokes_what_is_used_twice(sandbox: Sandbox, application: Make) -> None:
    sandbox.sign_ins.strict = True
    old = sandbox.sign_ins.sign_in(ANN)
    new = refresh(application, old)["refresh_token"]
    assert sandbox.sign_ins.revoked == 0
    assert refresh(application, old)["error_codes"] == [50173]
    assert refresh(application, new)["error_codes"] == [50173]
    assert sandbox.sign_ins.revoked == 1


def test_refresh_tokens_end_after_ninety_days(sandbox: Sandbox, application: Make, clock: HandClock) -> None:
    old = sandbox.sign_ins.sign_in(ANN)
    clock.advance(timedelta(days=89))
    new = refresh(application, old)["refresh_token"]
    clock.advance(timedelta(days=2))
    assert refresh(application, old)["error_codes"] == [700082]
    assert "access_token" in refresh(application, new)


def test_a_sign_in_is_revoked(sandbox: Sandbox, application: Make) -> None:
    token = sandbox.sign_ins.sign_in(ANN)
    sandbox.sign_ins.revoke(ANN, "50076")
    assert refresh(application, token)["error_codes"] == [50076]
    assert refresh(application, "canary-other")["error_codes"] == [9002313]


def test_a_page_is_for_a_redirect_to_this_machine_with_pkce(sandbox: Sandbox, application: Make) -> None:
    address = application().initiate_auth_code_flow(
        [SCOPE], redirect_uri="http://localhost:1", response_mode="form_post"
    )["auth_uri"]
    for wrong in (address.replace("localhost%3A1", "evil.example"), address.replace("S256", "plain")):
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(wrong, verify=str(sandbox.ca_file), timeout=10)
        assert answer.json()["error_codes"] == [50011]
