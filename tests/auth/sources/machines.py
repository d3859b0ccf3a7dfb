"""Machines in Azure for the tests: the service that gives them tokens, and a bare environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest

from mailsluice.auth.sources import managed
from mailsluice.clock import SystemClock
from mailsluice_sandbox import AppRegistration, Machine
from mailsluice_sandbox.faults import Faults
from mailsluice_sandbox.tokens import TokenIssuer


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in managed._VARIABLES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def machine_at(keys: Path) -> Iterator[Machine]:
    """A machine whose Arc agent puts its key files into this directory."""
    clock, faults = SystemClock(), Faults()
    machine = Machine(
        TokenIssuer(clock, "https://login.example/contoso", "contoso", AppRegistration()), faults, clock, keys
    )
    yield machine
    faults.close()
    machine.close()


def asked_of(token: str) -> tuple[object, object]:
    """The identity and the audience of a token."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims["appid"], claims["aud"]
