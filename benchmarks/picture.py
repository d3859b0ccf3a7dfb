"""Draws docs/performance.png from the figures of the last `make bench`: a panel for each fetch.

Run it in the benchmarks' own environment, which has Pillow. Owns where things are drawn. Must never measure.
"""

from __future__ import annotations

import sys

from PIL import Image, ImageDraw, ImageFont

from benchmarks import ROOT
from benchmarks.figures import LAST_RUN, Row, circumstances, load, shown

PICTURE = ROOT / "docs" / "performance.png"

_COLUMNS = 2
_WIDTH, _BAR, _GAP, _MARGIN = 920, 30, 10, 40
_HEAD = 64
_NAMES, _VALUES = 200, 120
_INK, _PALE, _OURS, _OTHERS, _LIMIT = "#1f2328", "#59636e", "#0969da", "#afb8c1", "#d8dee4"
_FOOT = 164
_ABOUT = """Fetch and delete over TLS, whole processes against one Dovecot; shorter is better.
mixed: one in five has a PDF of 150-400 KB. floor: all is asked for ahead where that can be, and thrown away.
no PIPELINING: one thing is asked at a time, as of Exchange Online. mailsluice-4: connections = 4."""


def _colour(tool: str) -> str:
    if tool.startswith("mailsluice"):
        return _OURS
    return _LIMIT if tool == "floor" else _OTHERS


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _panel(draw: ImageDraw.ImageDraw, left: int, top: int, row: Row) -> None:
    """Seconds, the shorter the better; the longest bar fills the panel."""
    draw.text((left, top), row.title, fill=_INK, font=_font(30))
    ran = {tool: result.wall for tool, result in row.results.items() if result.counts}
    room = _WIDTH - _NAMES - _VALUES
    for place, (tool, seconds) in enumerate(ran.items()):
        y = top + _HEAD + place * (_BAR + _GAP)
        draw.text((left, y), tool, fill=_INK, font=_font(24))
        end = left + _NAMES + max(2, round(room * seconds / max(ran.values())))
        draw.rectangle((left + _NAMES, y, end, y + _BAR - 1), fill=_colour(tool))
        draw.text((end + 10, y), f"{shown(seconds)} s", fill=_PALE, font=_font(24))


def _height(row: Row) -> int:
    return _HEAD + sum(result.counts for result in row.results.values()) * (_BAR + _GAP) + _MARGIN


def main() -> None:
    """Draw it, or say what is missing."""
    if not LAST_RUN.exists():
        sys.exit(f"{LAST_RUN} is not there: run `make bench`")
    every, about = load(LAST_RUN)
    rows = [row for row in every if row.results and not row.kept]
    lines = [rows[at : at + _COLUMNS] for at in range(0, len(rows), _COLUMNS)]
    height = _MARGIN + sum(max(map(_height, line)) for line in lines) + _FOOT
    image = Image.new("RGB", (_COLUMNS * (_WIDTH + _MARGIN) + _MARGIN, height), "white")
    draw = ImageDraw.Draw(image)
    top = _MARGIN
    for line in lines:
        for column, row in enumerate(line):
            _panel(draw, _MARGIN + column * (_WIDTH + _MARGIN), top, row)
        top += max(map(_height, line))
    foot = f"{_ABOUT}\nMedians; {circumstances(about, rows)}."
    draw.multiline_text((_MARGIN, top), foot, fill=_PALE, font=_font(24), spacing=8)
    image.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
