from __future__ import annotations

from pathlib import Path

import pytest

from support.program import printed_by

PROGRAM = """
import sys
sys.path.append({folder!r})
{before}
from {module} import {name}
class Model({name}):
    pass
print("loaded" if "eager" in sys.modules else "left alone")
from importlib.metadata import entry_points
print("eager:plugin" in [entry.value for entry in entry_points(group="pydantic")])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a plug-in for pydantic is installed."""
    (tmp_path / "eager.py").write_text(
        "class Plugin:\n    def new_schema_validator(self, *_, **__): return None, None, None\nplugin = Plugin()\n"
    )
    installed = tmp_path / "eager-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: eager\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[pydantic]\neager = eager:plugin\n")
    return tmp_path


def printed(folder: Path, module: str, name: str, before: str = "") -> str:
    return printed_by(PROGRAM.format(folder=str(folder), module=module, name=name, before=before))


@pytest.mark.parametrize("before", ["", "import importlib.metadata"], ids=["first", "after others"])
def test_no_plug_in_has_a_say_in_what_a_configuration_means(folder: Path, before: str) -> None:
    assert printed(folder, "mailsluice.config.models", "Section", before) == "left alone\nTrue\n"


def test_pydantic_alone_would_load_it(folder: Path) -> None:
    assert printed(folder, "pydantic", "BaseModel") == "loaded\nTrue\n"
