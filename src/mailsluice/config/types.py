"""What a single value in the configuration may look like: durations, sizes, names, secret references.

Owns the syntax of values. A parser takes the value from TOML, or as the program uses it, and returns it as
the program uses it. Its ValueError says what would be right. It must never repeat the value: any value may be
a secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, cast

from cronsim import CronSim, CronSimError
from pydantic import PlainValidator, WithJsonSchema

from mailsluice import invocation

Scheme = Literal["keyring", "file", "env", "credential"]

NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=36500)
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|kB|KiB|MB|MiB|GB|GiB)")
_OCTETS = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
VARIABLE = "[A-Za-z_][A-Za-z0-9_]*"
_SECRET_NAMES = {
    "keyring": re.compile(NAME),
    "file": re.compile(r"/[^\x00-\x1f\x7f-\x9f]+"),  # no control characters: references are printed
    "env": re.compile(VARIABLE),
    "credential": re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}"),
}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SOME_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept. Never the secret itself: a reference may be printed."""

    scheme: Scheme
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


def _text(value: object, what: str) -> str:
    """A string without control characters. Raises ValueError that says `what` would be right."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string: {what}")  # noqa: TRY004  pydantic takes ValueError as "not valid"
    if _CONTROLS.search(value):
        raise ValueError(f"contains control characters; write {what}")
    return value


def parse_secret(value: object) -> SecretRef:
    """`keyring:NAME`, `file:PATH`, `env:NAME` or `credential:NAME`. Other text may be the secret itself."""
    if isinstance(value, SecretRef):
        return value
    scheme, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or scheme not in _SECRET_NAMES:
        raise ValueError(
            'a secret must not stand in this file; write "keyring:NAME" here (or "file:/PATH", "env:NAME", '
            f'"credential:NAME"), then store it with `{invocation.command("secret", "set", "NAME")}`'
        )
    if not _SECRET_NAMES[scheme].fullmatch(name):
        right = "file:/absolute/path" if scheme == "file" else f"{scheme}:NAME"
        raise ValueError(f'is not a valid reference to a secret; write "{right}"')
    return SecretRef(cast("Scheme", scheme), name)


def parse_duration(value: object) -> timedelta:
    """`60s`, `2m`, `1h` or `30d`; from one second to a hundred years."""
    if isinstance(value, timedelta):
        duration = value
    else:
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(
                'must be a duration in quotes: a whole number and s, m, h or d, such as "60s" or "2m"'
            )
        duration = timedelta(seconds=min(int(match[1]), 10**10) * _SECONDS[match[2]])
    if not timedelta(seconds=1) <= duration <= _LONGEST:
        raise ValueError('is out of range; write a duration from "1s" to "36500d"')
    return duration


def parse_leave(value: object) -> bool | timedelta:
    """False, true, or how long a stored message stays on the server."""
    if isinstance(value, bool):
        return value
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError('must be false, true, or a duration such as "30d"') from None


def parse_size(value: object) -> int:
    """Octets: a whole number, or a string with a unit such as `200MiB` or `25MB`."""
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    octets = int(match[1]) * _OCTETS[match[2]] if match else value
    if not isinstance(octets, int) or isinstance(octets, bool):
        raise ValueError('must be a size such as "200MiB" or "25MB", or a whole number of octets')  # noqa: TRY004
    if octets < 1:
        raise ValueError("must be at least 1 octet")
    return octets


def parse_mode(value: object) -> int:
    """File permissions: an octal string such as `0640`.

    The owner can read and write. A group that can write can also read. Others can only read, or nothing.
    Nobody can execute.
    """
    if isinstance(value, str) and re.fullmatch(r"0?[0-7]{3}", value):
        mode = int(value, 8)
    elif isinstance(value, int) and not isinstance(value, bool):
        mode = value
    else:
        raise ValueError('must be an octal mode in quotes, such as "0640"')
    if not 0o600 <= mode <= 0o664 or mode & 0o113 or mode & 0o060 == 0o020:
        raise ValueError('must be one of "0600", "0604", "0640", "0644", "0660", "0664"')
    return mode


def parse_path(value: object) -> Path:
    """An absolute path: a service has no working directory for relative ones."""
    path = value if isinstance(value, Path) else Path(_text(value, "an absolute path"))
    if not path.is_absolute():
        raise ValueError("must be an absolute path; write the whole path, beginning with /")
    return path


def parse_name(value: object) -> str:
    """The name of a mailbox or credential. It is used in file names, log lines and commands."""
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        raise ValueError(
            "is not a valid name; use up to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit"
        )
    return value


def parse_host(value: object) -> str:
    """A host name in ASCII (RFC 1123 §2.1) or an IP address; neither port nor scheme."""
    host = _text(value, 'a host name such as "outlook.office365.com"')
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.split(".")):
            return host
    raise ValueError(
        'is not a host name; write it alone, such as "outlook.office365.com" (for the port there is `port`)'
    )


def parse_address(value: object) -> str:
    """A mailbox's address in visible ASCII with one @. It is used in the XOAUTH2 line and in file names."""
    what = 'an address such as "invoices@acme.example"'
    address = _text(value, what)
    if not re.fullmatch(r"[!-?A-~]+@[!-?A-~]+", address) or len(address) > 254:
        raise ValueError(f"is not an address; write {what}: one @, plain ASCII, no spaces")
    return address


def parse_cron(value: object) -> str:
    """Five cron fields: minute, hour, day of month, month, day of week. They must match some date."""
    line = _text(value, 'five cron fields such as "*/5 6-20 * * mon-fri"')
    if len(line.split()) != 5:
        raise ValueError(
            'must have five fields: minute, hour, day, month, weekday, such as "*/5 6-20 * * mon-fri"'
        )
    try:
        next(CronSim(line, _SOME_MOMENT))
    except (CronSimError, ValueError) as exc:  # ValueError: more digits than Python takes for a number
        raise ValueError(f'is not a cron line: {exc}; write it like "*/5 6-20 * * mon-fri"') from None
    except StopIteration:
        raise ValueError("never matches a date; check day, month and weekday") from None
    return line


def parse_token(value: object) -> str:
    """An identifier of the identity provider, in characters that never need quotes."""
    token = _text(value, "an identifier")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", token):
        raise ValueError(
            'is not an identifier; copy it from the app registration: "00000000-0000-0000-0000-000000000000"'
        )
    return token


def parse_tenant(value: object) -> str:
    """One tenant, by id or domain. Names for all tenants do not work when an app signs in as itself."""
    tenant = parse_token(value)
    if tenant.lower() in {"common", "organizations", "consumers"}:
        raise ValueError("must be one tenant; write its id or its domain, such as acme.onmicrosoft.com")
    return tenant


def parse_authority(value: object) -> str:
    """The identity provider's https address with the tenant's path (msal accepts no other form)."""
    what = '"https://login.microsoftonline.com/TENANT"'
    authority = _text(value, what)
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)+/?", authority):
        raise ValueError(f"is not an https address with a path; write it like {what}")
    return authority.rstrip("/")


def parse_scope(value: object) -> str:
    """The scope that a token is requested for."""
    scope = _text(value, '"https://outlook.office365.com/.default"')
    if not re.fullmatch(r"[!-~]+", scope):
        raise ValueError('must be one scope without spaces, such as "https://outlook.office365.com/.default"')
    return scope


def parse_command(value: object) -> tuple[str, ...]:
    """A program with its absolute path, and its arguments. No shell is used."""
    right = '["/usr/local/bin/token", "{address}"]'
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"must be a list of strings, such as {right}")
    words = tuple(_text(word, f"a list such as {right}") for word in value)
    if not words[0].startswith("/"):
        raise ValueError(f"must begin with a program's absolute path, such as {right}")
    return words


def parse_day(value: object) -> date:
    """A calendar day, as TOML writes it: `2027-05-01`, with or without quotes."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(_text(value, "a day such as 2027-05-01"))
    except ValueError:
        raise ValueError("must be a day such as 2027-05-01: year, month, day") from None


def parse_variables(value: object) -> tuple[str, ...]:
    """Names of environment variables. Values are not allowed, because a value may be a secret."""
    right = '["HTTPS_PROXY"]'
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list of names, such as {right}")
    if not all(re.fullmatch(VARIABLE, name) for name in value):
        raise ValueError(
            f"must be a list of names without values, such as {right}; set the values where mailsluice "
            "is started (with systemd: Environment=)"
        )
    return tuple(value)


def _string(pattern: str = "") -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern} if pattern else {"type": "string"})


_DURATION_PATTERN = "^[0-9]+[smhd]$"

Secret = Annotated[SecretRef, PlainValidator(parse_secret), _string("^(keyring|file|env|credential):.+$")]
Duration = Annotated[timedelta, PlainValidator(parse_duration), _string(_DURATION_PATTERN)]
Leave = Annotated[
    bool | timedelta,
    PlainValidator(parse_leave),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": _DURATION_PATTERN}]}),
]
Size = Annotated[
    int,
    PlainValidator(parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": "^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)$"},
            ]
        }
    ),
]
Mode = Annotated[int, PlainValidator(parse_mode), _string("^0?6[046][04]$")]
AbsolutePath = Annotated[Path, PlainValidator(parse_path), _string("^/")]
Name = Annotated[str, PlainValidator(parse_name), _string(f"^{NAME}$")]
Host = Annotated[str, PlainValidator(parse_host), _string()]
Address = Annotated[str, PlainValidator(parse_address), _string("^[!-?A-~]+@[!-?A-~]+$")]
Day = Annotated[date, PlainValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
Cron = Annotated[str, PlainValidator(parse_cron), _string()]
Identifier = Annotated[str, PlainValidator(parse_token), _string()]
Tenant = Annotated[str, PlainValidator(parse_tenant), _string()]
Authority = Annotated[str, PlainValidator(parse_authority), _string("^https://")]
Scope = Annotated[str, PlainValidator(parse_scope), _string()]
Command = Annotated[
    tuple[str, ...],
    PlainValidator(parse_command),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
Variables = Annotated[
    tuple[str, ...],
    PlainValidator(parse_variables),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": f"^{VARIABLE}$"}}),
]
