"""The configurations that the documents show are right as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.load import load

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.findall(r"```toml\n(.*?)```", (DOCS / "sign-in.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("text", SHOWN, ids=lambda text: text.splitlines()[0])
def test_a_configuration_that_is_shown_loads(write: Callable[..., Path], text: str) -> None:
    assert load(write(text)).files


def test_a_setting_that_is_shown_as_another_way_loads_in_the_place_of_the_first(
    write: Callable[..., Path],
) -> None:
    text = next(text for text in SHOWN if "acme.pfx" in text)
    other = re.sub(r"^certificate = .*\n", "", text, flags=re.MULTILINE).replace(
        "#certificate", "certificate"
    )
    credential = load(write(other)).credentials["acme"]
    assert str(getattr(credential, "certificate", "")) == "file:/etc/mailsluice/acme.pfx"
