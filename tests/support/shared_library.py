"""Shared libraries of the tests' own, which a process under test is made to load before any other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support.skipping import skip_or_fail


def shared_library(source: Path, folder: Path) -> Path:
    """The library made of a file of C, in this folder. Skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        skip_or_fail("there is no C compiler (apt-get install gcc libc6-dev)")
    library = folder / f"{source.stem}.so"
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-nonnull-compare")
    made = subprocess.run(
        [compiler, *options, "-o", library, source, "-ldl"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return library
