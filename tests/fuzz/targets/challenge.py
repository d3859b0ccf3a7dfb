"""What a refused login brings: the challenge, and the machine's name in a greeting."""

from __future__ import annotations

import base64
import json

from fuzz.feed import Feed
from mailsluice.net.xoauth2 import decode_challenge, initial_response
from mailsluice.pop3.events import Greeted
from mailsluice.pop3.protocol import Pop3Protocol

SEEDS = (
    b'\x00{"status":"401","schemes":"bearer","scope":"https://outlook.office365.com/.default"}',
    b'\x00{"status":401,"scope":["x"]}',
    b'\x00{"status":1e5,"scope":"\\ud800\\u001b[31m"}',
    b"\x01eyJzdGF0dXMiOiI0MDAifQ==",
    b"\x01W10=",
    b"\x02a@x.example\x00canary-token",
    b"\x03YQBiAA==",
    b"\x03AAE=",
)
WORDS = (
    b'{"status":',
    b'"scope":"',
    b"\\u001b",
    b"\\ud800",
    b"[[[[",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"=",
)


def check(data: bytes) -> None:
    feed = Feed(data)
    feed.one_of((_check_json, _check_raw, _check_response, _check_tag))(feed.rest())


def _check_json(document: bytes) -> None:
    said = _check_raw(base64.b64encode(document))
    try:
        facts = json.loads(document)
    except (ValueError, RecursionError):
        assert said == ""
        return
    known = facts if isinstance(facts, dict) else {}
    for name in ("status", "scope"):
        fact = known.get(name)
        assert (f"{name} {fact}" in said) or not fact or not isinstance(fact, (str, int))
    if not known.get("status") and not known.get("scope"):
        assert said == ""


def _check_raw(challenge: bytes) -> str:
    said = decode_challenge(challenge)
    assert not said or said.startswith(("status ", "scope "))
    assert len(said) <= len(challenge) + 20
    shown = Pop3Protocol("peer").quotable(said.encode("utf-8", "replace"))
    assert shown.isprintable()
    assert len(shown) <= 301
    return said


def _check_response(parts: bytes) -> None:
    """What we say has two fields, whatever is in them, or is not said."""
    address, _, token = parts.decode("utf-8", "surrogateescape").partition("\0")
    try:
        said = initial_response(address, token)
    except ValueError as error:
        assert token not in str(error) or len(token) < 40
        return
    assert said.count(b"\x01") == 3
    assert said == b"user=" + address.encode() + b"\x01auth=Bearer " + token.encode() + b"\x01\x01"


def _check_tag(tag: bytes) -> None:
    protocol = Pop3Protocol("peer")
    protocol.receive_data(b"+OK [" + tag.translate(None, b"\r\n") + b"]\r\n")
    event = protocol.next_event()
    assert isinstance(event, Greeted)
    assert event.tag.isprintable()
    assert event.tag.isascii() or event.tag.endswith("…")
