from __future__ import annotations

import pytest

from mailsluice.pop3 import commands as c


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (c.Capa(), b"CAPA\r\n"),
        (c.AuthXoauth2(), b"AUTH XOAUTH2\r\n"),
        (c.SaslResponse(b"user=a"), b"dXNlcj1h\r\n"),
        (c.SaslResponse(b""), b"\r\n"),
        (c.User("a@x.example"), b"USER a@x.example\r\n"),
        (c.Pass("two words é"), "PASS two words é\r\n".encode()),
        (c.Stat(), b"STAT\r\n"),
        (c.Uidl(), b"UIDL\r\n"),
        (c.List_(), b"LIST\r\n"),
        (c.Retr(7), b"RETR 7\r\n"),
        (c.Top(7, 0), b"TOP 7 0\r\n"),
        (c.Dele(7), b"DELE 7\r\n"),
        (c.Quit(), b"QUIT\r\n"),
    ],
)
def test_a_command_is_one_line(command: c.Command, line: bytes) -> None:
    assert command.encode() == line


def test_a_long_token_goes_on_one_unbroken_line() -> None:
    assert c.SaslResponse(b"t" * 3000).encode().count(b"\n") == 1


@pytest.mark.parametrize("command", [c.Pass("canary"), c.SaslResponse(b"canary", b"canary")])
def test_a_secret_does_not_show_in_the_repr(command: c.Command) -> None:
    assert "canary" not in repr(command)
    assert "Y2FuYXJ5" not in repr(command)


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x01", "\x7f", "\ud800"])
@pytest.mark.parametrize("kind", [c.User, c.Pass])
def test_what_would_break_out_of_the_line_is_refused_unquoted(kind: type[c.User], character: str) -> None:
    with pytest.raises(ValueError, match="control characters") as refused:
        kind(f"canary{character}DELE 1")
    assert "canary" not in str(refused.value)
