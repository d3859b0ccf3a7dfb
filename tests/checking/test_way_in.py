"""The way to a login: what is tried, what is left out, and what is known at its end."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.auth.signing.sign_ins import SignIn, SignIns
from mailsluice.checking.means import Means
from mailsluice.checking.steps import State, Step
from mailsluice.checking.way_in import WayIn, try_way_in
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice.errors import SecretError, ServerUnreachable, TokenRefused
from mailsluice.model import BearerToken, Password
from mailsluice_sandbox import Sandbox
from support.checks import configured, line, means_of
from support.secrecy import leaks, leaks_below

ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def path(sandbox: Sandbox, tmp_path: Path) -> Path:
    return configured(tmp_path, sandbox, "a")


def tried(path: Path) -> tuple[WayIn, Means]:
    means = means_of(load(path))
    return try_way_in(means.config.mailboxes["a"], means), means


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def entra(path: Path, how: str) -> None:
    """Let the credential get in this way instead of by a secret."""
    change(path, f'client_secret = "file:{path.parent}/secret"', how)


def test_secret_provider_token_and_claims_are_looked_at_in_this_order(path: Path) -> None:
    way_in, means = tried(path)

    assert isinstance(way_in.login, BearerToken)
    assert way_in.facts.claims is not None
    steps = ["secret", "DNS", "TCP", "TLS", "token", "claims"]
    assert [line.step.value for line in means.journal.lines] == steps
    assert not leaks(str(means.journal.lines))


def test_nothing_is_kept(path: Path) -> None:
    tried(path)
    assert not (path.parent / "state").exists()


def test_a_secret_that_cannot_be_read_ends_the_way(path: Path) -> None:
    (path.parent / "secret").unlink()

    way_in, means = tried(path)

    assert isinstance(way_in.error, SecretError)
    assert way_in.step is Step.SECRET
    assert line(means, Step.TOKEN).state is State.LEFT_OUT


def test_a_provider_that_cannot_be_reached_ends_the_way(sandbox: Sandbox, path: Path) -> None:
    change(path, sandbox.authority, "https://localhost:1/acme")

    way_in, means = tried(path)

    assert isinstance(way_in.error, ServerUnreachable)
    assert way_in.step is Step.TCP
    assert line(means, Step.TCP).state is State.FAILED
    assert line(means, Step.TOKEN).state is State.LEFT_OUT


def test_of_a_refused_secret_it_is_known_whether_it_is_an_id(sandbox: Sandbox, tmp_path: Path) -> None:
    way_in, means = tried(configured(tmp_path, sandbox, "a", secret=ID))

    assert isinstance(way_in.error, TokenRefused)
    assert way_in.facts.secret_is_id
    assert line(means, Step.SECRET).state is State.DOUBT


def test_a_secret_like_an_id_that_gets_a_token_stays_a_doubt(sandbox: Sandbox, tmp_path: Path) -> None:
    own = replace(sandbox.app.secrets[0], value=ID)
    sandbox.app.secrets.append(own)

    way_in, means = tried(configured(tmp_path, sandbox, "a", secret=ID))
    sandbox.app.secrets.remove(own)

    assert way_in.error is None
    assert line(means, Step.SECRET).state is State.DOUBT
    assert line(means, Step.TOKEN).state is State.OK


def test_claims_that_open_nothing_are_a_doubt_until_the_server_refuses(sandbox: Sandbox, path: Path) -> None:
    sandbox.app.roles.clear()

    way_in, means = tried(path)
    sandbox.app.roles.append("POP.AccessAsApp")

    assert way_in.login is not None
    found = line(means, Step.CLAIMS)
    assert found.state is State.DOUBT
    assert "no permission" in found.detail


def test_a_declared_end_of_the_secret_is_a_doubt(path: Path) -> None:
    change(path, "client_secret =", "expires = 2000-01-01\nclient_secret =")
    found = line(tried(path)[1], Step.SECRET)
    assert found.state is State.DOUBT
    assert "2000-01-01" in found.detail


def test_a_password_needs_no_provider(path: Path) -> None:
    text = path.read_text()
    begin, end = text.index("[credentials.acme]"), text.index("[defaults]")
    section = f'[credentials.acme]\nkind = "password"\npassword = "file:{path.parent}/secret"\n'
    path.write_text(text[:begin] + section + text[end:])

    way_in, means = tried(path)

    assert isinstance(way_in.login, Password)
    assert [line.step for line in means.journal.lines] == [Step.SECRET, Step.TOKEN]


def test_a_program_gives_a_token_that_cannot_be_read(path: Path) -> None:
    program = path.parent / "program"
    program.write_text(f'#!{sys.executable}\nprint("opaque-canary")\n')
    program.chmod(0o700)
    text = path.read_text()
    begin, end = text.index("[credentials.acme]"), text.index("[defaults]")
    section = f'[credentials.acme]\nkind = "command"\ncommand = ["{program}"]\n'
    path.write_text(text[:begin] + section + text[end:])

    way_in, means = tried(path)

    assert way_in.error is None
    assert way_in.facts.claims is None
    assert line(means, Step.CLAIMS).state is State.OK
    assert not leaks(str(means.journal.lines))


def test_a_hostile_token_is_shown_without_escapes(path: Path) -> None:
    claims = base64.urlsafe_b64encode(b'{"aud":"\\u001b[2Jx","roles":["\\u009b1m"]}').decode().rstrip("=")
    program = path.parent / "program"
    program.write_text(f'#!{sys.executable}\nprint("e30.{claims}.x")\n')
    program.chmod(0o700)
    text = path.read_text()
    begin, end = text.index("[credentials.acme]"), text.index("[defaults]")
    path.write_text(
        text[:begin] + f'[credentials.acme]\nkind = "command"\ncommand = ["{program}"]\n' + text[end:]
    )

    assert line(tried(path)[1], Step.CLAIMS).detail.isprintable()


def test_a_sign_in_is_used_and_what_the_provider_replaced_is_saved_and_nothing_else(
    sandbox: Sandbox, path: Path
) -> None:
    entra(path, 'flow = "device-code"')
    credential = load(path).credentials["acme"]
    assert isinstance(credential, EntraCredential)
    state = path.parent / "state"
    refresh = sandbox.sign_ins.sign_in("ann@acme.example")
    sign_ins = SignIns(state)
    sign_ins.put("acme", SignIn.to(credential, "ann@acme.example", refresh, means_of(load(path)).clock.now()))
    before = set(state.rglob("*"))

    way_in, means = tried(path)

    assert way_in.error is None
    assert line(means, Step.SECRET).detail == "ann@acme.example signed in"
    assert SignIns(state).made_for("acme", credential).refresh_token != refresh
    assert {found.name for found in set(state.rglob("*")) - before} == {"sign-in.acme.lock"}
    assert not leaks_below(state)
