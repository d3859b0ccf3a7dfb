"""What every source of access tokens keeps to, whoever it asks."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

import mailsluice_sandbox as sandbox
from auth.hand_clock import HandClock
from auth.sources.asking import secret_source
from auth.sources.machines import bare_machine, machine_at
from auth.token_endpoint import SECRET, TENANT, Answer, TokenEndpoint, as_json
from mailsluice.auth.sources import program
from mailsluice.auth.sources.command import CommandSource
from mailsluice.auth.sources.managed import ManagedSource
from mailsluice.auth.sources.source import LONGEST, TokenSource, problem
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenError, TokenRefused, TokenUnavailable
from mailsluice.net import https, metadata
from mailsluice.outcome import Disposition
from mailsluice_sandbox import Fault, Silence
from support.fixtures import bare_environment

__all__ = ["bare_environment", "bare_machine"]


class Asked(Protocol):
    """A source, and whoever stands behind it: it can be told how to answer, and counts the requests."""

    source: TokenSource

    def give(self, token: str) -> None: ...

    def refuse(self, said: str) -> None: ...

    def fall_silent(self) -> None: ...

    @property
    def requests(self) -> int: ...

    def close(self) -> None: ...


class AskedEntra:
    def __init__(self, directory: Path) -> None:
        clock = HandClock()
        self._gone = threading.Event()
        self._endpoint = endpoint = TokenEndpoint(directory)
        credential = EntraCredential.model_validate(
            {
                "tenant_id": TENANT,
                "client_id": "app",
                "client_secret": "keyring:acme",
                "authority": endpoint.authority,
                "ca_file": str(endpoint.ca_file),
            }
        )
        self.source = secret_source(
            credential, lambda: SECRET, clock, lambda: https.ProviderHttp(endpoint.ca_file, clock, 0.5)
        )

    def give(self, token: str) -> None:
        self._endpoint.answer = lambda _: as_json(200, {"access_token": token, "expires_in": 3600})

    def refuse(self, said: str) -> None:
        said = f"{said} {SECRET}"
        self._endpoint.answer = lambda _: as_json(401, {"error": "invalid_client", "error_description": said})

    def fall_silent(self) -> None:
        def silent(form: dict[str, str]) -> Answer:
            self._gone.wait(10)
            return self._endpoint.token(form)

        self._endpoint.answer = silent

    @property
    def requests(self) -> int:
        return len(self._endpoint.forms)

    def close(self) -> None:
        self._gone.set()
        self._endpoint.close()


class AskedCommand:
    """A program that runs the script that stands in a file, and notes each run in another."""

    def __init__(self, directory: Path) -> None:
        self._script, self._runs = directory / "script", directory / "runs"
        self._runs.touch()
        python = os.path.realpath(sys.executable)
        self.source = CommandSource(
            (
                python,
                "-c",
                f"open({str(self._runs)!r}, 'a').write('x'); exec(open({str(self._script)!r}).read())",
            ),
            "a@b.example",
            deadline=5,
        )
        self.give("canary-token")

    def give(self, token: str) -> None:
        self._script.write_text(f"print({token!r})")

    def refuse(self, said: str) -> None:
        self._script.write_text(f"print('canary-token'); raise SystemExit({said!r})")

    def fall_silent(self) -> None:
        self.source._program._deadline = 0.5
        self._script.write_text("import time; time.sleep(50)")

    @property
    def requests(self) -> int:
        return len(self._runs.read_text())

    def close(self) -> None:
        pass


class AskedMachine:
    """The service of a VM, which gives the tokens of the machine's identity."""

    def __init__(self, directory: Path) -> None:
        self._machines = machine_at(directory)
        self._machine = self._machines.__enter__()
        os.environ.update(self._machine.vm)
        credential = EntraCredential.model_validate({"flow": "managed-identity"})
        self.source = ManagedSource(credential, HandClock(), 0.5, 0.5)

    def give(self, token: str) -> None:
        self._answer(200, {"access_token": token, "expires_in": "3600"})

    def refuse(self, said: str) -> None:
        self._answer(400, {"error": "invalid_request", "error_description": said})

    def fall_silent(self) -> None:
        self._machine.faults.clear()
        self._machine.faults.add(Fault("IDENTITY", Silence(), times=None))

    def _answer(self, status: int, document: dict[str, str]) -> None:
        self._machine.faults.clear()
        answer = sandbox.Answer(status, json.dumps(document).encode())
        self._machine.faults.add(Fault("IDENTITY", answer, times=None))

    @property
    def requests(self) -> int:
        return len(self._machine.requests)

    def close(self) -> None:
        for name in self._machine.vm:
            del os.environ[name]
        self._machines.__exit__(None, None, None)


@pytest.fixture(params=[AskedEntra, AskedCommand, AskedMachine])
def asked(request: pytest.FixtureRequest, tmp_path: Path, bare_machine: None) -> Iterator[Asked]:
    asked: Asked = request.param(tmp_path)
    yield asked
    asked.close()


def test_a_token_can_be_used_and_is_good_for_no_negative_time(asked: Asked) -> None:
    asked.give("canary-token")
    token = asked.source.ask()
    assert token.value == "canary-token"
    assert problem(token.value) == ""
    assert token.lifetime >= 0


def test_nothing_is_remembered_between_two_requests(asked: Asked) -> None:
    asked.give("canary-one")
    assert asked.source.ask().value == "canary-one"
    asked.give("canary-two")
    assert asked.source.ask().value == "canary-two"
    assert asked.requests == 2


def test_a_failure_is_not_remembered_either(asked: Asked) -> None:
    asked.refuse("no")
    with pytest.raises(TokenRefused):
        asked.source.ask()
    asked.give("canary-token")
    assert asked.source.ask().value == "canary-token"


def test_a_refusal_says_what_was_said_and_what_to_do_and_no_secret(asked: Asked) -> None:
    asked.refuse("the account is locked")
    with pytest.raises(TokenRefused, match="the account is locked") as caught:
        asked.source.ask()
    assert caught.value.remedy
    assert "canary" not in f"{caught.value} {caught.value.remedy}"


def test_silence_ends_as_unavailability(asked: Asked) -> None:
    asked.fall_silent()
    with pytest.raises(TokenUnavailable) as caught:
        asked.source.ask()
    assert caught.value.remedy
    assert caught.value.retry_after == 0


@pytest.mark.parametrize("said", ["", "canary token", "canary\x07"])
def test_what_is_no_token_is_an_error_and_not_repeated(asked: Asked, said: str) -> None:
    asked.give(said)
    with pytest.raises(TokenError, match="token") as caught:
        asked.source.ask()
    assert "canary" not in f"{caught.value} {caught.value.remedy}"


def test_threads_may_ask_at_once(asked: Asked) -> None:
    asked.give("canary-token")
    with ThreadPoolExecutor(4) as pool:
        tokens = [future.result() for future in [pool.submit(asked.source.ask) for _ in range(4)]]
    assert {token.value for token in tokens} == {"canary-token"}
    assert asked.requests == 4


def test_it_has_words_of_its_own_for_being_unavailable(asked: Asked) -> None:
    error = asked.source.unavailable("another poll asks")
    assert str(error).startswith("no token from ")
    assert str(error).endswith(": another poll asks")
    assert error.remedy
    assert error.outcome.disposition is Disposition.BACK_OFF


def test_no_token_and_no_secret_shows_in_a_repr(asked: Asked) -> None:
    asked.give("canary-token")
    token = asked.source.ask()
    assert "canary" not in f"{token!r} {vars(asked.source)!r}"


def test_every_source_gives_up_within_the_time_that_those_who_wait_have() -> None:
    assert https.DEADLINE <= LONGEST
    assert program.DEADLINE + program.LAST_WAIT <= LONGEST
    assert metadata.DEADLINE <= LONGEST
