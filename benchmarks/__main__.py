"""`python -m benchmarks`: the benchmarks by name, or all of them."""

from __future__ import annotations

from benchmarks.cli import main

main()
