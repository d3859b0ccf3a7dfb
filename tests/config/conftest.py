from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.load import load
from mailsluice.errors import ConfigurationError

WHOLE = """
[credentials.acme]
kind = "entra"
tenant_id = "acme.example"
client_id = "app"
client_secret = "keyring:acme"

[mailboxes.invoices]
address = "invoices@acme.example"
credential = "acme"
sink = { kind = "spool", path = "/spool" }
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file below the test's folder; by default, the configuration itself."""

    def write(text: str, name: str = "mailsluice.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def mistakes(write: Callable[..., Path], tmp_path: Path) -> Callable[[str], list[str]]:
    """What is wrong with a configuration: each mistake without the name of the folder."""

    def mistakes(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(write(text))
        return [line.replace(f"{tmp_path}/", "") for line in caught.value.mistakes]

    return mistakes


@pytest.fixture
def whole() -> str:
    """A configuration with one mailbox and nothing wrong."""
    return WHOLE
