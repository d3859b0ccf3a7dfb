"""A token's file, and a process that is really killed at each step of writing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.victim import Point
from crash.world import Nursery, World
from mailsluice_sandbox import Sandbox
from support.secrecy import leaks_below


class TokenWorld(World):
    """The same mailbox, with a token for a login."""

    def _configuration(self, sandbox: Sandbox, leave: str) -> str:
        secret = self._home / "secret"
        secret.touch(0o600)
        secret.write_text(sandbox.client_secret)
        of_the_token = f"""\
kind          = "entra"
tenant_id     = "{sandbox.tenant_id}"
client_id     = "{sandbox.client_id}"
client_secret = "file:{secret}"
authority     = "{sandbox.authority}"
ca_file       = "{sandbox.ca_file}"
"""
        of_the_password = f'kind     = "password"\npassword = "file:{self._home}/password"\n'
        return super()._configuration(sandbox, leave).replace(of_the_password, of_the_token)


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox, nursery: Nursery) -> TokenWorld:
    return TokenWorld(tmp_path, sandbox, nursery, sink="spool", leave="true")


LOST = [
    Point("TokenFile.write"),
    Point("NewFile.write", within="TokenFile.write"),
    Point("NewFile.write", "after", within="TokenFile.write"),
    Point("Directory.replace", within="TokenFile.write"),
    Point("Directory.replace", "after", within="TokenFile.write"),
    Point("NewFile.write", nth=2, within="TokenFile.write"),
    Point("NewFile.write", "after", nth=2, within="TokenFile.write"),
    Point("Directory.replace", nth=2, within="TokenFile.write"),
]
"""The first time, the key is written before the token."""
KEPT = [
    Point("Directory.replace", "after", nth=2, within="TokenFile.write"),
    Point("TokenFile.write", "after"),
    Point("TokenFile.sweep"),
    Point("NewFile.write", "after", within="TokenFile.write", turn=2),
    Point("Directory.replace", within="TokenFile.write", turn=2),
    Point("Directory.replace", "after", within="TokenFile.write", turn=2),
]
"""The second time, the login was accepted."""


@pytest.mark.parametrize(
    ("point", "requests"), [*((point, 2) for point in LOST), *((point, 1) for point in KEPT)], ids=str
)
def test_a_kill_costs_one_request_at_most_and_no_word(
    world: TokenWorld, sandbox: Sandbox, point: Point, requests: int
) -> None:
    before = sandbox.entra.token_requests
    world.kill(point)

    assert world.poll() == 0
    assert "token not kept" not in world.log
    assert world.poll() == 0
    assert sandbox.entra.token_requests - before == requests
    assert not list(world.config.parent.glob("state/tokens/.*"))
    assert leaks_below(world.config.parent) == []
