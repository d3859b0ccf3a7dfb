from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.world import Nursery
from faults.fault import SHIM
from mailsluice.sandbox import Sandbox
from support.skipping import skip_or_fail

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        skip_or_fail("there is no C compiler (apt-get install gcc libc6-dev)")
    library = tmp_path_factory.mktemp("shim") / "failing.so"
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-nonnull-compare")
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", *warnings, "-o", library, HERE / "failing.c", "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return library


@pytest.fixture(scope="session")
def nursery(shim: Path) -> Iterator[Nursery]:
    variables = {"LD_PRELOAD": str(shim), SHIM: str(shim), "PYTHONPATH": str(HERE.parent)}
    with Nursery(HERE / "victim.py", **variables) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox
