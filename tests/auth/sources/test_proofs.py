"""Each way in which an application proves itself, from its configuration to the request."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import TENANT, TokenEndpoint
from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources import program
from mailsluice.auth.sources.means import Means
from mailsluice.auth.sources.source import LONGEST, TokenSource
from mailsluice.auth.sources.ways import entra_source
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import SecretError, TokenRefused
from support.proofs import PASSWORD, assertion, pair, rsa_key, written

HOUR = timedelta(hours=1)


class Asking:
    """Makes sources by what a section says."""

    def __init__(self, folder: Path, endpoint: TokenEndpoint, clock: HandClock) -> None:
        self.noted: list[tuple[str, datetime]] = []
        secrets = Secrets(folder / "state", "sealed")
        self.means = Means(secrets, clock, note_end=lambda name, _, ends: self.noted.append((name, ends)))
        self._ids = {
            "tenant_id": TENANT,
            "client_id": "app",
            "authority": endpoint.authority,
            "ca_file": str(endpoint.ca_file),
        }

    def source(self, **keys: object) -> TokenSource:
        return entra_source("acme", EntraCredential.model_validate({**self._ids, **keys}), self.means)


@pytest.fixture
def asking(tmp_path: Path, endpoint: TokenEndpoint, clock: HandClock) -> Asking:
    return Asking(tmp_path, endpoint, clock)


def signer(endpoint: TokenEndpoint, keys: list[Any]) -> int:
    """Which of these keys has signed the last assertion."""
    token = endpoint.forms[-1]["client_assertion"]
    for number, key in enumerate(keys):
        try:
            jwt.decode(token, key.public_key(), algorithms=["PS256"], options={"verify_aud": False})
        except jwt.InvalidSignatureError:
            continue
        return number
    raise AssertionError


def test_when_the_certificate_ends_is_noted_with_each_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    ends = clock.now() + 40 * 24 * HOUR
    path = written(tmp_path / "acme.pfx", pair(begin=clock.now(), end=ends).pfx(PASSWORD))
    asking.means.secrets.store("word", PASSWORD)
    asking.source(certificate=f"file:{path}", certificate_password="keyring:word").ask()
    assert asking.noted == [("acme", ends)]


def test_a_certificate_that_is_renewed_is_used_for_the_next_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    old, new = (pair(rsa_key(n), begin=clock.now(), end=clock.now() + HOUR) for n in (0, 1))
    path = written(tmp_path / "acme.pfx", old.pfx(PASSWORD))
    asking.means.secrets.store("word", PASSWORD)
    source = asking.source(certificate=f"file:{path}", certificate_password="keyring:word")
    assert source.ask().value == "canary-token-1"
    assert signer(endpoint, [old.key, new.key]) == 0
    written(path, new.pfx(PASSWORD))
    assert source.ask().value == "canary-token-2"
    assert signer(endpoint, [old.key, new.key]) == 1


def test_a_certificate_that_has_ended_is_no_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    own = pair(begin=clock.now() - HOUR, end=clock.now() + HOUR)
    source = asking.source(certificate=f"file:{written(tmp_path / 'acme.pem', own.pem())}")
    source.ask()
    clock.seconds += 3601
    with pytest.raises(SecretError, match="the certificate ended on "):
        source.ask()
    assert len(endpoint.forms) == 1


def test_an_assertion_that_is_renewed_is_used_for_the_next_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    tokens = [assertion(clock.now() + n * HOUR) for n in (1, 2)]
    source = asking.source(assertion=f"file:{tmp_path}/token")
    for token in tokens:
        written(tmp_path / "token", token)
        source.ask()
    assert [form["client_assertion"] for form in endpoint.forms] == tokens


def test_an_assertion_that_is_stale_is_no_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    written(tmp_path / "token", assertion(clock.now() - HOUR))
    with pytest.raises(SecretError, match="the assertion ended at "):
        asking.source(assertion=f"file:{tmp_path}/token").ask()
    assert endpoint.forms == []


def test_an_assertion_is_printed_for_each_request(
    asking: Asking, endpoint: TokenEndpoint, clock: HandClock, tmp_path: Path
) -> None:
    tokens = [assertion(clock.now() + n * HOUR) for n in (1, 2)]
    source = asking.source(assertion_command=["/bin/cat", str(tmp_path / "token")])
    for token in tokens:
        written(tmp_path / "token", token)
        source.ask()
    assert [form["client_assertion"] for form in endpoint.forms] == tokens


def test_an_assertion_command_is_given_home_and_lang_and_no_other_variable(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("OLD_PASSWORD", "canary")
    source = asking.source(
        assertion_command=["/bin/sh", "-c", 'echo "home=$HOME lang=$LANG old=$OLD_PASSWORD." >&2; exit 1']
    )
    with pytest.raises(TokenRefused, match=r"home=/home/ann lang=C old=\.$"):
        source.ask()


def test_an_assertion_command_and_the_provider_end_within_the_time_of_a_source(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    monkeypatch.setattr(
        "mailsluice.auth.sources.ways.ProviderHttp", lambda *given, **_: left.append(given[-1])
    )
    source: Any = asking.source(assertion_command=["/bin/true"])
    source._http()
    assert left == [LONGEST - program.DEADLINE - program.LAST_WAIT]
    assert left[0] > 20
