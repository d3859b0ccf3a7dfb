"""One Dovecot and one identity provider for all tests of a process, a mailbox of its own for each test.

Where one of them is not installed the tests are skipped with the reason; in CI they fail instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers import oidc as identity_provider
from peers.dovecot import Dovecot, PeerMailbox, why_missing
from peers.oidc import Oidc
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


@pytest.fixture(scope="session")
def running_oidc() -> Iterator[Oidc]:
    """A running identity provider. It is an error if it does not live to the end."""
    if missing := identity_provider.why_missing():
        skip_or_fail(missing)
    with Oidc() as provider:
        yield provider


@pytest.fixture
def oidc(running_oidc: Oidc) -> Iterator[Oidc]:
    """The identity provider, with nothing noted yet. A failing test shows what it complained of meanwhile."""
    running_oidc.reset()
    before = len(running_oidc.log())
    yield running_oidc
    print(running_oidc.log()[before:])


@pytest.fixture(scope="session")
def exchange(running_oidc: Oidc) -> Iterator[Dovecot]:
    """A Dovecot that takes the identity provider's tokens, as Exchange Online takes those of Entra ID."""
    if missing := why_missing():
        skip_or_fail(missing)
    with Dovecot(running_oidc.as_known_to_dovecot()) as server:
        yield server


@pytest.fixture
def box(exchange: Dovecot) -> Iterator[PeerMailbox]:
    """An empty mailbox of `exchange`. A failing test shows what Dovecot logged meanwhile."""
    before = len(exchange.log())
    yield exchange.mailbox(f"user-{secrets.token_hex(4)}@contoso.test")
    print(exchange.log()[before:])
