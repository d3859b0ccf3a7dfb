from __future__ import annotations

import sys

import pytest

from benchmarks import tools
from benchmarks.tools import PEERS, Tool, told, versions


def test_of_our_own_tools_no_version_is_told() -> None:
    assert versions(["floor", "mailsluice", "mailsluice-4"]) == ""


def test_who_is_not_here_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PEERS, "fdm", Tool("fdm", ["/nowhere/fdm"], PEERS["fdm"].prepare))
    monkeypatch.setitem(PEERS, "mpop", Tool("mpop", ["true"], PEERS["mpop"].prepare))
    monkeypatch.setattr(tools, "_version", "{} 1".format)
    assert versions(["mailsluice", "fdm", "mpop"]) == "mpop 1"


def test_a_program_that_is_not_here_tells_nothing() -> None:
    assert (told("/nowhere/program"), told(sys.executable, "-c", "print(7)")) == ("", "7")
