"""The program is killed at every step in which a refresh token is replaced: no sign-in is lost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

from crash.victim import Fate, Point
from crash.world import KILLED, MAIL, Nursery, World
from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.config.credentials import EntraCredential
from mailsluice_sandbox import Sandbox
from support.extent import FULL

WITHIN = "DelegatedSource.ask"
CALLS = [
    "ProviderHttp.get",
    "ProviderHttp.post",
    "Directory.lock",
    "Directory.try_lock",
    "Directory.unlink",
    "Directory.create",
    "NewFile.write",
    "NewFile.sync",
    "Directory.replace",
    *(["os.open", "os.fsync", "os.rename", "os.close"] if FULL else []),
]
REPLACED = 2
"""The vault is replaced twice in a rotation: to prove that it can be, and with the new refresh token."""


class SignedIn(World):
    """A mailbox of a person who has signed in."""

    def _configuration(self, sandbox: Sandbox, leave: str) -> str:
        self.sign_ins = SignIns(self._state_dir)
        self.server.shared_with.add("ann@acme.example")
        keys = {
            "tenant_id": sandbox.tenant_id,
            "client_id": sandbox.client_id,
            "authority": sandbox.authority,
            "ca_file": str(sandbox.ca_file),
            "flow": "device-code",
        }
        section = EntraCredential.model_validate(keys)
        token = sandbox.sign_ins.sign_in("ann@acme.example")
        self.sign_ins.put("old", SignIn.to(section, "ann@acme.example", token, sandbox.entra._clock.now()))
        of_a_person = "".join(f'{key} = "{value}"\n' for key, value in {"kind": "entra", **keys}.items())
        of_the_password = f'kind     = "password"\npassword = "file:{self._home}/password"\n'
        return super()._configuration(sandbox, leave).replace(of_the_password, of_a_person)


@pytest.fixture
def strict(sandbox: Sandbox) -> Iterator[None]:
    sandbox.sign_ins.strict = True
    yield
    sandbox.sign_ins.strict = False


def points(call: str, when: Literal["before", "after"]) -> Iterator[Point]:
    for nth in count(1):
        yield Point(call, when, nth, within=WITHIN)


def new_world(home: Path, sandbox: Sandbox, nursery: Nursery) -> SignedIn:
    home.mkdir()
    return SignedIn(home, sandbox, nursery, sink="spool", leave="false")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", CALLS)
def test_a_kill_at_any_step_of_a_rotation_loses_no_sign_in(
    tmp_path: Path, sandbox: Sandbox, nursery: Nursery, call: str
) -> None:
    """With the rule of Entra ID: an old refresh token stays good when it is replaced."""
    for when in ("before", "after"):
        for number, point in enumerate(points(call, when)):
            world = new_world(tmp_path / f"{when}-{number}", sandbox, nursery)
            code = world.poll(Fate(point))
            if code != KILLED:
                assert code == 0
                break
            assert world.poll() == 0, f"after {point}: {world.printed}"
            assert len(world.visible()) == len(MAIL)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("call", "when", "nth", "lost"),
    [
        ("ProviderHttp.post", "before", 1, False),
        ("ProviderHttp.post", "after", 1, True),
        ("Directory.replace", "after", REPLACED - 1, False),
        ("Directory.replace", "before", REPLACED, True),
        ("Directory.replace", "after", REPLACED, False),
    ],
)
def test_a_strict_provider_takes_back_a_sign_in_only_if_the_kill_is_between_its_answer_and_the_disk(
    tmp_path: Path,
    sandbox: Sandbox,
    nursery: Nursery,
    call: str,
    when: Literal["before", "after"],
    nth: int,
    lost: bool,
) -> None:
    world = new_world(tmp_path / "world", sandbox, nursery)
    assert world.poll(Fate(Point(call, when, nth, within=WITHIN))) == KILLED
    assert world.poll() == (77 if lost else 0)
    assert ("login old`" in world.printed) == lost
