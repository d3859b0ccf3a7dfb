"""Which configuration comes into force at a SIGHUP, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mailsluice import daemon
from mailsluice.app import Service
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config
from mailsluice.daemon import Configurations
from mailsluice.errors import ConfigurationError, MailsluiceError, SecretError
from mailsluice.ledger.lock import ServiceLock
from mailsluice.obs import events
from mailsluice.polling.regular import RegularPolls
from mailsluice.status.presence import Presence, look
from mailsluice.system.zone import local_zone


class Running:
    """A service in force, and the files as an administrator has changed them."""

    def __init__(self, service: Service, lock: ServiceLock) -> None:
        self.service = service
        self.announced: list[Config] = []
        self._lock = lock

    def reload(self, config: Config) -> tuple[ServiceLock, Service] | None:
        configurations = Configurations(lambda: config, self.announced.append)
        return daemon._reloaded(self.service, configurations, self._lock)


@pytest.fixture
def running(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(RegularPolls, "poll_due", lambda *_: None)
    with ServiceLock.take(config.service.state_dir) as lock, Service(config) as service:
        service.start()
        yield Running(service, lock)


def with_mailboxes(config: Config, *names: str) -> Config:
    (mailbox,) = config.mailboxes.values()
    update = {
        name: mailbox.model_copy(update={"name": name, "address": f"{name}@x.example"}) for name in names
    }
    return config.model_copy(update={"mailboxes": update})


def test_a_reload_is_told_with_what_it_changed(running: Running, config: Config) -> None:
    after = with_mailboxes(config, "a", "b")
    with capture_logs() as logs:
        assert running.reload(after) is None
    (told,) = logs
    assert (told["event"], told["mailboxes"]) == (events.RELOADED, 2)
    assert (told["added"], told["changed"], told["removed"]) == (1, 1, 0)
    assert running.announced == [after]
    assert running.service.config is after


def test_the_zone_of_cron_lines_is_told_where_there_are_any(running: Running, config: Config) -> None:
    with capture_logs() as logs:
        running.reload(config)
        running.reload(config.model_copy(update={"zone": local_zone()}))
    assert ["zone" in told for told in logs] == [False, True]
    assert logs[1]["zone"] == local_zone().name


def test_a_reload_that_would_leave_no_mailbox_is_refused_and_the_former_configuration_stays(
    running: Running, config: Config
) -> None:
    with pytest.raises(ConfigurationError, match="no mailbox is left") as caught:
        running.reload(with_mailboxes(config))
    assert "stop mailsluice" in caught.value.remedy
    assert running.service.config is config
    assert running.announced == []


def test_a_service_without_mailboxes_may_stay_without_and_may_get_some(
    running: Running, config: Config
) -> None:
    running.service.follow(with_mailboxes(config))
    assert running.reload(with_mailboxes(config)) is None
    assert running.reload(config) is None
    assert running.service.config is config


def test_another_state_directory_is_another_service(running: Running, config: Config, tmp_path: Path) -> None:
    elsewhere = config.service.model_copy(update={"state_dir": tmp_path / "elsewhere"})
    after = config.model_copy(update={"service": elsewhere})
    successor = running.reload(after)
    assert successor is not None
    lock, service = successor
    with lock, service:
        assert service.config is after
        assert running.service.config is config
    assert running.announced == [after]


def test_a_state_directory_that_cannot_be_used_is_announced_to_nobody(
    running: Running, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    unusable = config.service.model_copy(update={"state_dir": tmp_path / "file" / "state"})
    with pytest.raises(MailsluiceError):
        running.reload(config.model_copy(update={"service": unusable}))
    assert running.announced == []


def test_a_state_directory_whose_secrets_cannot_be_had_is_refused_and_let_go(
    running: Running, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: Service) -> None:
        raise SecretError("no keyring")

    monkeypatch.setattr(Service, "prepare", missing)
    elsewhere = config.service.model_copy(update={"state_dir": tmp_path / "elsewhere"})
    with pytest.raises(SecretError):
        running.reload(config.model_copy(update={"service": elsewhere}))
    assert running.announced == []
    ServiceLock.take(elsewhere.state_dir).release()


def test_what_a_killed_daemon_said_of_itself_is_gone_before_the_ledger_is_opened(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir = config.service.state_dir
    former = Presence(config, SystemClock())
    with ServiceLock.take(state_dir):
        former.write(state_dir, {})
        assert look(state_dir).said is not None
    seen = []

    def opened(_config: Config) -> Service:
        seen.append(look(state_dir))
        raise MailsluiceError("the ledger takes its time")

    monkeypatch.setattr(daemon, "Service", opened)
    with pytest.raises(MailsluiceError, match="takes its time"):
        daemon.serve(Configurations(lambda: config, lambda _: None))
    assert [(each.running, each.said) for each in seen] == [(True, None)]
