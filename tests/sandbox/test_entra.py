from __future__ import annotations

import json
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.client import HTTPSConnection
from typing import Any

import jwt
import msal
import pytest
import requests

from mailsluice_sandbox import Answer, Close, Drip, Fault, Garbage, Hangup, Refuse, Sandbox, Silence
from sandbox.raw_client import ADDRESS, HandClock, RawClient

SCOPE = "https://outlook.office365.com/.default"


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(sandbox.ca_file)
        yield session


@pytest.fixture
def ask(sandbox: Sandbox, http: requests.Session) -> Callable[..., requests.Response]:
    """Ask for a token as the app does; arguments change the form, None takes a field out."""

    def post(tenant: str = sandbox.tenant_id, **changes: str | None) -> requests.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": sandbox.client_id,
            "client_secret": sandbox.client_secret,
            "scope": SCOPE,
        }
        url = f"{sandbox.authority.rpartition('/')[0]}/{tenant}/oauth2/v2.0/token"
        return http.post(url, data=form | changes, timeout=10)

    return post


Ask = Callable[..., requests.Response]


def claims(answer: requests.Response) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return found


def by_msal(sandbox: Sandbox, http: requests.Session) -> dict[str, Any]:
    app = msal.ConfidentialClientApplication(
        sandbox.client_id,
        authority=sandbox.authority,
        client_credential=sandbox.client_secret,
        instance_discovery=False,
        http_client=http,
    )
    answer: dict[str, Any] = app.acquire_token_for_client([SCOPE])
    return answer


def test_msal_gets_a_token(sandbox: Sandbox, http: requests.Session) -> None:
    answer = by_msal(sandbox, http)
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 75 * 60
    assert sandbox.entra.issued == (answer["access_token"],)
    assert sandbox.entra.token_requests == 1


def test_msal_reads_an_error(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.faults.add(Fault("TOKEN", Refuse("The provided client secret keys are expired.")))
    answer = by_msal(sandbox, http)
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [7000222]


def test_a_token_is_a_jwt_that_says_what_entra_says(sandbox: Sandbox, ask: Ask, clock: HandClock) -> None:
    token = ask().json()["access_token"]
    assert jwt.get_unverified_header(token) == {
        "alg": "RS256",
        "typ": "JWT",
        "kid": sandbox.entra.tokens.key_id,
    }
    claims = jwt.decode(
        token,
        sandbox.entra.tokens.public_key_pem,
        algorithms=["RS256"],
        audience="https://outlook.office365.com",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    now = int(clock.now().timestamp())
    assert uuid.UUID(claims.pop("oid")) == uuid.UUID(claims.pop("sub"))  # the app's service principal
    assert claims == {
        "iss": f"{sandbox.authority}/v2.0",
        "aud": "https://outlook.office365.com",
        "tid": sandbox.tenant_id,
        "appid": sandbox.client_id,
        "azp": sandbox.client_id,
        "idtyp": "app",
        "roles": ["POP.AccessAsApp"],
        "iat": now,
        "nbf": now,
        "exp": now + 75 * 60,
    }


def test_the_lifetime_of_tokens_can_be_set(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.entra.lifetime = timedelta(minutes=6)
    assert ask().json()["expires_in"] == 360


def test_the_secret_can_be_changed(sandbox: Sandbox, ask: Ask) -> None:
    old = sandbox.client_secret
    sandbox.entra.client_secret = "canary-new"
    assert ask().status_code == 200
    assert ask(client_secret=old).status_code == 401


def test_the_secret_can_be_searched_for(sandbox: Sandbox) -> None:
    assert "canary" in sandbox.client_secret


@pytest.mark.parametrize(
    ("changes", "status", "error", "code"),
    [
        ({"client_secret": "canary-wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"client_id": "another"}, 400, "unauthorized_client", 700016),
        ({"scope": "https://outlook.office365.com/POP.AccessAsApp"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://outlook.office365.us/.default"}, 400, "invalid_resource", 500011),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"tenant": "another"}, 400, "invalid_tenant", 90002),
    ],
)
def test_a_wrong_request_is_answered_as_entra_answers_it(
    ask: Ask, changes: dict[str, str | None], status: int, error: str, code: int
) -> None:
    answer = ask(**changes)
    assert (answer.status_code, answer.json()["error"], answer.json()["error_codes"]) == (
        status,
        error,
        [code],
    )
    assert answer.json()["error_description"].startswith(f"AADSTS{code}: ")
    assert f"Trace ID: {answer.json()['trace_id']}" in answer.json()["error_description"]
    assert answer.json()["error_description"].endswith("Timestamp: 2026-03-01 12:00:00Z")


def test_an_unknown_tenant_is_explained_in_entra_s_words(ask: Ask) -> None:
    assert (
        ask(tenant="another")
        .json()["error_description"]
        .startswith(
            "AADSTS90002: Tenant 'another' not found. Check to make sure you have the correct tenant ID and are "
            "signing into the correct cloud. Check with your subscription administrator"
        )
    )


def test_an_app_without_consent_gets_a_token_without_roles(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.app.roles.clear()
    assert "roles" not in claims(ask())


def test_an_app_has_the_roles_that_were_consented_to(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.app.roles[:] = ["IMAP.AccessAsApp", "SMTP.SendAsApp"]
    assert claims(ask())["roles"] == ["IMAP.AccessAsApp", "SMTP.SendAsApp"]


def test_a_token_for_graph_is_no_token_for_exchange(sandbox: Sandbox, ask: Ask) -> None:
    answer = ask(scope="https://graph.microsoft.com/.default")
    assert (claims(answer)["aud"], claims(answer)["roles"]) == ("https://graph.microsoft.com", ["Mail.Read"])
    with RawClient(sandbox) as client:
        assert client.log_in(ADDRESS, answer.json()["access_token"]).startswith(b"-ERR")


def test_an_app_that_is_disabled_gets_no_token(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.app.disabled = True
    assert ask().json()["error"] == "unauthorized_client"
    assert (
        ask()
        .json()["error_description"]
        .startswith(f"AADSTS7000112: Application '{sandbox.client_id}'(mailsluice) is disabled.")
    )


def test_a_conditional_access_policy_blocks_the_app_itself(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.app.blocked = True
    answer = ask().json()
    assert (answer["error"], answer["suberror"]) == ("invalid_grant", "message_only")
    assert "blocked by Conditional Access policies" in answer["error_description"]


def test_every_answer_is_dated_by_the_clock(sandbox: Sandbox, ask: Ask, http: requests.Session) -> None:
    sandbox.faults.add(Fault("TOKEN", Answer(503)))
    answers = [ask(), ask(), ask(tenant="another"), http.get(f"{sandbox.authority}/else", timeout=10)]
    assert [answer.status_code for answer in answers] == [503, 200, 400, 404]
    assert {answer.headers["Date"] for answer in answers} == {"Sun, 01 Mar 2026 12:00:00 GMT"}


def test_an_error_repeats_no_secret(ask: Ask) -> None:
    assert "canary" not in ask(client_secret="canary-wrong").text


def test_discovery_knows_one_tenant(sandbox: Sandbox, http: requests.Session) -> None:
    path = "v2.0/.well-known/openid-configuration"
    assert http.get(f"{sandbox.authority}/{path}", timeout=10).json()["issuer"] == f"{sandbox.authority}/v2.0"
    assert http.get(f"{sandbox.authority}x/{path}", timeout=10).json()["error"] == "invalid_tenant"


def test_there_is_nothing_else(sandbox: Sandbox, http: requests.Session) -> None:
    assert http.get(f"{sandbox.authority}/v2.0/keys", timeout=10).status_code == 404
    assert http.post(f"{sandbox.authority}/v2.0/keys", data="x", timeout=10).status_code == 404


def test_one_connection_serves_many_requests(sandbox: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    port = int(sandbox.authority.split(":")[2].partition("/")[0])
    connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    connection.connect()
    first = connection.sock
    for _ in range(2):
        connection.request("GET", f"/{sandbox.tenant_id}/v2.0/.well-known/openid-configuration")
        assert json.load(connection.getresponse())
        assert connection.sock is first
    connection.close()


def test_answers_with_any_status_so_many_times(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN", Answer(503), times=2))
    assert [ask().status_code for _ in range(3)] == [503, 503, 200]
    assert sandbox.entra.token_requests == 3


def test_asks_for_patience(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN", Answer(429, headers={"Retry-After": "17"})))
    answer = ask()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "17")


def test_answers_with_a_body_that_is_no_json(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN", Answer(200, b"<html>", {"Content-Type": "text/html"})))
    assert ask().text == "<html>"


def test_answers_what_is_no_http(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN", Garbage(b"HTTP/1.")))
    with pytest.raises(requests.ConnectionError):
        ask()


@pytest.mark.parametrize("how", list(Hangup))
@pytest.mark.parametrize("after_octets", [None, 10, 1000])
def test_hangs_up_on_a_request(sandbox: Sandbox, ask: Ask, how: Hangup, after_octets: int | None) -> None:
    sandbox.faults.add(Fault("TOKEN", Close(how, after_octets)))
    with pytest.raises(requests.RequestException):
        ask()
    assert ask().status_code == 200


def test_hangs_up_before_tls(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN_CONNECT", Close(Hangup.FIN)))  # urllib3 leaks its socket at a reset
    with pytest.raises(requests.ConnectionError):
        ask()


def test_is_silent_on_a_request(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.faults.add(Fault("TOKEN", Silence()))
    with pytest.raises(requests.ReadTimeout):
        http.post(f"{sandbox.authority}/oauth2/v2.0/token", data="x", timeout=0.1)


def test_drips_an_answer(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.faults.add(Fault("TOKEN", Drip()))
    assert ask().json()["token_type"] == "Bearer"


def test_discovery_fails_on_its_own(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.faults.add(Fault("DISCOVERY", Answer(500)))
    url = f"{sandbox.authority}/v2.0/.well-known/openid-configuration"
    assert [http.get(url, timeout=10).status_code for _ in range(2)] == [500, 200]
