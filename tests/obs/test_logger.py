from __future__ import annotations

import pytest

from support.program import printed_by


@pytest.mark.parametrize(
    ("before", "there"), [("", False), ("import rich.console", True)], ids=["alone", "after rich"]
)
def test_structlog_comes_without_rich_which_can_be_had_later(before: str, there: bool) -> None:
    program = f"""
import sys
{before}
from mailsluice.obs import logger
print("rich" in sys.modules)
from rich.console import Console
print(Console.__module__)
"""
    assert printed_by(program) == f"{there}\nrich.console\n"
