"""What the session asks of the four layers below it.

Owns the promises, method by method: a fake that keeps them serves as well as the real part, and both pass
the same contract tests. Must never import the layers themselves.
"""

from mailsluice.session.ports.durable import Batch, Passed, Sink, Staging
from mailsluice.session.ports.state import Kin, Ledger, Stagings
from mailsluice.session.ports.wire import Arrival, Client, Connect, Credentials

__all__ = [
    "Arrival",
    "Batch",
    "Client",
    "Connect",
    "Credentials",
    "Kin",
    "Ledger",
    "Passed",
    "Sink",
    "Staging",
    "Stagings",
]
