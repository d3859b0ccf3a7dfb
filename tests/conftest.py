"""For the whole suite: no test may print a secret, or leave one where mailsluice writes, whatever else it proves."""

from __future__ import annotations

import signal
from collections.abc import Generator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from mailsluice import invocation
from support.secrecy import leaks, leaks_below

pytest_plugins = ["pytester"]

# How long an example takes on a busy machine is luck; what takes too long has the suite's own time-out.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def nothing_noted_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's command line notes of its call is none of another's."""
    monkeypatch.setattr(invocation, "_call", invocation._Call())


@pytest.fixture(autouse=True)
def ctrl_c_is_pythons_own() -> None:
    """A shell's job in the background ignores it, and a poll in this process handles it in its own way."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


_taken: list[str] = []
"""What the running test has taken out of pytest's or click's capture, so that no report shows it."""

_readouterr = pytest.CaptureFixture.readouterr
_invoke = CliRunner.invoke


def _overheard_readouterr(capture: pytest.CaptureFixture[Any]) -> Any:
    captured = _readouterr(capture)
    _taken.extend(text.decode(errors="replace") if isinstance(text, bytes) else text for text in captured)
    return captured


def _overheard_invoke(runner: CliRunner, *arguments: Any, **settings: Any) -> Result:
    result = _invoke(runner, *arguments, **settings)
    _taken.append(result.output)
    return result


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "reads_secrets_back: prints secrets on purpose, and reads them back")
    pytest.CaptureFixture.readouterr = _overheard_readouterr  # type: ignore[method-assign,assignment]
    CliRunner.invoke = _overheard_invoke  # type: ignore[method-assign,assignment]


def pytest_unconfigure() -> None:
    pytest.CaptureFixture.readouterr = _readouterr  # type: ignore[method-assign]
    CliRunner.invoke = _invoke  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that printed or logged a secret, or had mailsluice write one.

    The teardown's report carries all sections: standard output, standard error and log records of set-up,
    test and teardown.
    """
    report = yield
    if report.when != "teardown":
        return report
    texts = [text for _, text in report.sections]
    if not item.get_closest_marker("reads_secrets_back"):
        texts += _taken
    _taken.clear()
    found = [f"printed {kind}" for text in texts for kind in leaks(text)]
    if folder := getattr(item, "funcargs", {}).get("tmp_path"):
        found += leaks_below(folder)
    if found and not report.failed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: {', '.join(sorted(set(found)))}"
    return report
