from __future__ import annotations

import pytest

from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.token_endpoint import SECRET, Answer, TokenEndpoint, as_json
from mailsluice.auth.sources.entra import EntraSource
from mailsluice.auth.sources.source import Token
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import SecretError, TokenRefused, TokenUnavailable


def refusal(description: str, error: str = "invalid_client", status: int = 401, **more: str) -> Answer:
    return as_json(status, {"error": error, "error_description": description, **more})


def test_asks_with_the_client_secret_for_the_one_scope(endpoint: TokenEndpoint, source: EntraSource) -> None:
    assert source.ask().value == "canary-token-1"
    (form,) = endpoint.forms
    assert form["grant_type"] == "client_credentials"
    assert form["client_id"] == "app"
    assert form["client_secret"] == SECRET
    assert form["scope"] == "https://outlook.office365.com/.default"


def test_asks_nobody_but_the_authority(endpoint: TokenEndpoint, source: EntraSource) -> None:
    source.ask()
    assert endpoint.paths == [
        "/contoso/v2.0/.well-known/openid-configuration",
        "/contoso/oauth2/v2.0/token",
    ]


def test_tells_for_how_long_the_provider_wants_no_request(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    endpoint.answer = lambda _: as_json(429, {"error": "throttled"}, Retry_After="90")
    with pytest.raises(TokenUnavailable, match="HTTP 429") as caught:
        source.ask()
    assert caught.value.retry_after == 90


def test_throttling_is_told_as_such_with_the_providers_words_and_without_the_secret(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    endpoint.answer = lambda _: as_json(
        429,
        {"error": "x", "error_description": f"AADSTS90055: too many {SECRET}\x07 requests\r\nTrace ID: t"},
        Retry_After="Thu, 01 Jan 2099 00:00:00 GMT",
    )
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert str(caught.value) == (
        f"no token from {endpoint.authority}, which throttles requests: it answered HTTP 429: "
        "AADSTS90055: too many [secret]? requests"
    )
    assert "asked again by itself" in caught.value.remedy
    assert caught.value.retry_after == 900


def test_a_refusal_says_what_the_provider_said_and_what_to_do(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    endpoint.answer = lambda _: refusal(
        "AADSTS7000222: The provided client secret keys are expired.\r\nTrace ID: t-1\r\nCorrelation ID: c-1",
        trace_id="t-1",
        correlation_id="c-1",
        timestamp="2026-01-01 00:00:00Z",
    )
    with pytest.raises(TokenRefused) as caught:
        source.ask()
    assert str(caught.value) == (
        f"{endpoint.authority} refused a token to application app: invalid_client: "
        "AADSTS7000222: The provided client secret keys are expired. "
        "(trace t-1, correlation c-1, at 2026-01-01 00:00:00Z)"
    )
    assert "expired" in caught.value.remedy


def test_a_refusal_at_discovery_is_a_refusal(endpoint: TokenEndpoint, source: EntraSource) -> None:
    endpoint.configuration = lambda: refusal(
        "AADSTS90002: Tenant 'contoso' not found.", error="invalid_tenant", status=400
    )
    with pytest.raises(TokenRefused, match="invalid_tenant: AADSTS90002") as caught:
        source.ask()
    assert "tenant_id" in caught.value.remedy


def test_a_refusal_at_discovery_that_says_nothing_is_told_by_its_status(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    endpoint.configuration = lambda: as_json(404, {"message": "no such path"})
    with pytest.raises(TokenRefused, match="HTTP 404"):
        source.ask()


@pytest.mark.parametrize("lifetime", ["3600", 3600])
def test_a_life_told_in_a_string_counts_as_one_told_in_a_number(
    endpoint: TokenEndpoint, source: EntraSource, lifetime: object
) -> None:
    endpoint.lifetime = lifetime
    assert source.ask() == Token("canary-token-1", 3600.0)


def test_a_token_whose_life_is_not_told_lives_an_hour(endpoint: TokenEndpoint, source: EntraSource) -> None:
    endpoint.answer = lambda _: as_json(200, {"access_token": "canary-token"})
    assert source.ask() == Token("canary-token", 3600.0)


def test_a_hostile_description_comes_out_short_printable_and_without_the_secret(
    endpoint: TokenEndpoint, source: EntraSource
) -> None:
    endpoint.answer = lambda _: refusal(f"\x1b[31m{SECRET}\x00" + "x" * 5000)
    with pytest.raises(TokenRefused) as caught:
        source.ask()
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("id_token", ["none", "a.b.c", "e30.eyJpc3MiOiAieCJ9.x", 7, ["x"]])
def test_what_an_application_is_never_sent_does_not_come_between_it_and_its_token(
    endpoint: TokenEndpoint, source: EntraSource, id_token: object, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"token_type": "Bearer", "expires_in": 3600, "access_token": "canary-token-1"}
    endpoint.answer = lambda _: as_json(200, {**whole, "id_token": id_token, "client_info": id_token})
    assert source.ask().value == "canary-token-1"
    assert caplog.text == ""


@pytest.mark.parametrize(
    "answer",
    [
        as_json(500, {"error": "server_error"}),
        as_json(503, {}),
        as_json(429, {"error": "throttled"}),
        refusal("AADSTS90033: later", error="temporarily_unavailable", status=400),
        (200, {}, b"<html>canary-body</html>"),
        (403, {}, b"<html>canary-body</html>"),
        (400, {}, b""),
        as_json(200, ["canary-body"]),
        as_json(200, {}),
        as_json(200, {"access_token": "canary body", "expires_in": 3600}),
        as_json(200, {"access_token": "canary-body", "expires_in": "soon"}),
        as_json(200, {"access_token": "canary-body", "expires_in": [3600]}),
        as_json(200, {"access_token": "canary-body", "expires_in": None}),
        as_json(200, {"access_token": "canary-body", "expires_in": float("inf")}),
        as_json(200, {"access_token": ["canary-body"], "expires_in": 3600}),
        (200, {}, b"[" * 100_000),
    ],
    ids=repr,
)
def test_an_answer_that_is_none_is_unavailability_and_not_repeated_in_the_error(
    endpoint: TokenEndpoint, source: EntraSource, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answer = lambda _: answer
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert "canary" not in str(caught.value)
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        as_json(503, {}),
        as_json(200, {}),
        as_json(200, {"authorization_endpoint": "x", "token_endpoint": "http://plain.example/t"}),
        as_json(200, {"authorization_endpoint": 1, "token_endpoint": 2}),
        (404, {}, b"not here"),
    ],
    ids=repr,
)
def test_a_useless_openid_configuration_is_unavailability(
    endpoint: TokenEndpoint, source: EntraSource, answer: Answer
) -> None:
    endpoint.configuration = lambda: answer
    with pytest.raises(TokenUnavailable):
        source.ask()
    assert endpoint.forms == []


def test_a_new_secret_is_used_after_the_old_one_was_refused(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    stored = ["canary-old"]
    source = secret_source(credential, lambda: stored[0], clock)
    endpoint.answer = lambda form: (
        endpoint.token(form) if form["client_secret"] == "canary-new" else refusal("AADSTS7000222: expired")
    )
    with pytest.raises(TokenRefused):
        source.ask()
    stored[0] = "canary-new"
    assert source.ask().value == "canary-token-2"


def test_a_secret_that_cannot_be_had_is_no_request(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    def missing() -> str:
        raise SecretError("keyring:acme: the keyring has no secret of that name")

    with pytest.raises(SecretError):
        secret_source(credential, missing, clock).ask()
    assert endpoint.paths == []


def test_a_bug_is_not_disguised(credential: EntraCredential, clock: HandClock) -> None:
    def wrong() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        secret_source(credential, wrong, clock).ask()
