from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keyring.core
import pytest

from mailsluice.config.models import Mailbox, SpoolSink
from support.fixtures import bare_environment, behind_a_firewall, clock, credential, endpoint, http, source

__all__ = ["bare_environment", "behind_a_firewall", "clock", "credential", "endpoint", "http", "source"]


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)


@pytest.fixture
def mailbox() -> Callable[[str], Mailbox]:
    def make(credential: str) -> Mailbox:
        sink = SpoolSink(path=Path("/nowhere"))
        return Mailbox(name="m", address="a@b.example", credential=credential, host="pop.example", sink=sink)

    return make
