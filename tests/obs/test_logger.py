from __future__ import annotations

import pytest

from support.program import printed_by


@pytest.mark.parametrize(
    ("before", "there"), [("", False), ("import rich.console, asyncio", True)], ids=["alone", "beside them"]
)
def test_structlog_comes_without_rich_and_asyncio_which_can_be_had_later(before: str, there: bool) -> None:
    program = f"""
import sys
{before}
from mailsluice.obs import logger
print(logger.structlog.dev.rich, "asyncio" in sys.modules, "rich" in sys.modules)
import asyncio
from rich.console import Console
print(Console.__module__, hasattr(asyncio, "run"))
"""
    assert printed_by(program) == f"None {there} {there}\nrich.console True\n"
