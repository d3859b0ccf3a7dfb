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
            client.log_in(address, token)
            return client.ask(b"STAT").startswith(b"+OK")

    sandbox.mailbox(ANN)
    sandbox.mailbox("bob@acme.example")
    team = sandbox.mailbox("team@acme.example")
    assert [opens(ANN), opens(ADDRESS), opens("bob@acme.example"), opens(team.address)] == [
        True,
        *[False] * 3,
    ]
    team.shared_with.add(ANN)
    assert opens(team.address)


def test_a_person_may_sign_in_under_an_alias_of_their_mailbox(sandbox: Sandbox, client: RawClient) -> None:
    sandbox.mailbox("ann.lee@acme.example").aliases.add(ANN)
    token = sandbox.entra.tokens.mint_for(ANN, "ann", lifetime=timedelta(hours=1))
    assert client.log_in("ann.lee@acme.example", token).startswith(b"+OK")
    assert client.ask(b"STAT").startswith(b"+OK")


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


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("50173", "AADSTS50173: The provided grant has expired due to it being revoked"),
        ("700082", "AADSTS700082: The refresh token has expired due to inactivity."),
        ("50076", "AADSTS50076: Due to a configuration change made by your administrator"),
        ("1", "AADSTS1: The grant was revoked."),
    ],
)
def test_a_dead_refresh_token_is_refused_in_entra_s_words_until_the_next_sign_in(
    sandbox: Sandbox, application: Make, why: str, text: str
) -> None:
    token = sandbox.sign_ins.sign_in(ANN)
    sandbox.sign_ins.revoke(ANN, why)
    answer = refresh(application, token)
    assert answer["error"] == "invalid_grant"
    assert answer["error_description"].startswith(text)
    assert "access_token" in refresh(application, sandbox.sign_ins.sign_in(ANN))


@pytest.mark.parametrize(("number", "suberror"), [(53003, "message_only"), (50057, None)])
def test_a_person_whom_entra_refuses_does_not_get_in_by_signing_in_again(
    sandbox: Sandbox, application: Make, number: int, suberror: str | None
) -> None:
    sandbox.sign_ins.refusals[ANN] = number
    again = refresh(application, sandbox.sign_ins.sign_in(ANN))
    flow = application().initiate_device_flow([SCOPE])
    sandbox.sign_ins.approve(flow["user_code"], ANN)
    anew = by_code(application, flow)
    assert again["error_codes"] == anew["error_codes"] == [number]
    assert again.get("suberror") == suberror
    assert "access_token" in refresh(application, sandbox.sign_ins.sign_in("bob@acme.example"))


def test_an_app_that_is_disabled_gets_no_token_of_a_person(sandbox: Sandbox, application: Make) -> None:
    sandbox.app.disabled = True
    assert refresh(application, sandbox.sign_ins.sign_in(ANN))["error_codes"] == [7000112]


def test_a_token_says_what_people_delegated(sandbox: Sandbox, application: Make) -> None:
    sandbox.app.scopes = ["IMAP.AccessAsUser.All", "SMTP.Send"]
    token = sandbox.sign_ins.sign_in(ANN)
    asked = application().acquire_token_by_refresh_token
    answer = asked(token, ["https://outlook.office.com/IMAP.AccessAsUser.All"])
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["scp"] == "IMAP.AccessAsUser.All SMTP.Send"
    assert asked(token, [SCOPE])["error_codes"] == [65001]
    assert asked(token, ["https://other.example/SMTP.Send"])["error_codes"] == [70011]


def test_a_token_is_for_the_resource_that_was_asked_for(sandbox: Sandbox, application: Make) -> None:
    sandbox.app.scopes.append("Mail.Read")
    answer = application().acquire_token_by_refresh_token(
        sandbox.sign_ins.sign_in(ANN), ["https://graph.microsoft.com/Mail.Read"]
    )
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "https://graph.microsoft.com"
    sandbox.mailbox(ANN)
    with RawClient(sandbox) as client:
        assert client.log_in(ANN, answer["access_token"]).startswith(b"-ERR")


def test_a_page_is_for_a_redirect_to_this_machine_with_pkce(sandbox: Sandbox, application: Make) -> None:
    address = application().initiate_auth_code_flow(
        [SCOPE], redirect_uri="http://localhost:1", response_mode="form_post"
    )["auth_uri"]
    for wrong in (address.replace("localhost%3A1", "evil.example"), address.replace("S256", "plain")):
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(wrong, verify=str(sandbox.ca_file), timeout=10)
        assert answer.json()["error_codes"] == [50011]
