from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailsluice_sandbox import AppRegistration, ClientSecret, Sandbox
from sandbox.raw_client import HandClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRONG, ENDED = 7000215, 7000222


def test_each_secret_proves_the_app() -> None:
    app = AppRegistration()
    app.secrets.append(ClientSecret())
    assert [app.refusal_of(secret.value, NOW) for secret in app.secrets] == [None, None]
    assert app.secrets[0].value != app.secrets[1].value


def test_the_id_of_a_secret_proves_nothing() -> None:
    app = AppRegistration()
    assert app.refusal_of(app.secrets[0].id, NOW) == WRONG


def test_a_secret_proves_nothing_once_it_has_ended() -> None:
    app = AppRegistration(secrets=[ClientSecret(ends=NOW)])
    value = app.secrets[0].value
    assert [app.refusal_of(value, NOW - timedelta(seconds=1)), app.refusal_of(value, NOW)] == [None, ENDED]


def test_entra_refuses_a_secret_that_has_ended_in_its_own_words(sandbox: Sandbox, clock: HandClock) -> None:
    sandbox.app.secrets[0].ends = clock.now()
    form = {
        "grant_type": "client_credentials",
        "client_id": sandbox.client_id,
        "client_secret": sandbox.client_secret,
        "scope": "https://outlook.office365.com/.default",
    }
    reply = sandbox.entra.token(sandbox.tenant_id, form)
    assert reply.status == 401
    assert (
        f"AADSTS7000222: The provided client secret keys for app '{sandbox.client_id}' are expired. Visit the "
        "Azure portal to create new keys for your app: https://aka.ms/NewClientSecret" in reply.body.decode()
    )


def test_the_two_object_ids_differ() -> None:
    app = AppRegistration()
    assert app.object_id != app.registration_id


def test_a_secret_is_not_shown() -> None:
    assert "canary" not in repr(AppRegistration())
