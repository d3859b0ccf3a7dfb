"""The tools that are compared: each fetcher, and how it is set up for one run.

Owns their configurations, which are simple: fetch all mail, delete it, verify TLS, deliver into a Maildir; or
keep the mail on the server, and fetch what is new. Durability is as each tool has it by default. Must never
run a tool.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ROOT
from benchmarks.configuration import toml
from support.program import PROGRAM

GETMAIL = ROOT / "build" / "bench" / "venv" / "bin" / "getmail"


@dataclass(frozen=True)
class Errand:
    """Which mailbox is fetched, and the empty folders to fetch it into and to keep things in.

    `keep`: whether the mail stays on the server, and only what was not fetched before is fetched.
    """

    port: int
    ca_file: Path
    address: str
    password: str
    pipelining: bool
    keep: bool
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
    """A fetcher: its name, the programs it needs, and its arguments once it is set up.

    `nothing_new` is what it exits with where that is so.
    """

    name: str
    programs: Sequence[str | Path]
    prepare: Callable[[Errand], list[str | Path]]
    nothing_new: int = 0

    def missing(self) -> str:
        """The first of its programs that is not here; empty if all are."""
        return next((str(program) for program in self.programs if not shutil.which(program)), "")


def _floor(errand: Errand) -> list[str | Path]:
    where = (str(errand.port), errand.ca_file, errand.address, errand.password)
    wait = () if errand.pipelining else ("--wait",)
    return [sys.executable, "-IS", ROOT / "benchmarks" / "floor.py", *where, *wait]


def _mailsluice(sink: str = "maildir", **keys: object) -> Callable[[Errand], list[str | Path]]:
    def prepare(errand: Errand) -> list[str | Path]:
        sections: dict[str, dict[str, object]] = {
            "service": {"state_dir": errand.folder / "state"},
            "credentials.password": {
                "kind": "password",
                "password": f"file:{errand.write('password', errand.password)}",
            },
            "mailboxes.bench": {
                "address": errand.address,
                "credential": "password",
                "host": "localhost",
                "port": errand.port,
                "ca_file": errand.ca_file,
                "max_message": "1GiB",
                "max_per_poll": 1_000_000,
                "leave_on_server": errand.keep,
                **keys,
            },
            "mailboxes.bench.sink": {"kind": sink, "path": errand.mail},
        }
        return [PROGRAM, "-c", errand.write("mailsluice.toml", toml(sections)), "poll"]

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
keep {"on" if errand.keep else "off"}
uidls_file {errand.folder / "uidls"}
delivery maildir {errand.maildir()}
""",
    )
    return ["mpop", "-C", config, "--quiet", "bench"]


def _fdm(errand: Errand) -> list[str | Path]:
    new = ""
    if errand.keep:
        cache = errand.folder / "cache"
        cache.mkdir()
        cache.chmod(0o777)  # if started by root, fdm writes it as another user
        new = f'new-only cache "{cache / "uidls"}" keep'
    config = errand.write(
        "fdm.conf",
        f"""set default-user "root"
set maximum-size 1G
set lock-file "{errand.folder / "lock"}"
set verify-certificates
action "keep" maildir "{errand.maildir()}"
account "bench" pop3s server "localhost" port {errand.port} user "{errand.address}" pass "{errand.password}" {new}
match all action "keep"
""",
    )
    return ["fdm", "-f", config, "fetch"]


def _fetchmail(errand: Errand) -> list[str | Path]:
    uidl, which = ("uidl", "no fetchall keep") if errand.keep else ("", "fetchall no keep")
    filters = errand.write("mailfilter", f'to "{errand.maildir()}"\n')
    config = errand.write(
        "fetchmailrc",
        f"""set idfile "{errand.folder / "ids"}"
set pidfile "{errand.folder / "pid"}"
poll localhost protocol pop3 port {errand.port} auth password {uidl}
    user "{errand.address}" password "{errand.password}"
    ssl sslcertck sslcertfile "{errand.ca_file}"
    {which} mda "/usr/bin/maildrop {filters}"
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
delete = {"false" if errand.keep else "true"}
read_all = {"false" if errand.keep else "true"}
verbose = 0
""",
    )
    return [GETMAIL, "--getmaildir", errand.folder, "--rcfile", "getmailrc"]


FLOOR = Tool("floor", [sys.executable], _floor)
"""The one of which nothing arrives."""

PEERS = {
    tool.name: tool
    for tool in (
        Tool("mpop", ["mpop"], _mpop),
        Tool("fdm", ["fdm"], _fdm),
        Tool("fetchmail", ["fetchmail", "maildrop"], _fetchmail, nothing_new=1),
        Tool("getmail6", [GETMAIL], _getmail),
    )
}
"""The other fetchers."""

TOOLS = {
    tool.name: tool
    for tool in (
        FLOOR,
        Tool("mailsluice", [PROGRAM], _mailsluice()),
        Tool("mailsluice-spool", [PROGRAM], _mailsluice("spool")),
        Tool("mailsluice-4", [PROGRAM], _mailsluice(connections=4)),
        *PEERS.values(),
    )
}
"""By name, in the order of the columns."""


def versions(names: Iterable[str]) -> str:
    """Those of the other fetchers among these, as far as they are here."""
    there = [name for name in names if name in PEERS and not PEERS[name].missing()]
    return ", ".join(filter(None, (_version(name) for name in there)))


def _version(name: str) -> str:
    if name == "getmail6":
        return told(GETMAIL, "--version")
    return told("dpkg-query", "--show", "--showformat=${Package} ${Version}", name)


def told(program: str | Path, *arguments: str) -> str:
    """What a program prints, if it is here; without the space around it."""
    if not shutil.which(program):
        return ""
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False).stdout.strip()
