from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import SECRET, Answer, TokenEndpoint, as_json
from mailsluice.auth.sources.entra import EntraTokens
from mailsluice.config.models import EntraCredential
from mailsluice.errors import SecretError, TokenRefused, TokenUnavailable


def refusal(description: str, error: str = "invalid_client", status: int = 401, **more: str) -> Answer:
    return as_json(status, {"error": error, "error_description": description, **more})


def outage(_form: dict[str, str]) -> Answer:
    return as_json(503, {"error": "temporarily_unavailable"})


def test_asks_with_the_client_secret_for_the_one_scope(endpoint: TokenEndpoint, tokens: EntraTokens) -> None:
    assert tokens.token() == "canary-token-1"
    (form,) = endpoint.forms
    assert form["grant_type"] == "client_credentials"
    assert form["client_id"] == "app"
    assert form["client_secret"] == SECRET
    assert form["scope"] == "https://outlook.office365.com/.default"


def test_asks_nobody_but_the_authority(endpoint: TokenEndpoint, tokens: EntraTokens) -> None:
    tokens.token()
    assert endpoint.paths == [
        "/contoso/v2.0/.well-known/openid-configuration",
        "/contoso/oauth2/v2.0/token",
    ]


def test_hands_out_the_token_it_holds(endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock) -> None:
    tokens.token()
    clock.seconds += 2699
    assert tokens.token() == "canary-token-1"
    assert len(endpoint.forms) == 1


def test_renews_a_token_after_three_quarters_of_its_life(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    clock.seconds += 2701
    assert tokens.token() == "canary-token-2"


def test_sixteen_threads_make_one_request(endpoint: TokenEndpoint, tokens: EntraTokens) -> None:
    barrier = threading.Barrier(16)

    def ask() -> str:
        barrier.wait()
        return tokens.token()

    with ThreadPoolExecutor(16) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(16)]]
    assert set(answers) == {"canary-token-1"}
    assert len(endpoint.forms) == 1


def test_those_who_wait_for_a_request_share_its_failure(endpoint: TokenEndpoint, tokens: EntraTokens) -> None:
    endpoint.answer = lambda _: refusal("AADSTS7000215: no")
    barrier = threading.Barrier(16)

    def ask() -> str:
        barrier.wait()
        with pytest.raises(TokenRefused) as caught:
            tokens.token()
        return str(caught.value) + caught.value.remedy

    with ThreadPoolExecutor(16) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(16)]]
    assert len(set(answers)) == 1
    assert len(endpoint.forms) == 1


def test_a_failure_answers_for_five_seconds(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    endpoint.answer = lambda _: refusal("AADSTS65001: no", status=400)
    with pytest.raises(TokenRefused):
        tokens.token()
    endpoint.answer = endpoint.token
    with pytest.raises(TokenRefused):
        tokens.token()
    clock.seconds += 5
    assert tokens.token() == "canary-token-2"


def test_while_one_thread_renews_the_others_use_the_good_token(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    clock.seconds += 2701
    asked, go_on = threading.Event(), threading.Event()

    def slow(form: dict[str, str]) -> Answer:
        asked.set()
        assert go_on.wait(10)
        return endpoint.token(form)

    endpoint.answer = slow
    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(tokens.token)
        assert asked.wait(10)
        assert tokens.token() == "canary-token-1"
        go_on.set()
        assert renewal.result() == "canary-token-2"


def test_does_not_wait_for_ever_for_a_thread_that_asks(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        asked.set()
        assert go_on.wait(10)
        return SECRET

    tokens = EntraTokens(credential, slow, clock, patience=0.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tokens.token)
        assert asked.wait(10)
        with pytest.raises(TokenUnavailable, match="another poll has been asking") as caught:
            tokens.token()
        go_on.set()
        assert first.result() == "canary-token-1"
    assert credential.authority in str(caught.value)
    assert tokens.token() == "canary-token-1"


def test_uses_a_good_token_to_its_end_while_the_provider_is_down(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    endpoint.answer = outage
    clock.seconds += 3479
    assert tokens.token() == "canary-token-1"
    assert len(endpoint.forms) == 2
    clock.seconds += 2
    with pytest.raises(TokenUnavailable):
        tokens.token()


def test_does_not_ask_for_as_long_as_retry_after_says(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    endpoint.answer = lambda _: as_json(429, {"error": "throttled"}, Retry_After="90")
    for _ in range(2):
        with pytest.raises(TokenUnavailable, match="HTTP 429"):
            tokens.token()
    clock.seconds += 89
    with pytest.raises(TokenUnavailable):
        tokens.token()
    assert len(endpoint.forms) == 1
    endpoint.answer = endpoint.token
    clock.seconds += 1
    assert tokens.token() == "canary-token-2"


def test_a_refusal_says_what_the_provider_said_and_what_to_do(
    endpoint: TokenEndpoint, tokens: EntraTokens
) -> None:
    endpoint.answer = lambda _: refusal(
        "AADSTS7000222: The provided client secret keys are expired.\r\nTrace ID: t-1\r\nCorrelation ID: c-1",
        trace_id="t-1",
        correlation_id="c-1",
        timestamp="2026-01-01 00:00:00Z",
    )
    with pytest.raises(TokenRefused) as caught:
        tokens.token()
    assert str(caught.value) == (
        f"{endpoint.authority} refused a token to application app: invalid_client: "
        "AADSTS7000222: The provided client secret keys are expired. "
        "(trace t-1, correlation c-1, at 2026-01-01 00:00:00Z)"
    )
    assert "expired" in caught.value.remedy


def test_a_refusal_at_discovery_is_a_refusal(endpoint: TokenEndpoint, tokens: EntraTokens) -> None:
    endpoint.configuration = lambda: refusal(
        "AADSTS90002: Tenant 'contoso' not found.", error="invalid_tenant", status=400
    )
    with pytest.raises(TokenRefused, match="invalid_tenant: AADSTS90002") as caught:
        tokens.token()
    assert "tenant_id" in caught.value.remedy


def test_a_refusal_at_discovery_that_says_nothing_is_told_by_its_status(
    endpoint: TokenEndpoint, tokens: EntraTokens
) -> None:
    endpoint.configuration = lambda: as_json(404, {"message": "no such path"})
    with pytest.raises(TokenRefused, match="HTTP 404"):
        tokens.token()


@pytest.mark.parametrize("lifetime", ["3600", 3600])
def test_a_life_told_in_a_string_counts_as_one_told_in_a_number(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock, lifetime: object
) -> None:
    endpoint.lifetime = lifetime
    tokens.token()
    clock.seconds += 2701
    assert tokens.token() == "canary-token-2"


def test_a_token_whose_life_is_not_told_lives_an_hour(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    endpoint.answer = lambda _: as_json(200, {"access_token": "canary-token"})
    assert tokens.token() == "canary-token"
    clock.seconds += 2699
    tokens.token()
    assert len(endpoint.forms) == 1


def test_a_good_token_is_used_to_its_end_though_the_provider_refuses_another(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    endpoint.answer = lambda _: refusal("AADSTS7000222: expired")
    clock.seconds += 3479
    assert tokens.token() == "canary-token-1"
    clock.seconds += 6
    with pytest.raises(TokenRefused):
        tokens.token()


def test_a_hostile_description_comes_out_short_printable_and_without_the_secret(
    endpoint: TokenEndpoint, tokens: EntraTokens
) -> None:
    endpoint.answer = lambda _: refusal(f"\x1b[31m{SECRET}\x00" + "x" * 5000)
    with pytest.raises(TokenRefused) as caught:
        tokens.token()
    assert SECRET not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("id_token", ["none", "a.b.c", "e30.eyJpc3MiOiAieCJ9.x", 7, ["x"]])
def test_what_an_application_is_never_sent_does_not_come_between_it_and_its_token(
    endpoint: TokenEndpoint, tokens: EntraTokens, id_token: object, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {"token_type": "Bearer", "expires_in": 3600, "access_token": "canary-token-1"}
    endpoint.answer = lambda _: as_json(200, {**whole, "id_token": id_token, "client_info": id_token})
    assert tokens.token() == "canary-token-1"
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
    endpoint: TokenEndpoint, tokens: EntraTokens, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answer = lambda _: answer
    with pytest.raises(TokenUnavailable) as caught:
        tokens.token()
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
    endpoint: TokenEndpoint, tokens: EntraTokens, answer: Answer
) -> None:
    endpoint.configuration = lambda: answer
    with pytest.raises(TokenUnavailable):
        tokens.token()
    assert endpoint.forms == []


def test_an_old_token_that_a_server_refused_is_replaced_once(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    clock.seconds += 300
    for _ in range(16):
        tokens.forget("canary-token-1")
    assert [tokens.token() for _ in range(3)] == ["canary-token-2"] * 3
    tokens.forget("canary-token-1")
    tokens.forget("canary-token-2")
    assert tokens.token() == "canary-token-2"
    assert len(endpoint.forms) == 2


def test_a_refusal_of_the_token_before_does_not_drop_the_one_held(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    clock.seconds += 2701
    tokens.token()
    clock.seconds += 300
    tokens.forget("canary-token-1")
    assert tokens.token() == "canary-token-2"


def test_a_young_token_is_kept_though_a_server_refused_it(
    endpoint: TokenEndpoint, tokens: EntraTokens, clock: HandClock
) -> None:
    tokens.token()
    clock.seconds += 299
    tokens.forget("canary-token-1")
    assert tokens.token() == "canary-token-1"


def test_a_new_secret_is_used_after_the_old_one_was_refused(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    stored = ["canary-old"]
    tokens = EntraTokens(credential, lambda: stored[0], clock)
    endpoint.answer = lambda form: (
        endpoint.token(form) if form["client_secret"] == "canary-new" else refusal("AADSTS7000222: expired")
    )
    with pytest.raises(TokenRefused):
        tokens.token()
    stored[0] = "canary-new"
    clock.seconds += 60
    assert tokens.token() == "canary-token-2"


def test_a_secret_that_cannot_be_had_is_no_request(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock
) -> None:
    def missing() -> str:
        raise SecretError("keyring:acme: the keyring has no secret of that name")

    with pytest.raises(SecretError):
        EntraTokens(credential, missing, clock).token()
    assert endpoint.paths == []


def test_a_bug_is_not_disguised(credential: EntraCredential, clock: HandClock) -> None:
    def wrong() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        EntraTokens(credential, wrong, clock).token()


def test_no_token_shows_in_a_repr(tokens: EntraTokens) -> None:
    shown: Callable[[], str] = lambda: repr(vars(tokens))  # noqa: E731
    tokens.token()
    assert "canary" not in shown()
