"""The page about setting up a tenant is what the program prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest

from mailsluice import invocation
from mailsluice.config.credentials import HOSTS, LOGIN_HOSTS, Cloud
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.tenant.manual import setup_page

PAGE = Path(__file__).parents[3] / "docs" / "setup-tenant.md"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of ours are spelled by their name alone."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    invocation.note_file(None)


def test_the_page_is_as_the_program_says_now() -> None:
    assert PAGE.read_text() == setup_page(), "`make generated` writes it"


def test_no_command_stands_there_twice_for_the_same_way() -> None:
    usual, _, others = setup_page().partition("## Other ways")
    assert others.count("Install-Module ExchangeOnlineManagement") == 2
    assert "openssl" not in others
    assert "New-ServicePrincipal" not in others
    assert usual.count("New-ServicePrincipal -AppId") == 1


@pytest.mark.parametrize("cloud", get_args(Cloud))
def test_it_has_the_hosts_of_each_cloud(cloud: Cloud) -> None:
    (row,) = [line for line in setup_page().splitlines() if f"| `{cloud}` |" in line]
    for word in (HOSTS[cloud], LOGIN_HOSTS[cloud], PLACES[cloud].portal, PLACES[cloud].connect):
        assert word in row
