"""The configuration: any file is loaded, or every mistake in it is named, and no value is."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.feed import Feed
from mailsluice.config.example import example_text
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.errors import ConfigurationError

CANARY = "canary-word"
NOWHERE = "/nowhere-at-all/"
SECTIONS: dict[str, dict[str, str]] = {
    "service": {"max_sessions": "16"},
    "log": {"level": '"info"'},
    "keyring": {"backend": '"sealed"'},
    "credentials.acme": {
        "kind": '"entra"', "tenant_id": '"acme.example"', "client_id": '"app"', "client_secret": '"keyring:acme"',
    },
    "credentials.helper": {"kind": '"command"', "command": '["/bin/token", "{address}"]'},
    "credentials.old": {"kind": '"password"', "password": '"env:OLD"'},
    "defaults": {"every": '"2m"'},
    "mailboxes.invoices": {
        "address": '"a@acme.example"', "credential": '"acme"', "sink": '{ kind = "spool", path = "/spool" }',
    },
    "mailboxes.orders": {
        "address": '"b@acme.example"', "credential": '"old"', "host": '"pop.acme.example"', "sink.kind": '"maildir"',
        "sink.path": '"/maildir"',
    },
}  # fmt: skip
KEYS: tuple[tuple[str, str], ...] = (
    ("", "include"),
    ("service", "state_dir"), ("service", "max_sessions"), ("log", "level"), ("log", "format"), ("keyring", "backend"),
    *(("credentials.acme", key) for key in ("kind", "tenant_id", "client_id", "client_secret", "cloud", "authority", "scope", "ca_file")),
    ("credentials.helper", "command"), ("credentials.old", "password"),
    *(("defaults", key) for key in ("every", "cron", "name", "sink", "credential", "host", "max_message")),
    *(("mailboxes.invoices", key) for key in (
        "address", "credential", "host", "port", "cron", "every", "sink", "leave_on_server", "max_message", "max_per_poll", "ca_file",
    )),
    ("mailboxes.orders", "sink.path"), ("mailboxes.orders", "sink.mode"), ("mailboxes.orders", "host"),
)  # fmt: skip

SEEDS = (
    b"\x00" + example_text().encode(),
    b'\x00include = ["other.toml"]\n[mailboxes.a]\nsink = 3\n',
    b'\x01\x00["*.toml"]',
    b"\x02\x09canary-word",
    b"\x02\x0d/nowhere-at-all/x",
    b'\x01\x00["/nowhere-at-all/*"]',
    *(bytes((1, number)) + b'"canary-word"' for number in range(len(KEYS))),
    b'\x01\x1c"*/5 6-20 * * mon-fri"',
    b'\x01\x1d"36500d"',
    b'\x01\x20"200MiB"',
    b'\x01\x1f"30d"',
    b'\x01\x1e{ kind = "spool", path = "/x", mode = "0640" }',
)  # fmt: skip
WORDS = (
    b'"canary-word"', b'"\\u0000"', b"[[", b"]]", b"[mailboxes.", b"[credentials.", b"inf", b"nan", b"1979-05-27T07:32:00Z", b"0x7f", b"'''",
    b'"""', b"true", b'"keyring:a"', b'"file:/a"', b"/", b"*", b"1e400", b"9999999999999999999999", b"#", b"=", b"{ ", b" }", b"/nowhere-at-all/", b"\\u0000", b"\xef\xbb\xbf",
)  # fmt: skip


def check(data: bytes) -> None:
    text = _text(Feed(data))
    if text is None or _reaches_out(text):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mailsluice.toml"
        path.write_bytes(text)
        (Path(folder) / "other.toml").write_bytes(text[::2])
        try:
            config = load(path)
        except ConfigurationError as error:
            _check_mistakes(error, folder, text)
        else:
            _check_config(config)


def _text(feed: Feed) -> bytes | None:
    """A file as it stands, or a right one of which one key has a value of the engine's, in TOML or as text."""
    match feed.octet() % 3:
        case 0:
            return feed.rest()
        case form:
            section, key = feed.one_of(KEYS)
            value = feed.rest().decode("utf-8", "replace")
            literal = value if form == 1 else json.dumps(value, ensure_ascii=True)
            if form == 2 and "\\ud" in literal:  # JSON's pairs of surrogates are not TOML's
                return None
            tables = {**SECTIONS, section: {**SECTIONS.get(section, {}), key: literal}}
            top = tables.pop("", {})
            lines = [f"{name} = {item}" for name, item in top.items()]
            for name, table in tables.items():
                lines += [f"[{name}]", *(f"{key} = {item}" for key, item in table.items())]
            return "\n".join(lines).encode()


def _reaches_out(text: bytes) -> bool:
    """Whether it would have us read files of this machine: pipes and devices among them."""
    try:
        table = tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    paths = [
        value for key, value in _values(table) if key in {"include", "ca_file"} and isinstance(value, str)
    ]
    return any(".." in path or "/" in path.removeprefix(NOWHERE) for path in paths)


def _values(table: object) -> Iterator[tuple[str, object]]:
    """Every value, tables and lists among them, under the last key above it; to any depth."""
    left: list[tuple[str, object]] = [("", table)]
    while left:
        key, value = left.pop()
        yield key, value
        if isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(key, item) for item in value]


def _check_mistakes(error: ConfigurationError, folder: str, text: bytes) -> None:
    assert error.mistakes
    for line in error.mistakes:
        assert line.lstrip('"').startswith((folder, NOWHERE)), line
        assert line.isprintable(), line
        if f'"{CANARY}' not in line and CANARY in line:
            assert CANARY.encode() in text
            keys = _keys(text)
            assert keys is None or any(CANARY in key for key in keys), line


def _keys(text: bytes) -> list[str] | None:
    """All keys of a file, which may be shown; None if it is no TOML, for then nobody knows what is one."""
    try:
        table = tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return [key for key, _ in _values(table)]


def _check_config(config: Config) -> None:
    assert Config.model_validate(dict(config)) == config
    for mailbox in config.mailboxes.values():
        assert mailbox.credential in config.credentials
        assert mailbox.sink.path.is_absolute()
        assert mailbox.every is None or timedelta(seconds=1) <= mailbox.every <= timedelta(days=36500)
        assert mailbox.address.isascii()
        assert mailbox.max_message >= 1
    str(config)
