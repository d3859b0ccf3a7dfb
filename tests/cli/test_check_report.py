"""The report for support: what is in it, and what never is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice_sandbox import Sandbox
from support.checks import check, configured
from support.secrecy import leaks


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.mailbox("a@acme.example")
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Path:
    return configured(tmp_path, sandbox, "a")


Capture = pytest.CaptureFixture[str]


def test_it_has_versions_settings_steps_and_findings(config: Path, sandbox: Sandbox, capsys: Capture) -> None:
    found = check(capsys, config, "--report")

    assert found.code == 0
    assert found.err == ""
    heads = [line for line in found.out.splitlines() if line.isupper() or line.startswith("CONFIGURATION")]
    assert heads == ["CONFIGURATION (secrets are references)", "STEPS", "FINDINGS", "WHAT THE LEDGER KNOWS"]
    assert f"credentials.acme: client_id is {sandbox.client_id}" in found.out
    assert f"credentials.acme: client_secret is file:{config.parent}/secret" in found.out
    assert "a: everything works" in found.out
    assert leaks(found.out) == []


def test_it_says_where_secrets_are_kept(config: Path, capsys: Capture) -> None:
    config.write_text(config.read_text() + '[keyring]\nbackend = "systemd"\n')
    assert "keyring: backend is systemd" in check(capsys, config, "--report").out


def test_of_a_program_no_argument_is_shown(config: Path, capsys: Capture) -> None:
    program = config.parent / "program"
    program.write_text(f'#!{sys.executable}\nprint("opaque")\n')
    program.chmod(0o700)
    text = config.read_text()
    begin, end = text.index("[credentials.acme]"), text.index("[defaults]")
    section = f'[credentials.acme]\nkind = "command"\ncommand = ["{program}", "-p", "canary"]\n'
    config.write_text(text[:begin] + section + text[end:])

    found = check(capsys, config, "--report")

    assert f"credentials.acme: command is {program} with 2 arguments" in found.out
    assert leaks(found.out) == []


def test_a_variable_is_named_without_what_it_has(
    config: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://ann:canary@proxy.acme.example:3128")
    found = check(capsys, config, "--report")
    assert "variables: https_proxy" in found.out
    assert leaks(found.out) == []
    assert "proxy.acme.example" not in found.out


def test_the_password_of_a_proxy_is_a_reference(config: Path, capsys: Capture) -> None:
    proxy = 'proxy = "http://ann@127.0.0.1:1"\nproxy_password = "env:NOBODY"'
    config.write_text(config.read_text().replace("[service]", f"[service]\n{proxy}"))
    found = check(capsys, config, "--report")
    assert "service: proxy_password is env:NOBODY" in found.out
    assert found.code != 0
