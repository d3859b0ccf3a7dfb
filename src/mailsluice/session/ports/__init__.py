"""What the session asks of the four layers below it.

Owns the promises, method by method. A fake that keeps them can replace the real part, and both pass the same
contract tests. Must never import the layers themselves.
"""

from mailsluice.session.ports.durable import Batch, Passed, Sink, Staging
from mailsluice.session.ports.messages import Failures, Lost, Messages
from mailsluice.session.ports.state import Aliases, Leases, Ledger, Reports, Stagings
from mailsluice.session.ports.wire import Arrival, Client, Connect, Credentials

__all__ = [
    "Aliases",
    "Arrival",
    "Batch",
    "Client",
    "Connect",
    "Credentials",
    "Failures",
    "Leases",
    "Ledger",
    "Lost",
    "Messages",
    "Passed",
    "Reports",
    "Sink",
    "Staging",
    "Stagings",
]
