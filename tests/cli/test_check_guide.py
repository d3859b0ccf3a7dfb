"""`check --guide` prints how to set up each tenant."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.cli.main import main

TENANTS = """
[credentials.acme]
kind = "entra"
tenant_id = "00000000-0000-0000-0000-000000000000"
client_id = "11111111-1111-1111-1111-111111111111"
certificate = "keyring:acme-cert"
[credentials.ann]
kind = "entra"
tenant_id = "other.example"
client_id = "22222222-2222-2222-2222-222222222222"
flow = "browser"
"""


def printed(config: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["-c", str(config), "check", "--guide"]) == 0
    return capsys.readouterr().out


def test_each_tenant_has_a_guide_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mailsluice.toml"
    config.write_text(TENANTS)
    config.chmod(0o600)
    _, acme, ann = printed(config, capsys).split("[credentials.")
    assert acme.startswith("acme]\n\n1. What you need\n")
    assert "$app = '11111111-1111-1111-1111-111111111111'" in acme
    assert ann.startswith("ann]\n\n1. What you need\n")
    assert "login ann" in ann


def test_it_says_why_it_is_without_the_values_of_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mailsluice.toml"
    config.write_text("[service")
    assert main(["-c", str(config), "check", "--guide"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("1. What you need\n")
    assert told.err.startswith(f"The guide is without your values: {config}: ")


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_tenant_there_is_one_with_placeholders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    config = tmp_path / "mailsluice.toml"
    if text is not None:
        config.write_text(text)
        config.chmod(0o600)
    out = printed(config, capsys)
    assert out.startswith("1. What you need\n")
    assert "<Application (client) ID>" in out
    assert out.endswith("\n")
    assert not out.endswith("\n\n")
