"""The lifetime of a daemon: from its first configuration, through every reload, to SIGTERM.

Owns which configuration is in force, and what is rebuilt for another one. Must never know how a mailbox is
polled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from mailsluice.app import Service
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config
from mailsluice.errors import ConfigurationError, LedgerReplaced, MailsluiceError
from mailsluice.ledger import ServiceLock, is_begun
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.polling.notes import Notes
from mailsluice.status.presence import Presence, forget
from mailsluice.system.signals import Signals

_LOOK_AROUND = 1.0
"""Seconds between two looks at the clock and the signals, when nothing else happens."""

_BETWEEN_TRIES = 15.0
"""Seconds between two attempts to open a replaced ledger. systemd waits as long to restart the unit."""

_log = get_logger(__name__)


_Built = tuple[ServiceLock, Service]


@dataclass(frozen=True, slots=True)
class Configurations:
    """Where configurations come from.

    `load` reads one, and raises ConfigurationError. `announce` is called with each one that comes into force.
    """

    load: Callable[[], Config]
    announce: Callable[[Config], None]


def serve(configurations: Configurations) -> None:
    """Run until SIGTERM; SIGHUP brings the next configuration into force.

    Raises MailsluiceError at the start. Later it raises only NoThread: another state directory needs another
    timetable, and the system may have no thread for it.

    A configuration that cannot be used at SIGHUP is reported, and the former one stays in force. If the
    ledger was replaced, it is opened again; nothing is polled until that succeeds. No other daemon can serve
    the same state directory meanwhile. For another state directory, another service is built.
    """
    signals = Signals()
    config = configurations.load()
    configurations.announce(config)
    presence = Presence(config, SystemClock())
    configurations = _announced_to(presence, configurations)
    successor: _Built | None = _built(config, _taken)
    while successor is not None:
        lock, service = successor
        with lock:
            replaced = False
            with service:
                service.start()
                _log.info(events.STARTED, mailboxes=len(service.config.mailboxes), **_zone(service.config))
                try:
                    reload = partial(_reloaded, service, configurations, lock)
                    successor = _tend(service, signals, reload, presence)
                except LedgerReplaced as error:
                    replaced = True
                    _log.error(events.LEDGER_REPLACED, error=str(error), remedy=error.remedy)
                _log.info(events.STOPPING)
            if replaced:  # only now: SQLite cannot open the ledger before the former one is closed
                former = service.config.service.state_dir
                successor = _rebuilt(signals, partial(_built_anew, configurations, lock, former))
    _log.info(events.STOPPED)


def _announced_to(presence: Presence, configurations: Configurations) -> Configurations:
    """The same configurations. Each that comes into force is also announced to other processes."""

    def announce(config: Config) -> None:
        configurations.announce(config)
        presence.follow(config)

    return Configurations(configurations.load, announce)


def _taken(state_dir: Path) -> ServiceLock:
    """The lock on a state directory, in which nothing is left of what a former daemon said of itself."""
    lock = ServiceLock.take(state_dir)
    forget(state_dir)  # in a container both are process 1, and a killed one's word would pass for ours
    return lock


def _built(config: Config, take: Callable[[Path], ServiceLock]) -> _Built:
    """Take the lock on the state directory, and then build the service. Raises MailsluiceError."""
    with ExitStack() as undo:
        lock = undo.enter_context(take(config.service.state_dir))
        service = undo.enter_context(Service(config))
        service.prepare()  # while a former service still runs, if there is one: a reload may be refused
        undo.pop_all()  # the lock is let go only if the service cannot be built
    return lock, service


def _built_anew(configurations: Configurations, lock: ServiceLock, had_ledger: Path) -> _Built:
    """Build a service after the ledger in `had_ledger` was replaced. Raises MailsluiceError."""
    config = configurations.load()
    configurations.announce(config)
    if config.service.state_dir == had_ledger:  # an empty ledger must not begin in place of the lost one
        is_begun(config.service, promised=True)
    return _built(config, lock.following)


def _rebuilt(signals: Signals, build: Callable[[], _Built]) -> _Built | None:
    """Build until it succeeds. Returns None if asked to stop before."""
    while not signals.stop:
        signals.reload = False  # every attempt reads the configuration
        try:
            return build()
        except MailsluiceError as error:
            _log.error(events.LEDGER_NOT_REOPENED, error=str(error), remedy=error.remedy)
        signals.wait(_BETWEEN_TRIES)
    return None


def _tend(
    service: Service, signals: Signals, reload: Callable[[], _Built | None], presence: Presence
) -> _Built | None:
    """Watch over a running service until it must end. Returns the service that replaces it, if any."""
    state_dir = service.config.service.state_dir
    notes = Notes(lambda: presence.write(state_dir, service.under_way.now()))
    while not signals.stop:
        notes.write()
        signals.wait(_LOOK_AROUND)
        service.tend()
        if signals.reload:
            signals.reload = False
            try:
                successor = reload()
            except MailsluiceError as error:
                remedy = error.remedy or "correct it, and send SIGHUP again; the former one stays in force"
                presence.refuse(str(error), remedy)
                _log.error(events.RELOAD_REFUSED, mistakes=str(error).splitlines(), remedy=remedy)
            else:
                if successor is not None:
                    return successor
    return None


def _reloaded(service: Service, configurations: Configurations, lock: ServiceLock) -> _Built | None:
    """Bring the next configuration into force. Returns another service if this one cannot follow it.

    Raises MailsluiceError; then nothing has changed.
    """
    former, config = service.config, configurations.load()
    # A `mailboxes.d` that is not mounted looks like this. A daemon that polls nothing would look healthy.
    if former.mailboxes and not config.mailboxes:
        raise ConfigurationError(
            ["no mailbox is left: nothing would be polled any more"],
            remedy="keep one [mailboxes.NAME] section at least; to poll nothing, stop mailsluice",
        )
    if config.service.state_dir != former.service.state_dir:
        successor = _built(config, lock.following)
        configurations.announce(config)
        _log.info(events.RELOADED, mailboxes=len(config.mailboxes), **_zone(config))
        return successor
    change = service.follow(config)
    configurations.announce(config)
    counts = {kind: len(names) for kind, names in asdict(change).items()}
    _log.info(events.RELOADED, mailboxes=len(config.mailboxes), **counts, **_zone(config))
    return None


def _zone(config: Config) -> dict[str, str]:
    return {"zone": config.zone.name} if config.zone else {}
