"""Single values of the configuration: taken and taken again alike, or refused in words that do not repeat them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

from cronsim import CronSim

from fuzz.feed import Feed, within_seconds
from mailsluice.config import types as t

PARSERS: tuple[Callable[[object], object], ...] = (
    t.parse_cron, t.parse_duration, t.parse_leave, t.parse_size, t.parse_mode, t.parse_path, t.parse_name,
    t.parse_host, t.parse_address, t.parse_token, t.parse_tenant, t.parse_authority, t.parse_scope, t.parse_secret,
    t.parse_command,
)  # fmt: skip
SEEDS = (
    b"\x00*/5 6-20 * * mon-fri", b"\x000 0 29 2 *", b"\x000 0 L 2 *", b"\x000 0 * * 5#3", b"\x000 0 30 2 *", b"\x00@daily",
    b"\x0159s", b"\x0230d", b"\x0136500d", b"\x0136501d", b"\x03200MiB", b"\x030025 kB", b"\x040640", b"\x05/var/spool", b"\x06in-voices.2",
    b"\x07outlook.office365.com", b"\x07[::1]", b"\x0710.0.0.1", b"\x08a@b.example", b"\x0900000000-0000",
    b"\x0acommon", b"\x0bhttps://login.example:8443/x/", b"\x0chttps://outlook.office365.com/.default",
    b"\x0dkeyring:acme", b"\x0dfile:/x", b"\x0dcredential:a.b", b"\x0e/bin/token\n{address}",
)  # fmt: skip
WORDS = (
    b"canary",
    b"mon",
    b"jan",
    b"*/",
    b"L",
    b"#",
    b"1-5",
    b"W",
    b"\xd9\xa1",
    b"\xef\xbc\x91",
    b"\xc2\x85",
    b"keyring:",
    b"https://",
    b"\x00",
)
_MOMENTS = (
    datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2099, 1, 1, tzinfo=UTC),
)


def check(data: bytes) -> None:
    feed = Feed(data)
    parse = feed.one_of(PARSERS)
    text = feed.rest().decode("utf-8", "replace")
    value: object = text.split("\n") if parse is t.parse_command else text
    try:
        taken = within_seconds(2, lambda: parse(value))
    except ValueError as error:
        assert "canary" not in str(error)
        assert str(error).isprintable()
        return
    assert parse(taken) == taken
    assert parse is t.parse_command or text.isprintable() or not text.isascii()
    if isinstance(taken, timedelta):
        assert timedelta(seconds=1) <= taken <= timedelta(days=36500)
    elif isinstance(taken, int):
        assert taken >= 0
    if parse is t.parse_cron:
        _check_comes_due(text)


def _check_comes_due(line: str) -> None:
    """From any moment on it comes due again, later and later, and nobody waits long for the answer."""
    for moment in _MOMENTS:
        times = within_seconds(2, lambda moment=moment: list(islice(CronSim(line, moment), 4)))  # type: ignore[misc]
        assert times
        assert [moment, *times] == sorted({moment, *times})
