"""Waiting for what another process does, and nothing tells: by looking again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.program import PATIENCE

BETWEEN_LOOKS = 0.02
"""Seconds. It is not waited for luck: a look too early is followed by another."""


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Return as soon as it is done; fail the test if it never is."""
    give_up = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > give_up:
            pytest.fail(f"never happened: {what}")
        time.sleep(BETWEEN_LOOKS)
