"""What the service says of its ledger: that it is new, and that it is another than it was."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from mailsluice import daemon
from mailsluice.app import Service
from mailsluice.config.models import Config
from mailsluice.daemon import Configurations
from mailsluice.errors import LedgerError, LedgerReplaced
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import ServiceLock
from mailsluice.obs import events
from mailsluice.system.signals import Signals


def said(logs: list[Any], event: str) -> list[Any]:
    return [line for line in logs if line["event"] == event]


def test_a_first_start_says_that_it_is_one_and_where_and_a_second_does_not(config: Config) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            Service(config).__exit__()
    (begun,) = said(logs, events.LEDGER_BEGUN)
    assert begun["directory"] == str(config.service.state_dir)
    assert begun["log_level"] == "warning"


def test_an_empty_ledger_to_look_at_is_no_first_start(config: Config, tmp_path: Path) -> None:
    with capture_logs() as logs, Service(config, ledger=Ledger(tmp_path / "empty")):
        pass
    assert said(logs, events.LEDGER_BEGUN) == []


def test_a_service_whose_ledger_was_replaced_cannot_be_tended(config: Config) -> None:
    with Service(config) as service:
        service.start()
        service.tend()
        (config.service.state_dir / "ledger.db").unlink()
        with pytest.raises(LedgerReplaced):
            service.tend()


def test_a_ledger_that_cannot_be_looked_at_is_left_to_who_uses_it(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Ledger) -> None:
        raise LedgerError("the disk is bad")

    with Service(config) as service:
        service.start()
        monkeypatch.setattr(Ledger, "check", fail)
        service.tend()


@pytest.mark.parametrize("left", ["nothing", "an empty directory"])
def test_where_a_ledger_was_replaced_by_nothing_none_is_begun_in_its_place(
    config: Config, signals: Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left: str
) -> None:
    state_dir = config.service.state_dir
    Ledger(state_dir).close()
    shutil.rmtree(state_dir)
    if left == "an empty directory":
        state_dir.mkdir(mode=0o700)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        signals.stop = len(waited) == 3

    monkeypatch.setattr(signals, "wait", wait)
    configurations = Configurations(lambda: config, lambda _: None)
    with ServiceLock.take(tmp_path) as lock, capture_logs() as logs:
        built = daemon._rebuilt(signals, lambda: daemon._built_anew(configurations, lock, state_dir))
    assert built is None
    assert waited == [daemon._BETWEEN_TRIES] * 3
    refusals = said(logs, events.LEDGER_NOT_REOPENED)
    assert len(refusals) == 3
    assert str(state_dir) in refusals[0]["error"]
    assert "Backup and restore" in refusals[0]["remedy"]
    assert not (state_dir / "ledger.db").exists()
