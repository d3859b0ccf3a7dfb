"""Secrets in a real gnome-keyring: kept, found, and every way in which it can be away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import secretstorage

from e2e.conftest import Site
from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.secret_service import SecretServiceKeyring
from mailsluice.auth.keyrings.vault import VaultError
from mailsluice.errors import SecretError
from mailsluice_sandbox import Sandbox, mail
from peers.gnome_keyring import PASSWORD, GnomeKeyring, why_missing
from support.program import PROGRAM, Daemon, Ended, run_program, surroundings
from support.skipping import skip_or_fail
from support.waiting import wait_until

SERVICE = "mailsluice"


@pytest.fixture
def gnome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GnomeKeyring]:
    """A gnome-keyring that nobody has unlocked yet."""
    if missing := why_missing():
        skip_or_fail(missing)
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    with GnomeKeyring(folder) as gnome:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", gnome.address)
        yield gnome


@pytest.fixture
def unlocked(gnome: GnomeKeyring) -> GnomeKeyring:
    gnome.unlock()
    return gnome


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "state", "secret-service")


def refused(keyring: Keyring) -> SecretError:
    with pytest.raises(SecretError) as caught:
        keyring.get("acme")
    return caught.value


def test_what_is_set_is_found_listed_replaced_and_deleted(unlocked: GnomeKeyring, keyring: Keyring) -> None:
    assert keyring.get("acme") is None
    assert keyring.names() == []
    keyring.store("acme", "canary-ä\nlines")
    keyring.store("b", "canary-b")
    assert keyring.get("acme") == "canary-ä\nlines"
    assert keyring.names() == ["acme", "b"]
    keyring.store("acme", "canary-2")
    assert keyring.get("acme") == "canary-2"
    keyring.delete("acme")
    assert keyring.names() == ["b"]
    with pytest.raises(SecretError, match="there is no secret of the name 'acme'"):
        keyring.delete("acme")


def test_a_secret_as_long_as_any_is_kept_whole(unlocked: GnomeKeyring, keyring: Keyring) -> None:
    keyring.store("acme", "canary" + "x" * 64 * 1024)
    assert keyring.get("acme") == "canary" + "x" * 64 * 1024


def test_nothing_of_it_is_in_the_state_directory(
    unlocked: GnomeKeyring, keyring: Keyring, tmp_path: Path
) -> None:
    keyring.store("acme", "canary")
    assert not (tmp_path / "state").exists()


def test_the_self_test_leaves_nothing(unlocked: GnomeKeyring, keyring: Keyring) -> None:
    keyring.test()
    with secretstorage.dbus_init() as connection:
        assert list(secretstorage.get_default_collection(connection).get_all_items()) == []


def test_the_librarys_variables_change_nothing(
    unlocked: GnomeKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("KEYRING_PROPERTY_PREFERRED_COLLECTION", "/nowhere")
    monkeypatch.setenv("KEYRING_PROPERTY_SCHEME", "KeePassXC")
    keyring = Keyring(tmp_path, "secret-service")
    keyring.store("acme", "canary")
    assert Keyring(tmp_path, "secret-service").get("acme") == "canary"


def test_a_keyring_that_was_locked_is_told_at_once_and_no_prompt_is_opened(
    unlocked: GnomeKeyring, keyring: Keyring
) -> None:
    keyring.store("acme", "canary")
    unlocked.lock()
    begun = time.monotonic()
    error = refused(keyring)
    assert time.monotonic() - begun < 5
    assert str(error) == "keyring:acme: the Secret Service's keyring: it is locked"
    assert "gnome-keyring-daemon --replace --unlock" in error.remedy
    unlocked.unlock()  # as the remedy says
    assert keyring.get("acme") == "canary"


def test_a_wrong_master_password_leaves_it_locked(unlocked: GnomeKeyring, keyring: Keyring) -> None:
    keyring.store("acme", "canary")
    unlocked.unlock("canary-wrong")
    assert "it is locked" in str(refused(keyring))
    unlocked.unlock(PASSWORD)
    assert keyring.get("acme") == "canary"


def test_one_that_was_never_unlocked_has_no_keyring_yet(gnome: GnomeKeyring, keyring: Keyring) -> None:
    error = refused(keyring)
    assert "the Secret Service has no default keyring" in str(error)
    assert "--unlock" in error.remedy


def test_one_that_is_killed_comes_back_locked_and_is_used_again_when_it_is_unlocked(
    unlocked: GnomeKeyring, keyring: Keyring
) -> None:
    keyring.store("acme", "canary")
    unlocked.signal(signal.SIGKILL)
    wait_until(lambda: unlocked.pid() == 0, "it is gone")
    assert "it is locked" in str(refused(keyring))  # D-Bus has started it again
    unlocked.unlock()
    assert keyring.get("acme") == "canary"


def test_one_that_does_not_answer_is_given_up_at_the_deadline(unlocked: GnomeKeyring) -> None:
    keyring = SecretServiceKeyring(deadline=1.0)
    keyring.set_password(SERVICE, "acme", "canary")
    unlocked.signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        with pytest.raises(VaultError, match="has not answered within 1 seconds") as caught:
            keyring.get_password(SERVICE, "acme")
    finally:
        unlocked.signal(signal.SIGCONT)
    assert time.monotonic() - begun < 10
    assert "it may wait for a person at a prompt" in caught.value.remedy
    assert keyring.get_password(SERVICE, "acme") == "canary"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (None, "DBUS_SESSION_BUS_ADDRESS is not set"),
        ("", ""),
        ("nonsense", ""),
        ("tcp:host=localhost,port=1", "not supported"),
        ("unix:path=/nowhere/bus", "No such file or directory"),
    ],
)
def test_a_d_bus_that_is_not_there_is_told_as_such(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, address: str | None, why: str
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    error = refused(keyring)
    assert "the user's D-Bus cannot be reached: " in str(error)
    assert why in str(error)
    assert "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/" in error.remedy


def test_an_entry_that_another_program_made_is_not_mistaken_for_the_one_that_was_set(
    unlocked: GnomeKeyring, keyring: Keyring
) -> None:
    with secretstorage.dbus_init() as connection:
        attributes = {"service": SERVICE, "username": "acme", "xdg:schema": "other"}
        collection = secretstorage.get_default_collection(connection)
        collection.create_item("other", attributes, b"canary-other")
    assert keyring.names() == ["acme"]
    with pytest.raises(SecretError, match="another entry of the name 'acme'") as caught:
        keyring.store("acme", "canary")
    assert "secret-tool clear service mailsluice username acme" in caught.value.remedy
    assert "another entry of the name 'acme'" in str(refused(keyring))
    with pytest.raises(SecretError, match="another entry of the name 'acme'"):
        keyring.delete("acme")


def test_an_entry_that_is_no_text_is_refused_without_a_word_of_it(
    unlocked: GnomeKeyring, keyring: Keyring
) -> None:
    with secretstorage.dbus_init() as connection:
        collection = secretstorage.get_default_collection(connection)
        collection.create_item("other", {"service": SERVICE, "username": "acme"}, b"canary\xff")
    error = refused(keyring)
    assert str(error) == "keyring:acme: the entry in the Secret Service is not UTF-8 text"
    assert error.__cause__ is not None
    assert error.__cause__.__cause__ is None


@pytest.fixture
def site(tmp_path: Path, unlocked: GnomeKeyring) -> Iterator[Site]:
    """A mailbox with one message, whose client secret is in the keyring of the user."""
    with Sandbox() as sandbox:
        sandbox.mailbox("a@acme.example").deliver(mail.note(1))
        site = Site(tmp_path, sandbox)
        site.configure("a")
        text = site.config.read_text().replace(f"file:{tmp_path}/secret", "keyring:acme")
        site.config.write_text(f'keyring.backend = "secret-service"\n{text}')
        yield site


def run(site: Site, *arguments: str, stdin: str = "") -> Ended:
    bus = {"DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"]}
    return run_program("-c", site.config, *arguments, stdin=stdin, environment=bus)


def test_a_whole_poll_has_its_client_secret_from_the_keyring(site: Site) -> None:
    assert run(site, "secret", "set", "acme", stdin=site.sandbox.client_secret).code == 0
    assert run(site, "secret", "check").code == 0
    assert run(site, "secret", "list").stdout == "acme\n"
    assert run(site, "poll").code == 0
    assert site.stored("a") == [mail.note(1)]
    assert not (site.folder / "state" / "secrets.vault").exists()


def test_a_poll_of_a_locked_keyring_says_so_and_does_not_look_elsewhere(
    site: Site, unlocked: GnomeKeyring
) -> None:
    run(site, "secret", "set", "acme", stdin=site.sandbox.client_secret)
    unlocked.lock()
    ended = run(site, "poll", "--json")
    assert ended.code == 78
    assert "it is locked" in json.loads(ended.stdout)[0]["detail"]
    assert run(site, "secret", "check").code == 78


def test_a_daemon_that_starts_before_its_keyring_is_unlocked_says_so_and_polls_later(
    site: Site, unlocked: GnomeKeyring
) -> None:
    run(site, "secret", "set", "acme", stdin=site.sandbox.client_secret)
    unlocked.lock()
    bus = {"DBUS_SESSION_BUS_ADDRESS": unlocked.address}
    with Daemon(site.config, log=site.log, environment=bus) as daemon:
        wait_until(lambda: "secret-error" in site.log.read_text(), "it is refused")
        assert '"event": "keyring unusable"' in site.log.read_text()
        unlocked.unlock()
        wait_until(lambda: site.stored("a") == [mail.note(1)], "its mail comes")
        assert daemon.stop() == 0


def test_mailsluice_under_dbus_run_session_works_as_the_manual_has_it(site: Site) -> None:
    """A server without a desktop: one command starts D-Bus, unlocks the keyring, and polls."""
    folder = site.folder / "server"
    folder.mkdir(mode=0o700)
    (folder / "password").write_text("canary-server")
    script = 'gnome-keyring-daemon --unlock --components=secrets <"$1" >/dev/null 2>&1 && shift && exec "$@"'

    def command(*words: str) -> list[str]:
        program = [str(PROGRAM), "-c", str(site.config), *words]
        return ["dbus-run-session", "--", "sh", "-c", script, "sh", str(folder / "password"), *program]

    home = surroundings(HOME=str(folder), XDG_RUNTIME_DIR=str(folder))
    for words, text in ((("secret", "set", "acme"), site.sandbox.client_secret), (("poll",), "")):
        ended = subprocess.run(
            command(*words), input=text, text=True, env=home, capture_output=True, check=False, timeout=50
        )
        assert ended.returncode == 0, ended.stderr
    assert site.stored("a") == [mail.note(1)]
