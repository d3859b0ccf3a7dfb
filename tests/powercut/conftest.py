from __future__ import annotations

from pathlib import Path

import pytest

from support.shared_library import shared_library


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records a process it is loaded into."""
    return shared_library(Path(__file__).with_name("recording.c"), tmp_path_factory.mktemp("recording"))
