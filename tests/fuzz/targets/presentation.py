"""What is shown: of any text or event, nothing a terminal would obey, and no secret."""

from __future__ import annotations

import json
from typing import Any

from fuzz.feed import Feed, is_measured, within_seconds
from mailsluice.obs.clean import MOST_OCTETS, clean, presentable, printable, redact

SEEDS = (
    b"\x00\x00plain \x1b[31m text\r\n\xe2\x80\xae\xff",
    b"\x01\x00token=%s &x=1",
    b"\x02\x03Authorization: Bearer %s\nnext",
    b'\x03\x02{"access_token": "%s"}',
    b'\x04\x04[1, {"a\\u001b": ["%s"]}]',
    b"\x03\x05\x00eyJ\x00dXNlcj%s",
    b"\xa7\x01%s x\n",
)
WORDS = (
    b"%s", b"eyJ", b"dXNlcj", b"Bearer ", b"password=", b'"client_secret":', b"-----BEGIN RSA PRIVATE KEY-----",
    b"\x1b[", b"\xc2\x85", b"\xe2\x80\xa8", b"8Q~", b"\x00", b"\x1c", b"\n",
)  # fmt: skip
_MIDDLE = "canary" + "x9Q" * 12
_SECRETS = (
    f"Bearer {_MIDDLE}",
    f"eyJ{_MIDDLE}.eyJ{_MIDDLE}.{_MIDDLE}",
    f"dXNlcj{_MIDDLE}=",
    f"password={_MIDDLE}",
    f'"client_secret": "{_MIDDLE}"',
    f"abc8Q~{_MIDDLE}",
    f"-----BEGIN PRIVATE KEY-----\n{_MIDDLE}\n-----END PRIVATE KEY-----",
)
_KEYS = ("event", "exception", "reply", "token", "timestamp", "level")


def check(data: bytes) -> None:
    """`%s` in the octets stands for a secret, and no form before it may take its first word for a value."""
    feed = Feed(data)
    shape, secret, key = feed.octet(), feed.one_of(_SECRETS), feed.one_of(_KEYS)
    text = (
        feed.rest().decode("utf-8", "surrogateescape").replace("canary", "?").replace("%s", f" . {secret} . ")
    )
    _check_text(text)
    if is_measured(data):
        long = text * (3 * MOST_OCTETS // max(len(text), 1))
        octets = long.encode("utf-8", "surrogateescape")
        within_seconds(5, lambda: _check_event({key: long, "other": octets, "exception": long}))
    else:
        _check_event(_event(shape, key, text))


def _check_text(text: str) -> None:
    once = redact(text)
    assert "canary" not in once
    assert redact(once) == once
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert all(line.isprintable() for line in presentable(text).split("\n"))
    assert "canary" not in presentable(text)
    shown.encode()


def _event(shape: int, key: str, text: str) -> dict[str, Any]:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    shapes: tuple[object, ...] = (
        value, [value], {text: value}, (text, value), text.encode("utf-8", "surrogateescape"), [[[{"a": {text: text}}]]],
    )  # fmt: skip
    return {key: shapes[shape % len(shapes)], "mailbox": text[:9], "exception": text}


def _check_event(event: dict[str, Any]) -> None:
    line = json.dumps(dict(clean(None, "info", dict(event))), ensure_ascii=False)
    assert "canary" not in line
    assert "\x1b" not in line
    assert line.isprintable()
    assert len(line.encode()) <= 48 * 1024
