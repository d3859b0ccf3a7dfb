"""The benchmark itself, with little mail and one round."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import pytest
from rich.console import Console

from benchmarks import fetch
from benchmarks.figures import REFERENCE, Row
from benchmarks.mail import Load
from benchmarks.scenarios import FULL, QUICK, Scenario
from benchmarks.tools import TOOLS, Errand, Tool
from mailsluice.session.fetch import WORTH_A_SESSION
from peers.dovecot import why_missing
from support.skipping import skip_or_fail

LOAD = Load("tests", 3, pdf_every=3)
TITLE = "three"


def measured(scenario: Scenario) -> tuple[Row, str]:
    if missing := why_missing():
        skip_or_fail(missing)
    said = io.StringIO()
    (row,) = fetch.fetch([scenario], Console(file=said, width=140))
    return row, said.getvalue()


@pytest.mark.peers
@pytest.mark.slow
def test_four_connections_fetch_all() -> None:
    enough = Load("enough", 4 * WORTH_A_SESSION)
    scenario = Scenario("x", TITLE, enough, ("mailsluice-4",), 1, round_trip=0.001, pipelining=False)
    row, _ = measured(scenario)
    assert row.results["mailsluice-4"].failure == ""


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("pipelining", [True, False])
def test_each_of_ours_fetches_all(pipelining: bool) -> None:
    tools = ("floor", "mailsluice", "mailsluice-spool")
    row, _ = measured(Scenario("x", TITLE, LOAD, tools, 1, round_trip=0.001, pipelining=pipelining))
    assert {name: result.failure for name, result in row.results.items()} == dict.fromkeys(tools, "")
    assert all((row.asked(name) or 0) * LOAD.count >= 7 for name in tools)


def test_without_a_server_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.server.why_missing", lambda: "no Dovecot")
    with pytest.raises(click.ClickException, match="no Dovecot"):
        fetch.fetch([], Console(file=io.StringIO()))


@pytest.mark.peers
def test_a_tool_that_is_not_here_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOOLS, "fdm", Tool("fdm", ["/nowhere/fdm"], TOOLS["fdm"].prepare))
    row, said = measured(Scenario("x", TITLE, LOAD, ("fdm",), 1))
    assert row.results["fdm"].failure == "left out: /nowhere/fdm is not installed"
    assert "left out: /nowhere/fdm" in said


def idle(_errand: Errand) -> list[str | Path]:
    return ["true"]


def undeleting(errand: Errand) -> list[str | Path]:
    """All of it arrives, and is still on the server."""
    for number, message in enumerate(LOAD.messages()):
        (errand.maildir() if not number else errand.mail).joinpath("new", str(number)).write_bytes(message)
    return ["true"]


def bare(errand: Errand) -> list[str | Path]:
    """All of it arrives in a spool, but one sidecar."""
    errand.mail.mkdir()
    for number, message in enumerate(LOAD.messages()):
        errand.mail.joinpath(f"{number}.eml").write_bytes(message)
        if number:
            errand.mail.joinpath(f"{number}.json").touch()
    return ["true"]


@pytest.mark.peers
@pytest.mark.parametrize(
    ("prepare", "failure"),
    [
        (idle, "failed: 3 missing: "),
        (undeleting, "failed: left 3 on the server"),
        (bare, "failed: 1 without a sidecar"),
    ],
)
def test_a_run_that_did_not_do_it_does_not_count(
    prepare: Callable[[Errand], list[str | Path]], failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOOLS, "fdm", Tool("fdm", ["true"], prepare))
    row, _ = measured(Scenario("x", TITLE, LOAD, ("fdm",), 1))
    assert (row.results["fdm"].failure, row.results["fdm"].runs) == (failure, [])


@pytest.mark.peers
@pytest.mark.slow
def test_of_what_is_kept_the_poll_that_finds_nothing_is_measured() -> None:
    row, _ = measured(Scenario("x", TITLE, LOAD, ("mailsluice",), 1, kept=True))
    assert row.results["mailsluice"].failure == ""


def fetching_again(errand: Errand) -> list[str | Path]:
    """Each time it runs, all of it arrives."""
    more = errand.folder / "more"
    more.mkdir()
    for number, message in enumerate(LOAD.messages()):
        more.joinpath(str(number)).write_bytes(message)
    new = errand.maildir() / "new"
    return ["sh", "-c", f'for m in {more}/*; do cp "$m" "{new}/$$-${{m##*/}}"; done']


@pytest.mark.peers
def test_who_fetches_again_what_is_kept_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOOLS, "fdm", Tool("fdm", ["sh"], fetching_again))
    row, _ = measured(Scenario("x", TITLE, LOAD, ("fdm",), 1, kept=True))
    assert row.results["fdm"].failure == "failed: 3 twice: "


@pytest.mark.parametrize("scenarios", [FULL, QUICK])
def test_every_scenario_can_be_compared(scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        assert {"mailsluice", REFERENCE} <= set(scenario.tools) <= set(TOOLS)
        assert scenario.kept or "floor" in scenario.tools
        assert {aim.tool for aim in scenario.aims} <= set(scenario.tools)


@pytest.mark.parametrize("scenarios", [FULL, QUICK])
def test_four_connections_have_enough_to_do(scenarios: Sequence[Scenario]) -> None:
    loads = [scenario.load for scenario in scenarios if "mailsluice-4" in scenario.tools]
    assert min(load.count for load in loads) >= 4 * WORTH_A_SESSION


def test_each_round_has_an_order_of_its_own_and_the_same_each_time() -> None:
    scenario = Scenario("x", TITLE, LOAD, ("floor", "mailsluice", "mpop", "fdm"), 8)
    rounds = [fetch._turn(scenario, number) for number in range(8)]
    assert rounds == [fetch._turn(scenario, number) for number in range(8)]
    assert [set(each) == set(scenario.tools) for each in rounds] == [True] * 4 + [False] * 4
    assert all("fdm" not in each for each in rounds[4:])
    followed = {each[each.index("mpop") - 1] for each in rounds if each[0] != "mpop"}
    assert len(followed) > 1


def test_the_slow_ones_run_less_often_but_twice_where_others_do() -> None:
    often = Scenario("x", TITLE, LOAD, ("fetchmail",), 9)
    assert [replace(often, rounds=rounds).rounds_of("fetchmail") for rounds in (1, 2, 5, 11)] == [1, 2, 2, 3]
