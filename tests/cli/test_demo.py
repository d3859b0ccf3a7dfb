"""`mailsluice demo` where the program was installed without the extra that the demo needs."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from mailsluice.cli.demo import command


@pytest.fixture
def server_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server, which has no certificate maker."""
    for name in [*sys.modules]:
        if name.partition(".")[0] == "mailsluice_sandbox":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "trustme", None)


@pytest.mark.usefixtures("server_installation")
def test_without_the_extra_the_demo_says_what_to_install() -> None:
    ended = CliRunner().invoke(command, [])

    assert ended.exit_code == 2  # which `mailsluice` turns into 64, as for all wrong usage
    assert "trustme is missing" in ended.output
    assert f"`{sys.executable} -m pip install 'mailsluice[demo]'` installs it" in ended.output
