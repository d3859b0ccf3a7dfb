"""Who is compared: each fetcher, and how it is set up for one run.

Owns their configurations, which are plain ones: fetch all, delete it, verify TLS, deliver into a Maildir.
What they do for durability is as it comes. Must never run one.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ROOT

GETMAIL = ROOT / "build" / "bench" / "venv" / "bin" / "getmail"


@dataclass(frozen=True)
class Errand:
    """One run: which mailbox is fetched, and the empty folders to fetch it into and to keep things in."""

    port: int
    ca_file: Path
    address: str
    password: str
    pipelining: bool
    mail: Path
    folder: Path

    def write(self, name: str, text: str) -> Path:
        """A private file of the tool's, such as its configuration."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def maildir(self) -> Path:
        """The Maildir, made for those who want it to be there, and to be private."""
        for folder in ("tmp", "new", "cur"):
            (self.mail / folder).mkdir(mode=0o700, parents=True)
        self.mail.chmod(0o700)
        return self.mail


@dataclass(frozen=True)
class Tool:
    """A fetcher: its name, the programs it needs, and its arguments once it is set up."""

    name: str
    programs: Sequence[str | Path]
    prepare: Callable[[Errand], list[str | Path]]

    def missing(self) -> str:
        """The first of its programs that is not here; empty if all are."""
        return next((str(program) for program in self.programs if not shutil.which(program)), "")


def _floor(errand: Errand) -> list[str | Path]:
    where = (str(errand.port), errand.ca_file, errand.address, errand.password)
    wait = () if errand.pipelining else ("--wait",)
    return [sys.executable, "-IS", ROOT / "benchmarks" / "floor.py", *where, *wait]


_MAILSLUICE = Path(sys.executable).with_name("mailsluice")


def _mailsluice(sink: str = "maildir", **keys: object) -> Callable[[Errand], list[str | Path]]:
    def prepare(errand: Errand) -> list[str | Path]:
        settings: dict[str, object] = {
            "address": errand.address,
            "credential": "password",
            "host": "localhost",
            "port": errand.port,
            "ca_file": str(errand.ca_file),
            "max_message": "1GiB",
            "max_per_poll": 1_000_000,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in (settings | keys).items()]
        config = errand.write(
            "mailsluice.toml",
            "\n".join(
                [
                    "[service]",
                    f'state_dir = "{errand.folder / "state"}"',
                    "[credentials.password]",
                    'kind = "password"',
                    f'password = "file:{errand.write("password", errand.password)}"',
                    "[mailboxes.bench]",
                    f'sink = {{ kind = "{sink}", path = "{errand.mail}" }}',
                    *lines,
                ]
            ),
        )
        return [_MAILSLUICE, "-c", config, "poll"]

    return prepare


def _mpop(errand: Errand) -> list[str | Path]:
    config = errand.write(
        "mpoprc",
        f"""account bench
host localhost
port {errand.port}
tls on
tls_starttls off
tls_trust_file {errand.ca_file}
auth user
user {errand.address}
password {errand.password}
keep off
uidls_file {errand.folder / "uidls"}
delivery maildir {errand.maildir()}
""",
    )
    return ["mpop", "-C", config, "--quiet", "bench"]


def _fdm(errand: Errand) -> list[str | Path]:
    config = errand.write(
        "fdm.conf",
        f"""set default-user "root"
set maximum-size 1G
set lock-file "{errand.folder / "lock"}"
set verify-certificates
action "keep" maildir "{errand.maildir()}"
account "bench" pop3s server "localhost" port {errand.port} user "{errand.address}" pass "{errand.password}"
match all action "keep"
""",
    )
    return ["fdm", "-f", config, "fetch"]


def _fetchmail(errand: Errand) -> list[str | Path]:
    filters = errand.write("mailfilter", f'to "{errand.maildir()}"\n')
    config = errand.write(
        "fetchmailrc",
        f"""set idfile "{errand.folder / "ids"}"
set pidfile "{errand.folder / "pid"}"
poll localhost protocol pop3 port {errand.port} auth password
    user "{errand.address}" password "{errand.password}"
    ssl sslcertck sslcertfile "{errand.ca_file}"
    fetchall no keep mda "/usr/bin/maildrop {filters}"
""",
    )
    return ["fetchmail", "--fetchmailrc", config, "--silent"]


def _getmail(errand: Errand) -> list[str | Path]:
    """As root it delivers for somebody else, or not at all."""
    maildir, user = errand.maildir(), ""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = f"user = {nobody.pw_name}"
        for folder in (maildir, *maildir.iterdir()):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    errand.write(
        "getmailrc",
        f"""[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {errand.port}
username = {errand.address}
password = {errand.password}
ca_certs = {errand.ca_file}
[destination]
type = Maildir
path = {maildir}/
{user}
[options]
delete = true
read_all = true
verbose = 0
""",
    )
    return [GETMAIL, "--getmaildir", errand.folder, "--rcfile", "getmailrc"]


FLOOR = Tool("floor", [sys.executable], _floor)
"""The one of which nothing arrives."""

TOOLS = {
    tool.name: tool
    for tool in (
        FLOOR,
        Tool("mailsluice", [_MAILSLUICE], _mailsluice()),
        Tool("mailsluice-spool", [_MAILSLUICE], _mailsluice("spool")),
        Tool("mailsluice-4", [_MAILSLUICE], _mailsluice(connections=4)),
        Tool("mpop", ["mpop"], _mpop),
        Tool("fdm", ["fdm"], _fdm),
        Tool("fetchmail", ["fetchmail", "maildrop"], _fetchmail),
        Tool("getmail6", [GETMAIL], _getmail),
    )
}
"""By name, in the order of the columns."""
