"""The engine: one target, driven by atheris towards octets that reach more of mailsluice.

    PYTHONPATH=tests python -m fuzz.engine TARGET FOLDER [LIBFUZZER-FLAG...]

What reached something new is kept in FOLDER/corpus, from where the next run goes on; what a target does not
bear is left as FOLDER/crash-* (or timeout-*, oom-*), and the exit code is not 0.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

INSTRUMENTED = ["mailsluice", "tomllib", "cronsim", "msal", "fuzz.targets"]
"""Whose branches guide the engine: ours, and those pure libraries that read for us."""

LONGEST = 4096
SLOWEST = 20
"""Seconds that one input may take before the engine calls it a fault."""


def main() -> None:
    import atheris

    name, folder, *flags = sys.argv[1:]
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"fuzz.targets.{name}")
    folders = _prepared(Path(folder), target)
    atheris.Setup(
        [
            name,
            f"-max_len={LONGEST}",
            f"-timeout={SLOWEST}",
            f"-artifact_prefix={folder}/",
            f"-dict={folder}/words",
            *flags,
            *folders,
        ],
        target.check,
    )
    atheris.Fuzz()


def _prepared(folder: Path, target: ModuleType) -> list[str]:
    """The folders to begin from, the first of which grows; the target's words beside them."""
    corpus, seeds = folder / "corpus", folder / "seeds"
    for made in (corpus, seeds):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (seeds / str(number)).write_bytes(seed)
    words = ("".join(f"\\x{octet:02x}" for octet in word) for word in target.WORDS)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    cases = Path(__file__).parent / "cases" / target.__name__.rpartition(".")[2]
    return [str(corpus), str(seeds), *([str(cases)] if cases.is_dir() else [])]


if __name__ == "__main__":
    main()
