"""The power is cut at every call of a poll that changes the disk, the ledger's too, and some of them are lost.

The bounded form tries some of what may be lost at some of the calls; MAILSLUICE_HOSTILE=1 tries all of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.extent import FULL

_LONG = 3_600
ALL = 1_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_LONG if FULL else 60)]
SINKS = pytest.mark.parametrize("kind", ["spool", "maildir"])
POLICIES = pytest.mark.parametrize("leave", [False, True], ids=["delete", "keep"])


def walked(recording: Path, home: Path, **order: Any) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("walk.py"), json.dumps({"home": str(home), **order})],
        env={**os.environ, "LD_PRELOAD": str(recording), "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=_LONG,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    print(order, {name: count for name, count in found.items() if name != "faults"})
    return found


@SINKS
@POLICIES
def test_a_power_cut_anywhere_in_a_process_s_first_two_polls_leaves_each_message_once(
    recording: Path, tmp_path: Path, kind: str, leave: bool
) -> None:
    found = walked(
        recording,
        tmp_path,
        story="daemon",
        kind=kind,
        leave=leave,
        most=ALL if FULL else 1,
        stride=1 if FULL else 2,
    )
    assert found["faults"] == []
    assert found["repeated"] > 0, "no consumer was quicker than the sync"


@SINKS
@POLICIES
@pytest.mark.parametrize("story", ["killed", "failing"])
def test_a_process_killed_at_a_sync_or_a_sync_that_fails_and_then_a_power_cut_leave_each_message_once(
    recording: Path, tmp_path: Path, kind: str, leave: bool, story: str
) -> None:
    found = walked(
        recording,
        tmp_path,
        story=story,
        kind=kind,
        leave=leave,
        most=12 if FULL else 0,
        stride=1 if FULL else 151,
    )
    assert found["faults"] == []
    assert found["stories"] > 10
