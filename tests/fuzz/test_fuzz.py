"""Each target with the cases it once did not bear, with hypothesis, and for some thousand inputs with its engine.

MAILSLUICE_HOSTILE=1 gives each engine ten minutes instead.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.extent import FULL
from support.skipping import skip_or_fail

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in (HERE / "targets").glob("[a-z]*.py"))
CASES = sorted((HERE / "cases").glob("*/*"))

SECONDS = 600
RUNS = {
    "ledger": 100,
    "kept": 200,
    "vault": 200,
    "config": 200,
    "answers": 300,
    "presentation": 500,
    "judgement": 500,
}
"""Of those that take some milliseconds each; the others do two thousand in a few seconds."""
USUAL_RUNS = 2000
LONGEST = SECONDS + 60 if FULL else 60


def load(target: str) -> ModuleType:
    return importlib.import_module(f"fuzz.targets.{target}")


def engine(target: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    if find_spec("atheris") is None:
        skip_or_fail("atheris, which has no wheel for this machine")
    ended = subprocess.run(
        [sys.executable, "-m", "fuzz.engine", target, folder, "-seed=1", "-verbosity=0", *flags],
        cwd=HERE.parent,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LONGEST - 5,
        check=False,
    )
    print(ended.stderr[-5000:])
    return ended


def test_every_target_has_its_seeds_and_words() -> None:
    assert len(TARGETS) == 14
    for target in map(load, TARGETS):
        assert target.SEEDS
        assert target.WORDS


@pytest.mark.reads_secrets_back
@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_borne(case: Path) -> None:
    load(case.parent.name).check(case.read_bytes())


@pytest.mark.reads_secrets_back
@pytest.mark.parametrize("target", TARGETS)
def test_what_the_engine_begins_with_is_borne(target: str) -> None:
    module = load(target)
    for seed in module.SEEDS:
        module.check(seed)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=30)
@given(data=st.data())
def test_seeds_spliced_with_words_and_anything_are_borne(target: str, data: st.DataObject) -> None:
    module = load(target)
    seed = data.draw(st.sampled_from(module.SEEDS))
    place = data.draw(st.integers(0, len(seed)))
    less = data.draw(st.integers(0, 3))
    module.check(
        seed[:place] + data.draw(st.sampled_from(module.WORDS) | st.binary(max_size=9)) + seed[place + less :]
    )


@pytest.mark.slow
@pytest.mark.reads_secrets_back
@pytest.mark.timeout(LONGEST)
@pytest.mark.parametrize("target", TARGETS)
def test_the_engine_finds_nothing(target: str, tmp_path: Path) -> None:
    limit = f"-max_total_time={SECONDS}" if FULL else f"-runs={RUNS.get(target, USUAL_RUNS)}"
    assert engine(target, tmp_path, limit).returncode == 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]


@pytest.mark.slow
def test_the_engine_finds_what_only_coverage_leads_to(tmp_path: Path) -> None:
    found = engine("_broken", tmp_path, "-runs=100000")
    assert found.returncode != 0
    assert [path.read_bytes()[:4] for path in tmp_path.glob("crash-*")] == [b"DELE"]
