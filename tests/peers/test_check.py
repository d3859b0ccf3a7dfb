"""`check` along the whole chain, with nothing of ours on the other side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mailsluice.cli.main import main
from peers.account import Account
from peers.dovecot import Dovecot, PeerMailbox
from peers.oidc import SECRET, Oidc
from peers.test_chain import FIRST, by_secret

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def account(oidc: Oidc, exchange: Dovecot, box: PeerMailbox, tmp_path: Path) -> Account:
    box.deliver(FIRST)
    account = Account(exchange, box, tmp_path)
    account.configure(credential=by_secret(oidc).replace("keyring:app", f"file:{tmp_path}/secret"))
    store(tmp_path, SECRET)
    return account


def store(folder: Path, secret: str) -> None:
    path = folder / "secret"
    path.touch(0o600)
    path.write_text(secret)


def checked(account: Account, capsys: Capture) -> dict[str, Any]:
    code = main(["-c", str(account.config), "check", "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == max(box["exit_code"] for box in found["mailboxes"])
    return found


def test_every_step_of_the_chain_works_and_nothing_is_fetched(account: Account, capsys: Capture) -> None:
    found = checked(account, capsys)
    assert found["ok"]
    steps = {step["step"]: step for step in found["steps"] if step["state"] == "ok"}
    assert {"token", "claims", "TLS", "greeting", "CAPA", "AUTH", "STAT", "QUIT"} <= steps.keys()
    assert steps["STAT"]["detail"].startswith("1 message")
    assert account.peer.remaining() == [FIRST]


def test_a_wrong_secret_fails_at_the_token_and_the_server_is_tried_all_the_same(
    account: Account, capsys: Capture, tmp_path: Path
) -> None:
    store(tmp_path, "canary-wrong")
    found = checked(account, capsys)
    (box,) = found["mailboxes"]
    assert (box["step"], box["exit_code"]) == ("token", 77)
    assert "invalid_client" in box["error"]
    assert "CAPA" in {step["step"] for step in found["steps"] if step["state"] == "ok"}
