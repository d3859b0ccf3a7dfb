"""What is asked to explain an error, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.checking.clouds import Searched
from mailsluice.checking.explanations import Explanations
from mailsluice.checking.means import Means
from mailsluice.checking.reach import Reached
from mailsluice.checking.steps import State, Step
from mailsluice.checking.tried import Tried
from mailsluice.checking.way_in import WayIn
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Access, Facts
from mailsluice.diagnosis.filling import filled
from mailsluice.errors import (
    MailsluiceError,
    Obstacle,
    Phase,
    ServerBarred,
    ServerUnreachable,
    ServerUntrusted,
    TokenRefused,
)
from mailsluice_sandbox import Sandbox
from support.checks import line, loaded, means_of

UNKNOWN = TokenRefused("no", said="invalid_tenant: AADSTS90002: Tenant 'x' not found.", clock_ahead=2.0)
UNTRUSTED = ServerUntrusted("no", phase=Phase.TLS, obstacle=Obstacle.UNTRUSTED)
DROPPED = ServerUnreachable("no", phase=Phase.CONNECT, obstacle=Obstacle.DROPPED)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def means(sandbox: Sandbox, tmp_path: Path) -> Means:
    return means_of(loaded(tmp_path, sandbox, "a", "b"))


def explained(error: MailsluiceError, means: Means, *, at_provider: bool = False, times: int = 1) -> Facts:
    box = means.config.mailboxes["a"]
    facts = Facts(Access.of("acme", means.config.credentials["acme"]), host=box.host, port=box.port)
    way_in = WayIn(facts, None, error, Step.TCP) if at_provider else WayIn(facts)
    one = Tried(box, way_in, Reached() if at_provider else Reached(error, Step.TLS))
    explanations = Explanations(means)
    return [explanations.add(error, facts, one) for _ in range(times)][-1]


def test_an_unknown_tenant_is_looked_for_once_in_other_clouds(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def found_in(*arguments: object) -> Searched:
        asked.append(arguments)
        return Searched("china")

    monkeypatch.setattr("mailsluice.checking.explanations.found_in", found_in)

    facts = explained(UNKNOWN, means, at_provider=True, times=3)

    assert (facts.found_in, facts.clock_ahead) == ("china", 2.0)
    assert len(asked) == 1
    assert line(means, Step.CAUSE).detail == "the cloud china has this tenant"


def test_of_another_refusal_no_cloud_is_asked(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("mailsluice.checking.explanations.found_in", never)
    refused = TokenRefused("no", said="invalid_client: AADSTS7000215: Invalid client secret provided.")
    assert explained(refused, means, at_provider=True).found_in is None


@pytest.mark.parametrize("at_provider", [False, True], ids=["mail server", "provider"])
def test_who_signed_a_certificate_is_asked_of_the_server_that_showed_it(
    means: Means, *, at_provider: bool
) -> None:
    assert "mailsluice sandbox" in explained(UNTRUSTED, means, at_provider=at_provider, times=2).issuer
    assert "mailsluice sandbox" in line(means, Step.CAUSE).detail


@pytest.mark.parametrize("at_provider", [False, True], ids=["mail server", "provider"])
def test_a_proxy_of_the_environment_that_is_not_used_is_told_where_nothing_answers(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, at_provider: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    facts = explained(DROPPED, means_of(loaded(tmp_path, sandbox, "a")), at_provider=at_provider)
    assert "https_proxy is set, but used only with `proxy = " in filled(Cause.DROPPED_BY_FIREWALL.mend, facts)


def test_without_a_proxy_in_the_environment_nothing_is_told_of_one(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    facts = explained(DROPPED, means_of(loaded(tmp_path, sandbox, "a")))
    assert filled(Cause.DROPPED_BY_FIREWALL.mend, facts).endswith("name the `proxy` that must be used")


def test_what_to_do_about_a_proxy_is_what_its_error_says(means: Means) -> None:
    barred = ServerBarred("no", phase=Phase.CONNECT, remedy="ask who runs it", obstacle=Obstacle.PROXY)
    assert filled(Cause.PROXY.mend, explained(barred, means)) == "ask who runs it"


def test_a_certificate_that_has_ended_is_not_asked_for_its_issuer(means: Means) -> None:
    ended = ServerUntrusted("no", phase=Phase.TLS, obstacle=Obstacle.EXPIRED)
    assert explained(ended, means).issuer == ""
    assert means.journal.lines == ()


def note(means: Means, subject: str, step: Step, state: State) -> None:
    means.journal.end(subject, step, means.clock.monotonic(), state, "")


def test_another_server_that_was_reached_shows_that_there_is_a_network(means: Means) -> None:
    note(means, "login.example:443", Step.TCP, State.OK)
    assert explained(DROPPED, means).others_reached is True


def test_if_no_other_server_was_reached_either_that_is_known(means: Means) -> None:
    note(means, "login.example:443", Step.DNS, State.FAILED)
    assert explained(DROPPED, means).others_reached is False


def test_if_all_names_were_found_and_all_packets_are_dropped_there_is_a_network(means: Means) -> None:
    note(means, "login.example:443", Step.DNS, State.OK)
    note(means, "login.example:443", Step.TCP, State.FAILED)
    no_route = ServerUnreachable("no", phase=Phase.CONNECT, obstacle=Obstacle.NO_ROUTE)
    assert explained(DROPPED, means).others_reached is None
    assert explained(no_route, means).others_reached is False


def test_if_no_other_server_was_tried_nothing_is_known(means: Means) -> None:
    note(means, f"localhost:{means.config.mailboxes['a'].port}", Step.TCP, State.FAILED)
    assert explained(DROPPED, means).others_reached is None


def test_at_the_provider_the_host_is_its_own(means: Means, sandbox: Sandbox) -> None:
    facts = of_provider_at(means, "https://login.example/acme")
    assert (facts.host, facts.port) == ("login.example", 443)


def of_provider_at(means: Means, authority: str) -> Facts:
    credential = means.config.credentials["acme"].model_copy(update={"authority": authority})
    config = means.config.model_copy(update={"credentials": {"acme": credential}})
    return explained(DROPPED, replace(means, config=config), at_provider=True)
