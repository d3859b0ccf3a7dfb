from __future__ import annotations

import pytest

from support.program import printed_by


@pytest.mark.parametrize("before", ["", "import importlib.metadata"], ids=["first", "after others"])
def test_no_plug_in_has_a_say_in_what_a_configuration_means(before: str) -> None:
    program = f"""
{before}
from mailsluice.config import models
from pydantic.plugin._loader import get_plugins
print(list(get_plugins()))
from importlib.metadata import entry_points
print(bool(entry_points(group="console_scripts")))
"""
    assert printed_by(program) == "[]\nTrue\n"
