from __future__ import annotations

from collections.abc import Callable

import pytest

from mailsluice.pop3 import commands as c


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (c.CAPA, b"CAPA\r\n"),
        (c.AUTH_XOAUTH2, b"AUTH XOAUTH2\r\n"),
        (c.sasl_response(b"user=a"), b"dXNlcj1h\r\n"),
        (c.sasl_response(b""), b"\r\n"),
        (c.user("a@x.example"), b"USER a@x.example\r\n"),
        (c.password("two words é"), "PASS two words é\r\n".encode()),
        (c.STAT, b"STAT\r\n"),
        (c.UIDL, b"UIDL\r\n"),
        (c.LIST, b"LIST\r\n"),
        (c.retr(7), b"RETR 7\r\n"),
        (c.top(7, 0), b"TOP 7 0\r\n"),
        (c.dele(7), b"DELE 7\r\n"),
        (c.QUIT, b"QUIT\r\n"),
    ],
)
def test_a_command_is_one_line(command: c.Command, line: bytes) -> None:
    assert command.line == line


def test_a_long_token_goes_on_one_unbroken_line() -> None:
    assert c.sasl_response(b"t" * 3000).line.count(b"\n") == 1


@pytest.mark.parametrize("command", [c.password("canary"), c.sasl_response(b"canary", b"canary")])
def test_a_secret_does_not_show_in_the_repr(command: c.Command) -> None:
    assert "canary" not in repr(command)
    assert "Y2FuYXJ5" not in repr(command)


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x01", "\x7f", "\ud800"])
@pytest.mark.parametrize("make", [c.user, c.password])
def test_what_would_break_out_of_the_line_is_refused_unquoted(
    make: Callable[[str], c.Command], character: str
) -> None:
    with pytest.raises(ValueError, match="control characters") as refused:
        make(f"canary{character}DELE 1")
    assert "canary" not in str(refused.value)
