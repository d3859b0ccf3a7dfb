"""A target that is broken on purpose, four comparisons deep: what an engine that heeds coverage finds at once."""

from __future__ import annotations

SEEDS = (b"seed",)
WORDS = (b"RETR",)


def check(data: bytes) -> None:
    met = 0
    for octet, wanted in zip(data, b"DELE", strict=False):
        if octet != wanted:
            return
        met += 1
    assert met < 4
