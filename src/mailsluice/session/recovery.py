"""Recovery: every half-done batch is rolled forward or back before anything new is fetched.

Owns the last column of the crash table. Must never fetch or delete on the server.
"""

from __future__ import annotations

from mailsluice.model import MailboxKey
from mailsluice.obs import events
from mailsluice.obs.logger import get_logger
from mailsluice.session.parts import Parts
from mailsluice.session.ports import Sink

_log = get_logger(__name__)


def recover(key: MailboxKey, sink: Sink, parts: Parts) -> None:
    """Finish what a crash left: publish and commit what is recorded, sweep from staging what is not.

    What was recorded under another sink than today's is finished, and swept, there. Raises SinkError and
    LedgerError.
    """
    for spec, staged in parts.ledger.half_done(key).items():
        place = sink if spec == sink.spec else parts.sink_at(spec, key)
        parts.ledger.commit(key, place.publish(staged), parts.ledger.now())
        place.sweep()
        _log.warning(events.ROLLED_FORWARD, sink=spec, names=[message.name for message in staged])
    swept = sink.sweep()
    if swept:
        _log.warning(events.SWEPT, sink=sink.spec, messages=swept)
