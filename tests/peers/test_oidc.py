"""The identity provider that other tests rely on: what it takes, and what it refuses.

Asked by the library msal alone, so that nothing of mailsluice stands on either side.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import jwt
import msal
import pytest
import requests

from peers.browser import sent_back
from peers.dovecot import Dovecot, PeerMailbox
from peers.oidc import (
    APP_SCOPE,
    CERTIFICATE_CLIENT,
    PERSON_SCOPE,
    PUBLIC_CLIENT,
    SECRET,
    SECRET_CLIENT,
    TENANT,
    Oidc,
    OidcError,
)
from peers.test_fixture import Session
from peers.tokens import new_key
from support.waiting import wait_until

Answer = dict[str, Any]
REDIRECT = "http://localhost:49152"  # nobody listens there, and nobody goes there


@pytest.fixture
def http(oidc: Oidc) -> Iterator[requests.Session]:
    """A client that trusts the provider, and nothing in the environment."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(oidc.ca_file)
        yield session


def application(oidc: Oidc, http: requests.Session, client: str, proof: object) -> Any:
    return msal.ConfidentialClientApplication(
        client,
        client_credential=proof,
        authority=oidc.authority,
        http_client=http,
        instance_discovery=False,
        azure_region=False,
    )


def person(oidc: Oidc, http: requests.Session) -> Any:
    return msal.PublicClientApplication(
        PUBLIC_CLIENT, authority=oidc.authority, http_client=http, instance_discovery=False
    )


def by_certificate(oidc: Oidc) -> dict[str, str]:
    return {"private_key": oidc.key_pem, "public_certificate": oidc.certificate_pem}


def token_request(oidc: Oidc, http: requests.Session, **said: str) -> requests.Response:
    return http.post(f"{oidc.issuer}/token", data=said, timeout=10)


def refresh(oidc: Oidc, http: requests.Session, token: str) -> Answer:
    answer: Answer = token_request(
        oidc,
        http,
        grant_type="refresh_token",
        client_id=PUBLIC_CLIENT,
        refresh_token=token,
        scope=f"{PERSON_SCOPE} offline_access openid profile",
    ).json()
    return answer


def signed_in(oidc: Oidc, http: requests.Session, user: str) -> Answer:
    """By device code."""
    app = person(oidc, http)
    flow = app.initiate_device_flow([PERSON_SCOPE])
    oidc.type_code(flow["user_code"], user)
    answer: Answer = app.acquire_token_by_device_flow(flow)
    return answer


def claims(answer: Answer, name: str = "access_token") -> Answer:
    payload: Answer = jwt.decode(answer[name], options={"verify_signature": False})
    return payload


def opens(exchange: Dovecot, address: str, answer: Answer) -> bool:
    with Session(exchange) as session:
        return session.xoauth2(address, answer["access_token"]) == b"+OK Logged in."


# --- an application ------------------------------------------------------------------------------------------


def test_a_client_secret_gets_a_token_that_opens_any_mailbox(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    answer = application(oidc, http, SECRET_CLIENT, SECRET).acquire_token_for_client([APP_SCOPE])
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "JWT"
    assert {name: claims(answer)[name] for name in ("aud", "appid", "tid", "idtyp", "roles")} == {
        "aud": "https://outlook.office365.com",
        "appid": SECRET_CLIENT,
        "tid": TENANT,
        "idtyp": "app",
        "roles": ["POP.AccessAsApp"],
    }
    assert opens(exchange, box.address, answer)
    (asked,) = oidc.requests()
    assert (asked.grant, asked.client, asked.status) == ("client_credentials", SECRET_CLIENT, 200)


def test_a_wrong_client_secret_is_refused(oidc: Oidc, http: requests.Session) -> None:
    answer = application(oidc, http, SECRET_CLIENT, "canary-wrong").acquire_token_for_client([APP_SCOPE])
    assert (answer["error"], answer["error_description"]) == (
        "invalid_client",
        "client authentication failed",
    )


def test_a_resource_that_is_not_exchange_is_refused(oidc: Oidc, http: requests.Session) -> None:
    app = application(oidc, http, SECRET_CLIENT, SECRET)
    answer = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert answer["error"] == "invalid_target"


def test_a_certificate_gets_a_token_that_opens_any_mailbox(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    app = application(oidc, http, CERTIFICATE_CLIENT, by_certificate(oidc))
    answer = app.acquire_token_for_client([APP_SCOPE])
    assert claims(answer)["appid"] == CERTIFICATE_CLIENT
    assert opens(exchange, box.address, answer)


def assertion(oidc: Oidc, **changes: object) -> str:
    """A proof by certificate, as msal makes it."""
    der = jwt.utils.base64url_decode("".join(oidc.certificate_pem.splitlines()[1:-1]).encode())
    usual: dict[str, object] = {
        "alg": "PS256",
        "key": oidc.key,
        "x5t#S256": jwt.utils.base64url_encode(hashlib.sha256(der).digest()).decode(),
    }
    form = usual | changes
    said = {
        "aud": f"{oidc.issuer}/token",
        "iss": CERTIFICATE_CLIENT,
        "sub": CERTIFICATE_CLIENT,
        "exp": int(time.time()) + 600,
        "jti": str(time.monotonic_ns()),
    }
    key, algorithm = form.pop("key"), str(form.pop("alg"))
    return jwt.encode(said, key, algorithm=algorithm, headers=form)  # type: ignore[arg-type]


def proven(oidc: Oidc, http: requests.Session, proof: str) -> int:
    """The status of the answer to this proof."""
    return token_request(
        oidc,
        http,
        grant_type="client_credentials",
        client_id=CERTIFICATE_CLIENT,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=proof,
        scope=APP_SCOPE,
    ).status_code


def test_a_client_assertion_is_taken_once(oidc: Oidc, http: requests.Session) -> None:
    proof = assertion(oidc)
    assert [proven(oidc, http, proof), proven(oidc, http, proof)] == [200, 401]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"alg": "RS256"}, id="RS256"),
        pytest.param({"key": new_key()}, id="another-key"),
        pytest.param({"x5t#S256": "AAAA"}, id="another-thumbprint"),
    ],
)
def test_a_wrong_client_assertion_is_refused(
    oidc: Oidc, http: requests.Session, changes: dict[str, object]
) -> None:
    assert proven(oidc, http, assertion(oidc, **changes)) == 401


# --- a person ------------------------------------------------------------------------------------------------


def test_a_device_code_gets_a_token_that_opens_the_persons_mailbox_alone(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    answer = signed_in(oidc, http, box.address)
    assert claims(answer)["upn"] == box.address
    assert claims(answer, "id_token")["preferred_username"] == box.address
    assert opens(exchange, box.address, answer)
    assert not opens(exchange, exchange.mailbox("other@contoso.test").address, answer)


def test_a_device_code_is_pending_until_the_person_has_signed_in(oidc: Oidc, http: requests.Session) -> None:
    app = person(oidc, http)
    flow = app.initiate_device_flow([PERSON_SCOPE])
    pending = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert pending["error"] == "authorization_pending"


def test_a_person_may_say_no_to_a_device_code(oidc: Oidc, http: requests.Session) -> None:
    app = person(oidc, http)
    flow = app.initiate_device_flow([PERSON_SCOPE])
    oidc.type_code(flow["user_code"], None)
    assert app.acquire_token_by_device_flow(flow)["error"] == "access_denied"


def test_a_device_code_expires(oidc: Oidc, http: requests.Session) -> None:
    oidc.live(device_codes=1)
    flow = person(oidc, http).initiate_device_flow([PERSON_SCOPE])
    kind = "urn:ietf:params:oauth:grant-type:device_code"
    said = {"grant_type": kind, "client_id": PUBLIC_CLIENT, "device_code": flow["device_code"]}
    wait_until(
        lambda: token_request(oidc, http, **said).json()["error"] == "expired_token", "the code expires"
    )


def test_each_refresh_gives_a_token_and_the_next_refresh_token(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    answer = signed_in(oidc, http, box.address)
    seen = {answer["refresh_token"]}
    for _ in range(3):
        answer = refresh(oidc, http, answer["refresh_token"])
        seen.add(answer["refresh_token"])
        assert opens(exchange, box.address, answer)
    assert len(seen) == 4


def test_a_refresh_token_that_is_used_again_ends_the_sign_in(oidc: Oidc, http: requests.Session) -> None:
    first = signed_in(oidc, http, "user@contoso.test")["refresh_token"]
    second = refresh(oidc, http, first)["refresh_token"]
    assert refresh(oidc, http, first)["error"] == "invalid_grant"
    assert refresh(oidc, http, second)["error"] == "invalid_grant"


def code_flow(app: Any, **more: str) -> Answer:
    flow: Answer = app.initiate_auth_code_flow(
        [PERSON_SCOPE], redirect_uri=REDIRECT, response_mode="form_post", **more
    )
    return flow


def test_a_browser_gets_a_code_for_a_token_that_opens_the_persons_mailbox(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    oidc.sit_at_the_browser(box.address)
    app = person(oidc, http)
    flow = code_flow(app, prompt="select_account")
    action, said = sent_back(oidc, flow["auth_uri"])
    assert action == REDIRECT
    answer = app.acquire_token_by_auth_code_flow(flow, said)
    assert opens(exchange, box.address, answer)
    assert "refresh_token" in answer


def test_a_code_is_worth_nothing_without_its_verifier(oidc: Oidc, http: requests.Session) -> None:
    app = person(oidc, http)
    flow = code_flow(app)
    _, said = sent_back(oidc, flow["auth_uri"])
    flow["code_verifier"] = code_flow(app)["code_verifier"]
    assert app.acquire_token_by_auth_code_flow(flow, said)["error"] == "invalid_grant"


def test_a_person_may_say_no_in_the_browser(oidc: Oidc, http: requests.Session) -> None:
    oidc.sit_at_the_browser(None)
    _, said = sent_back(oidc, code_flow(person(oidc, http))["auth_uri"])
    assert said["error"] == "access_denied"


# --- what the hooks do ---------------------------------------------------------------------------------------


def test_the_next_requests_fail_as_told(oidc: Oidc, http: requests.Session) -> None:
    oidc.fail(429, times=2, retry_after=7)
    answers = [token_request(oidc, http, grant_type="client_credentials") for _ in range(3)]
    assert [(each.status_code, each.headers.get("Retry-After")) for each in answers] == [
        (429, "7"),
        (429, "7"),
        (400, None),
    ]
    assert oidc.statuses() == [429, 429, 400]


def test_tokens_live_as_long_as_told(oidc: Oidc, http: requests.Session) -> None:
    oidc.live(tokens=600)
    answer = application(oidc, http, SECRET_CLIENT, SECRET).acquire_token_for_client([APP_SCOPE])
    assert answer["expires_in"] == 600
    assert claims(answer)["exp"] - claims(answer)["iat"] == 600


def test_it_comes_back_with_the_same_keys(
    oidc: Oidc, http: requests.Session, exchange: Dovecot, box: PeerMailbox
) -> None:
    oidc.stop()
    with pytest.raises(requests.ConnectionError):
        token_request(oidc, http)
    oidc.start()
    answer = application(oidc, http, SECRET_CLIENT, SECRET).acquire_token_for_client([APP_SCOPE])
    assert opens(exchange, box.address, answer)


def test_a_provider_that_ends_before_the_tests_is_an_error(oidc: Oidc) -> None:
    other = Oidc().__enter__()
    assert other._process is not None
    other._process.terminate()
    other._process.wait()
    with pytest.raises(OidcError, match="ended before the tests did"):
        other.__exit__(None, None, None)


def test_a_provider_that_cannot_start_says_why(oidc: Oidc) -> None:
    other = Oidc()
    other._given["certificate"] = "no certificate"
    with pytest.raises(OidcError, match="PEM"):
        other.__enter__()
