"""The house rules that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "mailsluice"
MODULES = sorted(SOURCE.rglob("*.py"))


def _id(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("module", MODULES, ids=_id)
def test_a_module_fits_in_400_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES, ids=_id)
def test_a_function_fits_in_50_lines(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name


@pytest.mark.parametrize("module", [path for path in MODULES if path.name != "__init__.py"], ids=_id)
def test_a_module_has_a_test_of_its_name(module: Path) -> None:
    beside = ROOT / "tests" / module.parent.relative_to(SOURCE)

    assert list(beside.glob(f"test*_{module.stem}.py")) or _is_tested_as_a_whole(module)


def _is_tested_as_a_whole(module: Path) -> bool:
    """Whether a module is met only in company: values and ports, and commands run as processes."""
    return _id(module) in {
        "__main__.py",
        "session/parts.py",
        "session/ports.py",
        "demo.py",
        "cli/demo.py",
        "cli/run.py",
    }


@pytest.mark.parametrize("pins", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_pins_name_no_address(pins: Path) -> None:
    lines = [line for line in pins.read_text().splitlines() if not line.startswith("#")]

    assert not [line for line in lines if "://" in line or "index" in line]
