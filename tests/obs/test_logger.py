"""The logger takes structlog in alone. In processes of their own: what is loaded, stays."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.program import PATIENCE, surroundings


def ended(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        env=surroundings(),
    )


def test_structlog_comes_without_rich_which_can_be_had_later() -> None:
    program = """
import sys
from mailsluice.obs import logger
print("rich" in sys.modules, logger.structlog.dev.rich)
from rich.console import Console
print(Console.__module__)
"""
    assert ended(program).stdout == "False None\nrich.console\n"


@pytest.mark.parametrize("name", ["rich", "rich.console"])
def test_a_rich_that_is_there_already_stays(name: str) -> None:
    program = f"""
import sys
import {name}
from mailsluice.obs import logger
print(sys.modules["rich"] is rich)
"""
    assert ended(program).stdout == "True\n"
