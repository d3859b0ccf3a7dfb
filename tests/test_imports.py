"""Imports that find stand-ins. In processes of their own: what is loaded, stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.program import PATIENCE, surroundings


def printed(program: str) -> str:
    """What this program prints, by lines."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        env=surroundings(),
    )
    return ended.stdout


def test_what_has_a_stand_in_is_loaded_for_who_asks_later() -> None:
    program = """
from types import ModuleType
from mailsluice.imports import in_place_of
with in_place_of({"calendar": ModuleType("calendar")}):
    import calendar as within
import calendar
print(hasattr(within, "monthrange"), hasattr(calendar, "monthrange"))
"""
    assert printed(program) == "False True\n"


def test_what_was_loaded_before_is_there_again_afterwards_whatever_happens() -> None:
    program = """
import calendar
import sys
from mailsluice.imports import in_place_of
try:
    with in_place_of({"calendar": None}):
        import calendar as within
except ImportError as error:
    print(error.name)
print(sys.modules["calendar"] is calendar)
"""
    assert printed(program) == "calendar\nTrue\n"


@pytest.mark.parametrize("before", ["", "import rich.console, asyncio"], ids=["alone", "beside them"])
def test_structlog_comes_without_rich_and_asyncio_which_can_be_had_later(before: str) -> None:
    program = f"""
{before}
from mailsluice.obs import logger
print(logger.structlog.dev.rich, hasattr(logger.structlog.stdlib.asyncio, "run"))
import asyncio
from rich.console import Console
print(Console.__module__, hasattr(asyncio, "run"))
"""
    assert printed(program) == "None False\nrich.console True\n"


@pytest.mark.parametrize("before", ["", "import importlib.metadata"], ids=["first", "after others"])
def test_no_plug_in_has_a_say_in_what_a_configuration_means(before: str) -> None:
    program = f"""
{before}
from mailsluice.config import models
from pydantic.plugin._loader import get_plugins
print(list(get_plugins()))
from importlib.metadata import entry_points
print(bool(entry_points(group="console_scripts")))
"""
    assert printed(program) == "[]\nTrue\n"
