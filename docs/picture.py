"""Draws docs/demo.svg: what `make demo` shows. Run by `make demo-picture`."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from mailsluice_sandbox.demo import demonstrate

PICTURE = Path(__file__).with_name("demo.svg")

with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary) / "demo"
    folder.mkdir()
    console = Console(record=True, width=104, highlight=False, soft_wrap=True)
    console.print("[bold]$ make demo[/]")
    demonstrate(folder, console)
    svg = console.export_svg(title="mailsluice").replace(str(folder), "/tmp/demo")
    svg = svg.replace(str(Path(sys.executable).parent), ".venv/bin")

# Lengths measured before the paths were replaced would stretch them.
svg = re.sub(r' textLength="[\d.]+"', "", svg)

# The fonts named by address are left out: a viewer uses its own.
PICTURE.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")
