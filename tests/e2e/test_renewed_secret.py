"""A secret that expired at night, and a clerk who comes at eight: the daemon goes on, and is not restarted.

Each mailbox is polled once an hour, and waits for minutes after a failure. So mail that comes within the
patience of a test has come because of the new secret. The first poll of a mailbox called `mail` comes at once.
"""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from mailsluice.app import Service
from mailsluice.auth.renewal import renewed
from mailsluice.config.load import load
from mailsluice_sandbox import Sandbox, mail
from support.connect_proxy import ConnectProxy, demanding
from support.program import Daemon, run_program


@pytest.fixture
def site(site: Site, sandbox: Sandbox) -> Site:
    """A mailbox with one message, and a client secret in the keyring that has expired."""
    sandbox.mailbox("mail@acme.example").deliver(mail.note(1))
    site.configure("mail", every='"1h"')
    keep_in("sealed", site)
    set_secret(site, "canary~expired")
    return site


def keep_in(backend: str, site: Site) -> None:
    text = site.config.read_text().replace(f"file:{site.folder}/secret", "keyring:acme")
    lines = [line for line in text.splitlines() if not line.startswith("keyring.backend")]
    site.config.write_text("\n".join([f'keyring.backend = "{backend}"', *lines]))


def set_secret(site: Site, secret: str, name: str = "acme") -> None:
    assert run_program("-c", site.config, "secret", "set", name, stdin=secret).code == 0


def refusals(site: Site) -> int:
    return site.log.read_text().count('"outcome": "token-refused"')


def wait_for_refusals(site: Site, number: int) -> None:
    wait_until(lambda: refusals(site) == number, f"{number} refusals")


def wait_for_mail(site: Site) -> None:
    wait_until(lambda: site.stored("mail") == [mail.note(1)], "the mail comes")


def test_the_new_secret_is_used_within_seconds(site: Site, sandbox: Sandbox) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        wait_for_refusals(site, 1)
        set_secret(site, sandbox.client_secret)
        wait_for_mail(site)
        assert daemon.stop() == 0
    assert '"event": "credential renewed"' in site.log.read_text()


def test_a_wrong_one_is_refused_once_more_and_the_right_one_after_it_is_used(
    site: Site, sandbox: Sandbox
) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        wait_for_refusals(site, 1)
        set_secret(site, "canary~mistyped")
        wait_for_refusals(site, 2)
        set_secret(site, sandbox.client_secret)
        wait_for_mail(site)
        assert daemon.stop() == 0
    assert sandbox.entra.token_requests == 3


def test_the_new_password_of_a_proxy_is_used_within_seconds(site: Site, sandbox: Sandbox) -> None:
    set_secret(site, sandbox.client_secret)
    with ConnectProxy(demanding("ann", lambda: "canary-new")) as proxy:
        address = proxy.url.replace("//", "//ann@")
        lines = f'service.proxy = "{address}"\nservice.proxy_password = "keyring:proxy"\n'
        text = site.config.read_text().replace("[service]\n", "").replace("state_dir", "service.state_dir")
        site.config.write_text(lines + text)
        set_secret(site, "canary-expired", name="proxy")
        with Daemon(site.config, log=site.log) as daemon:
            wait_until(lambda: '"outcome": "proxy-refused"' in site.log.read_text(), "the proxy refuses")
            set_secret(site, "canary-new", name="proxy")
            wait_for_mail(site)
            assert daemon.stop() == 0


def test_a_reload_in_between_changes_nothing_about_that(site: Site, sandbox: Sandbox) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        wait_for_refusals(site, 1)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: '"event": "configuration reloaded"' in site.log.read_text(), "the reload")
        set_secret(site, sandbox.client_secret)
        daemon.signal(signal.SIGHUP)
        wait_for_mail(site)
        assert daemon.stop() == 0


def test_a_secret_that_is_missing_is_used_as_soon_as_it_is_there(site: Site, sandbox: Sandbox) -> None:
    assert run_program("-c", site.config, "secret", "delete", "acme").code == 0
    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: '"outcome": "secret-error"' in site.log.read_text(), "it is missed")
        set_secret(site, sandbox.client_secret)
        wait_for_mail(site)
        assert daemon.stop() == 0


def test_a_file_with_a_new_secret_is_noticed_without_any_command(site: Site, sandbox: Sandbox) -> None:
    file = site.folder / "secret"
    site.configure("mail", every='"1h"')
    file.write_text("canary~expired")
    with Daemon(site.config, log=site.log) as daemon:
        wait_for_refusals(site, 1)
        wait_until(
            lambda: replaced(file, sandbox.client_secret) and bool(site.stored("mail")), "the mail comes"
        )
        assert daemon.stop() == 0


def replaced(file: Path, secret: str) -> bool:
    """A second look of the daemon has to find another file, and nobody knows when the first look was."""
    new = file.with_name("new")
    new.write_text(secret)
    new.chmod(0o600)
    new.rename(file)
    return True


def test_a_new_password_of_the_proxy_is_used_within_seconds(site: Site) -> None:
    site.configure("mail", every='"1h"')
    with ConnectProxy() as proxy:
        proxy.behave = demanding("ann", lambda: "canary-right")
        address = proxy.url.replace("http://", "http://ann@")
        keys = f'[service]\nproxy = "{address}"\nproxy_password = "keyring:proxy"'
        site.config.write_text(site.config.read_text().replace("[service]", keys))
        set_secret(site, "canary-expired", "proxy")
        with Daemon(site.config, log=site.log) as daemon:
            wait_until(lambda: '"outcome": "proxy-refused"' in site.log.read_text(), "it is refused")
            set_secret(site, "canary-right", "proxy")
            wait_for_mail(site)
            assert daemon.stop() == 0


def test_another_keyring_is_used_at_once_after_a_reload(site: Site, sandbox: Sandbox) -> None:
    credentials = site.folder / "credentials"
    credentials.mkdir()
    (credentials / "acme").write_text(sandbox.client_secret)
    environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    with Daemon(site.config, log=site.log, environment=environment) as daemon:
        wait_for_refusals(site, 1)
        keep_in("systemd", site)
        daemon.signal(signal.SIGHUP)
        wait_for_mail(site)
        assert daemon.stop() == 0


def test_a_keyring_that_does_not_work_is_refused_at_a_reload(site: Site, sandbox: Sandbox) -> None:
    with Daemon(site.config, log=site.log) as daemon:
        wait_for_refusals(site, 1)
        keep_in("secret-service", site)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: "D-Bus cannot be reached" in site.log.read_text(), "it is refused")
        assert '"event": "configuration refused"' in site.log.read_text()
        set_secret_in_vault(site, sandbox.client_secret)
        wait_for_mail(site)
        assert daemon.stop() == 0


def set_secret_in_vault(site: Site, secret: str) -> None:
    keep_in("sealed", site)
    set_secret(site, secret)


def test_a_script_that_sets_a_secret_again_and_again_causes_few_logins(site: Site, sandbox: Sandbox) -> None:
    with Service(load(site.config)) as service:
        service.start()
        wait_until(lambda: service._regular.refused() == {"entra"}, "it is refused")
        asked = sandbox.entra.token_requests
        for _ in range(20):
            renewed(site.folder / "state", "keyring:acme")
            service.tend()
            wait_until(lambda: is_idle(service), "what was due is done")
        assert sandbox.entra.token_requests - asked == 3


def is_idle(service: Service) -> bool:
    """Whether nothing is polled, and nothing is due within half a minute."""
    due = service._regular._schedule.next_poll("mail")
    assert due is not None
    return not service._regular._at_work and due > service._clock.now() + timedelta(seconds=30)
