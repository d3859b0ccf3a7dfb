"""One Dovecot for all tests of a process, a mailbox of its own for each test.

Where there is no Dovecot the tests are skipped with the reason; in CI they fail instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.dovecot import Dovecot, PeerMailbox, why_missing
from support.skipping import skip_or_fail


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.peers)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A running Dovecot. It is an error if it does not live to the end."""
    if missing := why_missing():
        skip_or_fail(missing)
    with Dovecot() as server:
        yield server


@pytest.fixture
def peer(dovecot: Dovecot) -> Iterator[PeerMailbox]:
    """An empty mailbox that no other test knows. A failing test shows what Dovecot logged meanwhile."""
    before = len(dovecot.log())
    yield dovecot.mailbox(f"user-{secrets.token_hex(4)}@contoso.test")
    print(dovecot.log()[before:])
