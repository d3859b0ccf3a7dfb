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

HOSTILE = os.environ.get("MAILSLUICE_HOSTILE") == "1"
_LONG = 3_600
ALL = 1_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_LONG if HOSTILE else 60)]
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
        most=ALL if HOSTILE else 1,
        stride=1 if HOSTILE else 3,
    )
    assert found["faults"] == []
    assert found["repeated"] > 0, "no consumer was quicker than the sync"


@SINKS
@POLICIES
def test_a_power_cut_after_a_killed_process_and_the_recovery_from_it_leaves_each_message_once(
    recording: Path, tmp_path: Path, kind: str, leave: bool
) -> None:
    found = walked(
        recording,
        tmp_path,
        story="killed",
        kind=kind,
        leave=leave,
        most=12 if HOSTILE else 0,
        stride=1 if HOSTILE else 151,
    )
    assert found["faults"] == []
    assert found["stories"] > 10


@SINKS
@POLICIES
def test_a_sync_that_fails_once_and_loses_what_was_written_loses_no_message_and_repeats_none(
    recording: Path, tmp_path: Path, kind: str, leave: bool
) -> None:
    found = walked(
        recording,
        tmp_path,
        story="failing",
        kind=kind,
        leave=leave,
        most=12 if HOSTILE else 0,
        stride=1 if HOSTILE else 151,
    )
    assert found["faults"] == []
    assert found["stories"] > 10
