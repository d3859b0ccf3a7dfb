"""Facts to judge by: an application and a person in one tenant, with tokens in which nothing is wrong.

Owns the ordinary case. A test changes the one fact that it is about.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mailsluice.config.credentials import Way
from mailsluice.diagnosis.claims import Claims
from mailsluice.diagnosis.facts import Access, Door, Facts, History

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)  # a Tuesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
OBJECT = "33333333-3333-4333-8333-333333333333"
MAILBOX = "invoices@acme.example"
NOBODY = "nobody@acme.example"
HOST = "outlook.office365.com"

ACCESS = Access("acme", Way.CERTIFICATE, TENANT, CLIENT)
CLAIMS = Claims(
    audience="https://outlook.office365.com",
    roles=("POP.AccessAsApp",),
    tenant=TENANT,
    application=CLIENT,
    object_id=OBJECT,
    ends=NOW + HOUR,
    begins=NOW - MINUTE,
)
PERSON_CLAIMS = Claims(
    audience="https://outlook.office.com",
    scopes=("POP.AccessAsUser.All",),
    tenant=TENANT,
    application=CLIENT,
    object_id=OBJECT,
    person="jo@acme.example",
    ends=NOW + HOUR,
    begins=NOW - MINUTE,
)
FACTS = Facts(ACCESS, MAILBOX, "invoices", HOST, claims=CLAIMS, history=History(NOW))
"""Those of an application whose mailbox was never let in."""
PERSON_FACTS = replace(FACTS, access=replace(ACCESS, way=Way.DEVICE_CODE), claims=PERSON_CLAIMS)
FULL_FACTS = replace(
    FACTS,
    history=History(NOW, NOW - DAY, "orders", NOW - HOUR, 2),
    clock_ahead=600.0,
    found_in="china",
    issuer="Acme Web Filter",
    others_reached=True,
    doors={Door.IMAP: True},
)
"""Everything is known."""


def with_claims(**changed: Any) -> Facts:
    """The application's facts, with these claims changed."""
    return replace(FACTS, claims=replace(CLAIMS, **changed))


def with_history(**known: Any) -> Facts:
    """The application's facts, with this history."""
    return replace(FACTS, history=History(NOW, **known))


def by(way: Way) -> Facts:
    """The application's facts, if it proves itself in this way."""
    return replace(FACTS, access=replace(ACCESS, way=way))


def token(claims: object) -> str:
    """A token of the form of a JWT with these claims, signed by nobody."""
    return token_of(json.dumps(claims).encode())


def token_of(document: bytes) -> str:
    """The same with whatever stands in the place of the claims."""
    return ".".join(_part(part) for part in (b'{"alg":"none"}', document, b"canary"))


def _part(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
