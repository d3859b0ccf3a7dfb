"""For the whole suite: no test may print a secret, whatever else it proves."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from support.secrecy import leaks

pytest_plugins = ["pytester"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that printed or logged a secret.

    The teardown's report carries all sections: standard output, standard error and log records of set-up,
    test and teardown.
    """
    report = yield
    if report.when != "teardown":
        return report
    found = sorted({kind for _, text in report.sections for kind in leaks(text)})
    if found and not report.failed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed {', '.join(found)}"
    return report
