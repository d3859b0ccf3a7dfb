from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import TENANT, TokenEndpoint, as_json
from mailsluice.auth.credentials import Credentials
from mailsluice.auth.secrets import Secrets
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.auth.sources.delegated import PATIENCE, REQUEST, DelegatedSource
from mailsluice.auth.sources.means import Means
from mailsluice.auth.sources.source import LONGEST
from mailsluice.auth.sources.ways import entra_source
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.models import Mailbox, SpoolSink
from mailsluice.errors import SecretError, TokenRefused, TokenUnavailable
from mailsluice.model import BearerToken
from mailsluice.net.https import ProviderHttp

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "canary-refresh-1", "canary-refresh-2"


@pytest.fixture
def credential(endpoint: TokenEndpoint) -> EntraCredential:
    return EntraCredential.model_validate(
        {
            "flow": "device-code",
            "tenant_id": TENANT,
            "client_id": "app",
            "authority": endpoint.authority,
            "ca_file": str(endpoint.ca_file),
        }
    )


@pytest.fixture
def sign_ins(tmp_path: Path, credential: EntraCredential) -> SignIns:
    sign_ins = SignIns(tmp_path / "state")
    sign_ins.put("ann", SignIn.to(credential, "ann@acme.example", OLD, BEGIN))
    return sign_ins


@pytest.fixture
def source(credential: EntraCredential, sign_ins: SignIns, clock: HandClock) -> DelegatedSource:
    return delegated("ann", credential, sign_ins, clock)


def delegated(
    name: str,
    credential: EntraCredential,
    sign_ins: SignIns,
    clock: HandClock,
    note_end: Callable[[datetime], None] = lambda _ends: None,
) -> DelegatedSource:
    def http() -> ProviderHttp:
        return ProviderHttp(credential.ca_file, clock, REQUEST)

    return DelegatedSource(name, credential, sign_ins, http, clock, note_end=note_end)


def rotating(endpoint: TokenEndpoint, **fields: object) -> None:
    def answer(_: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        token = {"token_type": "Bearer", "expires_in": 3600, "access_token": "canary-token"}
        return as_json(200, token | fields)

    endpoint.answer = answer


def kept(sign_ins: SignIns) -> SignIn:
    found = sign_ins.get("ann")
    assert found is not None
    return found


def test_a_refresh_token_gets_an_access_token(endpoint: TokenEndpoint, source: DelegatedSource) -> None:
    rotating(endpoint, refresh_token=NEW)
    token = source.ask()
    assert (token.value, token.lifetime) == ("canary-token", 3600)
    (form,) = endpoint.forms
    assert form["grant_type"] == "refresh_token"
    assert form["refresh_token"] == OLD
    assert "client_secret" not in form
    scopes = form["scope"].split()
    assert {"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"} <= set(scopes)


def test_the_new_refresh_token_replaces_the_old_one(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns, clock: HandClock
) -> None:
    rotating(endpoint, refresh_token=NEW)
    source.ask()
    after = kept(sign_ins)
    assert after.refresh_token == NEW
    assert after.renewed == clock.now()
    assert (after.signed_in, after.account) == (BEGIN, "ann@acme.example")
    source.ask()
    assert endpoint.forms[-1]["refresh_token"] == NEW


def test_without_a_new_refresh_token_the_old_one_stays(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns
) -> None:
    before = kept(sign_ins)
    rotating(endpoint)
    assert source.ask().value == "canary-token"
    assert kept(sign_ins) == before


def test_a_new_refresh_token_is_saved_even_if_its_access_token_is_of_no_use(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns
) -> None:
    rotating(endpoint, refresh_token=NEW, access_token="canary token")
    with pytest.raises(TokenUnavailable):
        source.ask()
    assert kept(sign_ins).refresh_token == NEW


@pytest.mark.parametrize("value", ["", "canary token", 7, ["canary"], {"canary": 1}, "canary\u00e9"])
def test_a_refresh_token_that_could_be_none_is_not_saved(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns, value: object
) -> None:
    rotating(endpoint, refresh_token=value)
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert "canary" not in str(caught.value)
    assert kept(sign_ins).refresh_token == OLD


def full(*_: object) -> None:
    raise OSError(28, os.strerror(28))


def test_nothing_is_asked_if_the_answer_could_not_be_saved(
    endpoint: TokenEndpoint, source: DelegatedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that takes back what was used once would take the sign-in back."""
    monkeypatch.setattr("mailsluice.files.new_file.NewFile.write", full)
    with pytest.raises(SecretError, match=r"credentials\.ann: .*No space left"):
        source.ask()
    assert endpoint.forms == []


def test_an_access_token_is_not_used_if_its_refresh_token_cannot_be_saved(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        monkeypatch.setattr("mailsluice.files.new_file.NewFile.write", full)
        return as_json(200, {"access_token": "canary-token", "refresh_token": NEW})

    endpoint.answer = answer
    with pytest.raises(SecretError, match="No space left"):
        source.ask()
    monkeypatch.undo()
    assert kept(sign_ins).refresh_token == OLD


def test_an_id_token_does_not_matter(endpoint: TokenEndpoint, source: DelegatedSource) -> None:
    rotating(endpoint, refresh_token=NEW, id_token="canary.nonsense", client_info="nonsense")
    assert source.ask().value == "canary-token"


@pytest.mark.parametrize("number", ["70008", "700082", "70043", "50173", "50076", "50079", "50133", "50158"])
def test_a_sign_in_that_has_ended_names_the_command(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns, number: str
) -> None:
    description = f"AADSTS{number}: It ended. Trace ID: x"
    endpoint.answer = lambda _: as_json(
        400, {"error": "invalid_grant", "error_description": description, "suberror": "x"}
    )
    with pytest.raises(TokenRefused, match=f"invalid_grant: AADSTS{number}: It ended") as caught:
        source.ask()
    assert "sign in: `" in caught.value.remedy
    assert " login ann`" in caught.value.remedy
    assert kept(sign_ins).refresh_token == OLD


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("65001", "delegated permission POP.AccessAsUser.All"),
        ("50105", "add the person under Users and groups"),
        ("53003", "Conditional Access"),
        ("7000218", "allow public client flows"),
        ("700016", "`client_id`"),
        ("90002", "`tenant_id`"),
    ],
)
def test_a_refusal_that_a_sign_in_alone_does_not_end_says_what_does(
    endpoint: TokenEndpoint, source: DelegatedSource, number: str, words: str
) -> None:
    description = f"AADSTS{number}: No. Trace ID: x"
    endpoint.answer = lambda _: as_json(400, {"error": "invalid_grant", "error_description": description})
    with pytest.raises(TokenRefused) as caught:
        source.ask()
    assert words in caught.value.remedy


def test_an_error_that_repeats_the_refresh_token_does_not_show_it(
    endpoint: TokenEndpoint, source: DelegatedSource
) -> None:
    endpoint.answer = lambda form: as_json(
        400, {"error": "invalid_grant", "error_description": f"not good: {form['refresh_token']}"}
    )
    with pytest.raises(TokenRefused, match=r"not good: \[secret\]") as caught:
        source.ask()
    assert "canary" not in str(caught.value)


def test_a_provider_that_fails_is_asked_again_later(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns
) -> None:
    endpoint.answer = lambda _: (503, {"Retry-After": "17"}, b"")
    with pytest.raises(TokenUnavailable) as caught:
        source.ask()
    assert caught.value.retry_after == 17
    assert kept(sign_ins).refresh_token == OLD


def test_when_the_sign_in_ends_is_noted(
    endpoint: TokenEndpoint, credential: EntraCredential, sign_ins: SignIns, clock: HandClock
) -> None:
    noted: list[datetime] = []
    rotating(endpoint, refresh_token=NEW)
    delegated("ann", credential, sign_ins, clock, noted.append).ask()
    assert noted == [kept(sign_ins).ends] == [clock.now() + timedelta(days=90)]


def test_nobody_signed_in(credential: EntraCredential, clock: HandClock, tmp_path: Path) -> None:
    other = delegated("bob", credential, SignIns(tmp_path / "state"), clock)
    with pytest.raises(SecretError, match="nobody has signed in") as caught:
        other.ask()
    assert "login bob`" in caught.value.remedy


def test_it_keeps_what_the_port_promises(source: DelegatedSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers within LONGEST, also if it has to wait for another process first."""
    assert PATIENCE + REQUEST <= LONGEST

    waited = []

    def held(_self: SignIns, _name: str, seconds: float) -> ExitStack:
        waited.append(seconds)
        return ExitStack()

    monkeypatch.setattr(SignIns, "held", held)
    source.ask()
    assert waited == [PATIENCE]


@pytest.mark.parametrize("flow", ["device-code", "browser"])
def test_both_flows_get_their_tokens_so(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    sign_ins: SignIns,
    clock: HandClock,
    tmp_path: Path,
    flow: str,
) -> None:
    assert kept(sign_ins).refresh_token == OLD
    rotating(endpoint)
    section = credential.model_copy(update={"flow": flow})
    source = entra_source("ann", section, Means(Secrets(tmp_path / "state", "sealed"), clock))
    assert source.ask().value == "canary-token"


def test_people_who_signed_in_for_sections_that_say_the_same_share_no_token(
    endpoint: TokenEndpoint, credential: EntraCredential, sign_ins: SignIns, clock: HandClock, tmp_path: Path
) -> None:
    sign_ins.put("bob", SignIn.to(credential, "bob@acme.example", "canary-of-bob", BEGIN))
    endpoint.answer = lambda form: as_json(
        200, {"access_token": f"canary-for-{form['refresh_token']}", "expires_in": 3600}
    )
    credentials = Credentials(
        {"ann": credential, "bob": credential}, Secrets(tmp_path / "state", "sealed"), clock
    )
    logins = [credentials.login(mailbox(name)) for name in ("ann", "bob", "ann")]
    assert logins == [BearerToken(f"canary-for-{token}") for token in (OLD, "canary-of-bob", OLD)]
    assert len(endpoint.forms) == 2
    credentials.refused(mailbox("ann"), logins[0])


def mailbox(credential: str) -> Mailbox:
    sink = SpoolSink(path=Path("/nowhere"))
    return Mailbox(name="m", address="a@b.example", credential=credential, host="pop.example", sink=sink)


def test_a_sign_in_renewed_while_it_runs_is_used_at_once(
    endpoint: TokenEndpoint, source: DelegatedSource, sign_ins: SignIns, credential: EntraCredential
) -> None:
    endpoint.answer = lambda _: as_json(400, {"error": "invalid_grant"})
    with pytest.raises(TokenRefused):
        source.ask()
    rotating(endpoint)
    sign_ins.put("ann", SignIn.to(credential, "ann@acme.example", "canary-fresh", BEGIN + timedelta(days=1)))
    source.ask()
    assert endpoint.forms[-1]["refresh_token"] == "canary-fresh"
