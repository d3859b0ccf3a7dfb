from __future__ import annotations

import pytest

from support.program import printed_by


@pytest.mark.parametrize("before", ["", "import rich.console, asyncio"], ids=["alone", "beside them"])
def test_structlog_comes_without_rich_and_asyncio_which_can_be_had_later(before: str) -> None:
    program = f"""
import sys
{before}
from mailsluice.obs import logger
print(logger.structlog.dev.rich, logger.structlog.stdlib.asyncio is sys.modules.get("asyncio"))
import asyncio
from rich.console import Console
print(Console.__module__, hasattr(asyncio, "run"))
"""
    assert printed_by(program) == "None False\nrich.console True\n"
