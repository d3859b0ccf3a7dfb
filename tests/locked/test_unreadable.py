"""A user who may not read what a command needs: a sentence, and an exit code of its own."""

from __future__ import annotations

import ctypes
import os
import ssl
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import trustme

from mailsluice.cli.main import COMMANDS, main
from mailsluice.ledger.ledger import Ledger
from support.users import ANN, NOBODY, NOGROUP, acting_as, common_ground, given, need_root

# As nobody, who may have no way to Python's own library, nothing more can be imported.
for _name in COMMANDS:
    import_module(f"mailsluice.cli.{_name}")
for _name in ("mailsluice.auth.keyrings.keyring", "mailsluice.polling.schedule", "mailsluice.session.triage"):
    import_module(_name)
_LOADED = (ctypes, tomllib, ssl)


@dataclass
class Site:
    """An installation of nobody's."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "mailsluice.toml"

    def write(self, old: str = "", new: str = "") -> None:
        text = f"""
include = ["more/*.toml"]
service.state_dir = "{self.folder}/state"
[credentials.c]
kind = "password"
password = "file:{self.folder}/secret"
[mailboxes.inbox]
address = "a@acme.example"
host = "127.0.0.1"
port = 1
ca_file = "{self.folder}/ca.pem"
credential = "c"
sink = {{ kind = "spool", path = "{self.folder}/spool" }}
"""
        self.config.write_text(text.replace(old, new) if old else text)

    def closed(self, name: str = "closed") -> Path:
        """A directory that root alone may enter."""
        return given(self.folder / name, 0, 0o700)


@pytest.fixture
def site() -> Iterator[Site]:
    need_root()
    with common_ground() as ground:
        site = Site(ground)
        for name in ("state", "spool"):
            given(ground / name, NOBODY, 0o700)
        for name in ("secret", "more/mailboxes.toml", "ca.pem"):
            (ground / name).parent.mkdir(exist_ok=True)
            (ground / name).touch()
        trustme.CA().cert_pem.write_to_path(ground / "ca.pem")
        (ground / "secret").write_text("canary")
        (ground / "secret").chmod(0o600)
        os.chown(ground / "secret", NOBODY, NOGROUP)
        site.write()
        yield site


def ended(site: Site, *command: str) -> int:
    with acting_as(NOBODY):
        try:
            return main(["-c", str(site.config), *command])
        except SystemExit as end:
            return int(str(end.code))


def _config(site: Site) -> Path:
    site.config.chmod(0o600)
    return site.config


def _included(site: Site) -> Path:
    (site.folder / "more" / "mailboxes.toml").chmod(0o600)
    return site.folder / "more" / "mailboxes.toml"


def _directory_of_included(site: Site) -> Path:
    """Which may be entered, so that nothing but the listing fails."""
    (site.folder / "more").chmod(0o711)
    return site.folder / "more"


def _ca_file(site: Site) -> Path:
    (site.folder / "ca.pem").chmod(0o600)
    return site.folder / "ca.pem"


def _way_to_ca_file(site: Site) -> Path:
    site.write(f"{site.folder}/ca.pem", f"{site.closed()}/ca.pem")
    return site.folder / "closed"


def _secret(site: Site) -> Path:
    os.chown(site.folder / "secret", ANN, NOGROUP)
    return site.folder / "secret"


def _state(site: Site) -> Path:
    os.chown(site.folder / "state", 0, 0)
    return site.folder / "state"


def _ledger(site: Site) -> Path:
    os.chown(site.folder / "state", 0, 0)
    Ledger(site.folder / "state").close()
    return site.folder / "state"


def _way_to_state(site: Site) -> Path:
    site.write(f"{site.folder}/state", f"{site.closed()}/state")
    return site.folder / "closed"


def _sink(site: Site) -> Path:
    os.chown(site.folder / "spool", 0, 0)
    return site.folder / "spool"


def _way_to_sink(site: Site) -> Path:
    site.write(f"{site.folder}/spool", f"{site.closed()}/spool")
    return site.folder / "closed"


Closing = Callable[[Site], Path]

OF_THE_CONFIGURATION = (_config, _included, _directory_of_included, _ca_file, _way_to_ca_file)
OF_A_POLL = (*OF_THE_CONFIGURATION, _secret, _state, _ledger, _way_to_state, _sink, _way_to_sink)


def test_nobody_is_hindered_otherwise(site: Site) -> None:
    assert ended(site, "config", "check") == 0
    assert ended(site, "poll") == 69


@pytest.mark.parametrize("close", OF_A_POLL)
def test_a_poll_is_77_and_names_the_place_and_the_user(
    site: Site, close: Closing, capsys: pytest.CaptureFixture[str]
) -> None:
    place = close(site)
    assert ended(site, "poll") == 77
    said = capsys.readouterr().err
    assert str(place) in said
    assert "nobody" in said or "runuser -u root -- " in said
    assert "bug" not in said


@pytest.mark.parametrize("close", OF_THE_CONFIGURATION)
@pytest.mark.parametrize("command", ["config check", "status", "run"])
def test_a_configuration_is_77_for_every_command(
    site: Site, close: Closing, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = close(site)
    assert ended(site, *command.split()) == 77
    said = capsys.readouterr().err
    assert f"this runs as the user 'nobody', who may not read {place}" in said


@pytest.mark.parametrize("close", [_state, _ledger, _way_to_state])
@pytest.mark.parametrize(
    "command",
    ["status", "sink list", "quarantine list", "seen inbox", "secret list", "run"],
)
def test_a_state_directory_is_77_for_every_command(
    site: Site, close: Closing, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = close(site)
    assert ended(site, *command.split()) == 77
    assert str(place) in capsys.readouterr().err


def test_a_right_that_nobody_asked_about_is_no_bug(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = site.closed() / "file"
    monkeypatch.setattr("mailsluice.cli.main.Settings.config", lambda _settings: secret.read_bytes())
    assert ended(site, "status") == 77
    said = capsys.readouterr().err
    assert f"{secret}: Permission denied" in said
    assert f"who may not read {secret.parent}" in said
