"""A service and its proxy: a reload that changes it, a password that is renewed, a stop while it is silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailsluice import app
from mailsluice.app import Service
from mailsluice.config.models import Config
from mailsluice.config.proxy import ProxyAddress
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from mailsluice.obs import events
from mailsluice.system.signals import Signals
from mailsluice_sandbox import Sandbox, mail
from support.connect_proxy import ConnectProxy, demanding, silent, target_of, tunnel
from support.secrecy import CANARY
from support.waiting import wait_until

Through = Callable[..., Config]


@pytest.fixture
def proxies() -> Iterator[tuple[ConnectProxy, ConnectProxy]]:
    with ConnectProxy() as one, ConnectProxy() as two:
        yield one, two


@pytest.fixture
def through(config: Config) -> Through:
    def make(proxy: ConnectProxy, user: str = "", password: SecretRef | None = None) -> Config:
        update = {"proxy": ProxyAddress("127.0.0.1", proxy.port, user), "proxy_password": password}
        return config.model_copy(update={"service": config.service.model_copy(update=update)})

    return make


def test_a_reload_that_changes_the_proxy_changes_sessions_and_tokens_and_keeps_the_token(
    through: Through, sandbox: Sandbox, proxies: tuple[ConnectProxy, ConnectProxy]
) -> None:
    sandbox.mailbox("a@acme.example")
    one, two = proxies
    with Service(through(one)) as service:
        service.start()
        wait_until(lambda: sandbox.pop3_port in {target_of(r)[1] for r in one.requests}, "a poll through one")
        assert service.follow(through(two)).changed == {"a"}
        before = len(one.requests)
        wait_until(lambda: len(two.requests) >= 2, "polls through two")
        assert len(one.requests) == before
        assert {target_of(request)[1] for request in two.requests} == {sandbox.pop3_port}  # it has a token
        assert len(sandbox.entra.issued) == 1
        service._tokens._caches[service._tokens._names["entra"]].forget_token()
        wait_until(lambda: len(sandbox.entra.issued) == 2, "another token")
    assert len(one.requests) == before


def test_a_proxy_whose_password_cannot_be_had_changes_nothing(
    through: Through,
    sandbox: Sandbox,
    proxies: tuple[ConnectProxy, ConnectProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise SecretError("no keyring")

    one, two = proxies
    with Service(through(one)) as service:
        monkeypatch.setattr("mailsluice.auth.secrets.Secrets.reader", refuse)
        with pytest.raises(SecretError):
            service.follow(through(two, "ann", SecretRef("keyring", "proxy")))
        assert service.config == through(one)


def test_a_password_that_is_renewed_counts_for_the_next_poll(
    through: Through,
    sandbox: Sandbox,
    proxies: tuple[ConnectProxy, ConnectProxy],
    tmp_path: Path,
    signals: Signals,
) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    proxy, _ = proxies
    secret = tmp_path / "proxy-password"
    secret.write_text(f"{CANARY}-old")
    secret.chmod(0o600)
    proxy.behave = demanding("ann", lambda: f"{CANARY}-new")
    with Service(through(proxy, "ann", SecretRef("file", str(secret)))) as service:
        (first,) = service.round(service.config.mailboxes.values(), signals)
        assert (first.report.outcome, first.exit_code) == ("proxy-refused", 77)
        secret.write_text(f"{CANARY}-new")
        service._tokens._caches[service._tokens._names["entra"]]._failure = None
        (second,) = service.round(service.config.mailboxes.values(), signals)
        assert (second.report.outcome, second.report.stored) == ("ok", 1)


def test_a_password_that_was_refused_is_not_presented_again_after_a_reload(
    through: Through,
    sandbox: Sandbox,
    proxies: tuple[ConnectProxy, ConnectProxy],
    monkeypatch: pytest.MonkeyPatch,
    signals: Signals,
) -> None:
    sandbox.mailbox("a@acme.example")
    proxy, _ = proxies
    monkeypatch.setenv("PROXY_PASSWORD", f"{CANARY}-wrong")
    proxy.behave = demanding("ann", lambda: f"{CANARY}-right")
    config = through(proxy, "ann", SecretRef("env", "PROXY_PASSWORD"))

    def outcome() -> str:
        service._tokens._caches[service._tokens._names["entra"]]._failure = None
        (polled,) = service.round(service.config.mailboxes.values(), signals)
        return polled.report.outcome

    with Service(config) as service:
        assert (outcome(), outcome()) == ("proxy-refused", "proxy-refused")
        service.follow(config)
        assert outcome() == "proxy-refused"
    assert len(proxy.requests) == 1


def test_a_stop_does_not_wait_for_a_silent_proxy(
    through: Through,
    sandbox: Sandbox,
    proxies: tuple[ConnectProxy, ConnectProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "GRACE", 0.05)
    sandbox.mailbox("a@acme.example")
    proxy, _ = proxies
    asked = threading.Event()

    def behave(wire: object, request: bytes) -> None:
        if target_of(request)[1] == sandbox.pop3_port:
            asked.set()
            silent(wire, request)  # type: ignore[arg-type]
        else:
            tunnel(wire, request)  # type: ignore[arg-type]

    proxy.behave = behave
    with capture_logs() as logs, Service(through(proxy)) as service:
        service.start()
        assert asked.wait(20)
    (session,) = [line for line in logs if line["event"] == events.SESSION]
    assert session["outcome"] == "stopped"
