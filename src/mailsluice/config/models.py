"""What the configuration means, once read: frozen values with every default filled in.

Owns the keys, their defaults and their descriptions. The example and the JSON schema are generated from them.
Must never read a file, nor repeat a value in an error: any value may be a secret.
"""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from mailsluice.config.credentials import Credential
from mailsluice.config.proxy import ProxySetting, check_password
from mailsluice.config.section import Section
from mailsluice.config.types import (
    AbsolutePath,
    Address,
    Cron,
    Duration,
    Host,
    Leave,
    Mode,
    Name,
    Secret,
    Size,
)
from mailsluice.errors import ConfigurationError
from mailsluice.files.trust import Problem
from mailsluice.model import MailboxKey
from mailsluice.system.zone import Zone


def default_state_dir() -> Path:
    """The user's own, `~/.local/state/mailsluice`, by the system's list of users alone.

    Environment variables are ignored, because a service and a shell would get different ledgers
    (docs/adr/0012-one-state-directory.md). If a systemd unit provides $STATE_DIRECTORY (systemd.exec), the
    service used that one, and the error says to write it into the configuration. Raises ConfigurationError.
    """
    provided = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if provided:
        raise ConfigurationError(
            [f"service.state_dir: is not set; write it out: state_dir = {json.dumps(provided)}"]
        )
    try:
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        home = Path()
    if not home.is_absolute():
        raise ConfigurationError(
            ['service.state_dir: is not set and this user has no home; set it, such as "/var/lib/mailsluice"']
        )
    return home / ".local" / "state" / "mailsluice"


class Service(Section):
    """The daemon as a whole."""

    state_dir: AbsolutePath = Field(
        default_factory=default_state_dir,
        description="The directory with the record of stored messages and the secrets. "
        "To try it as your own user, name a directory of yours.",
        examples=["/var/lib/mailsluice"],
    )
    max_sessions: int = Field(
        default=16,
        ge=1,
        le=1000,
        description="The most sessions at once, for all mailboxes together.",
        examples=[16],
    )
    proxy: ProxySetting = Field(
        default="none",
        description="The HTTP proxy for tokens and, by CONNECT, for POP3: http://[USER@]HOST[:PORT], none "
        "(the default), or environment (HTTPS_PROXY, ALL_PROXY and NO_PROXY decide).",
        examples=["http://proxy.acme.example:3128", "environment"],
    )
    proxy_password: Secret | None = Field(
        default=None,
        description="Where the password of the user in `proxy` is.",
        examples=["keyring:proxy"],
    )

    @model_validator(mode="after")
    def _password_of_user(self) -> Self:
        check_password(self.proxy, self.proxy_password is not None)
        return self


class Log(Section):
    """What is logged to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Log events of this level and above: debug, info, warning or error.",
        examples=["info"],
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="json, console, or auto (console on a terminal, json otherwise).",
        examples=["auto"],
    )


Backend = Literal["sealed", "systemd", "secret-service"]


class Keyring(Section):
    """Where the secrets with names like `keyring:NAME` are kept."""

    backend: Backend = Field(
        default="sealed",
        description="sealed: an encrypted file in the state directory; systemd: the unit's credentials "
        "(LoadCredentialEncrypted=NAME:FILE); or secret-service: the user's keyring, by D-Bus.",
        examples=["sealed", "systemd", "secret-service"],
    )


class SpoolSink(Section):
    """A spool directory: `NAME.eml` and `NAME.json` for each message."""

    kind: Literal["spool"] = Field(default="spool", description="A spool directory.", examples=["spool"])
    path: AbsolutePath = Field(
        description="The spool directory.", examples=["/var/spool/mailsluice/invoices"]
    )
    mode: Mode = Field(
        default=0o640, description="The permissions of its files, in octal.", examples=["0640"]
    )
    json_grace: Duration = Field(
        default=timedelta(days=7),
        description="How long a NAME.json stays after its NAME.eml was taken.",
        examples=["7d"],
    )


class MaildirSink(Section):
    """A Maildir."""

    kind: Literal["maildir"] = Field(default="maildir", description="A Maildir.", examples=["maildir"])
    path: AbsolutePath = Field(description="The Maildir.", examples=["/home/ann/Maildir"])
    mode: Mode = Field(
        default=0o600, description="The permissions of its files, in octal.", examples=["0600"]
    )


Sink = Annotated[SpoolSink | MaildirSink, Field(discriminator="kind")]


def _every(data: dict[str, Any]) -> timedelta | None:
    # No default beside `cron`: the two exclude each other. pydantic has read `cron` by now: it stands before.
    return None if data["cron"] else timedelta(minutes=2)


class Mailbox(Section):
    """One address, polled on one server."""

    name: Name = Field(description="The name of the section.", examples=["invoices"])
    address: Address = Field(description="The mailbox's address.", examples=["invoices@acme.example"])
    credential: Name = Field(description="The name of a [credentials.NAME] section.", examples=["acme"])
    host: Host = Field(
        description="The POP3 server. The default is Exchange Online in the credential's cloud.",
        examples=["outlook.office365.com"],
    )
    port: int = Field(
        default=995,
        ge=1,
        le=65535,
        description="The server's port. It must use TLS from the first octet.",
        examples=[995],
    )
    cron: Cron | None = Field(
        default=None,
        description="When to poll, as five cron fields in local time. Use it instead of `every`.",
        examples=["*/5 6-20 * * mon-fri"],
    )
    every: Duration | None = Field(
        default_factory=_every,
        description="How often to poll: a number and s, m, h or d. The default is 2m.",
        examples=["2m", "60s"],
    )
    sink: Sink = Field(
        description="Where messages are stored: kind (spool or maildir), path, and mode.",
        examples=[
            {"kind": "spool", "path": "/var/spool/mailsluice/invoices", "mode": "0640"},
            {"kind": "maildir", "path": "/var/mail/invoices"},
        ],
    )
    leave_on_server: Leave = Field(
        default=False,
        description="false (the default): delete each message from the server when it is stored; "
        'true: keep it; "30d": delete it 30 days after it was stored.',
        examples=[False, True, "30d"],
    )
    max_message: Size = Field(
        default=200 * 2**20,
        description="The largest message that is fetched. Larger ones are reported and stay on the server.",
        examples=["200MiB"],
    )
    max_per_poll: int = Field(
        default=1000, ge=1, description="The most messages that one poll fetches.", examples=[1000]
    )
    connections: int = Field(
        default=1,
        ge=1,
        le=16,
        description="The most connections for one poll. Several fetch a backlog from a far server faster.",
        examples=[1, 4],
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="Certificates (PEM) to trust for the POP3 server, instead of the system's.",
        examples=["/etc/mailsluice/ca.pem"],
    )
    proxy: ProxySetting | None = Field(
        default=None,
        description="The proxy for the POP3 server, if it is not the one in [service]; none: no proxy.",
        examples=["none", "http://proxy.acme.example:3128"],
    )
    proxy_password: Secret | None = Field(
        default=None,
        description="Where the password of the user in this `proxy` is.",
        examples=["keyring:proxy"],
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise ValueError("`every` and `cron` exclude each other; keep one of them")
        check_password(self.proxy, self.proxy_password is not None)
        return self

    @property
    def key(self) -> MailboxKey:
        """What makes this the same mailbox in the ledger, whatever its section is called."""
        return MailboxKey(host=self.host.lower(), address=self.address.lower())


class Config(Section):
    """The whole configuration; mailboxes and credentials by name.

    `files` are those that it was read from, the main one first. `warnings` is what an administrator should
    know about them. `zone` is the local time for `cron` lines; None if there are no such lines. No file can
    set these three.
    """

    service: Service = Field(default_factory=Service, description="The daemon as a whole.")
    log: Log = Field(default_factory=Log, description="What is logged to standard error.")
    keyring: Keyring = Field(default_factory=Keyring, description="Where secrets are kept.")
    credentials: Mapping[Name, Credential] = Field(
        default_factory=dict,
        description="The ways to log in, by name. The kind is entra, command or password.",
    )
    mailboxes: Mapping[Name, Mailbox] = Field(
        default_factory=dict, description="The mailboxes to poll, by name."
    )
    files: SkipJsonSchema[tuple[Path, ...]] = ()
    warnings: SkipJsonSchema[tuple[Problem, ...]] = ()
    zone: SkipJsonSchema[Zone | None] = None
