from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.skipping import skip_or_fail


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records a process it is loaded into."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        skip_or_fail("no C compiler")
    library = tmp_path_factory.mktemp("recording") / "recording.so"
    source = Path(__file__).with_name("recording.c")
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "-o", library, source, "-ldl"], check=True)
    return library
