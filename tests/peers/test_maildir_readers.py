"""A Maildir that mailsluice delivered to, as the programs see it that read Maildirs."""

from __future__ import annotations

import mailbox
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.account import Account, with_lf
from peers.dovecot import Dovecot

SENT = [
    b"Subject: 1\r\n\r\nplain\r\n",
    "Subject: 2\r\n\r\nÜber\0 acht Bit\r\n".encode(),
    b"Subject: 3\r\n\r\na bare\rCR and\r\r\none before a line's end\r\n",
    b"Subject: 4\r\n\r\n" + b"From the long line " * 10_000 + b"\r\n" * 3,
]


@pytest.fixture(scope="module")
def maildir(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Delivered to in two polls; its staging directory is there, too."""
    peer = dovecot.mailbox(f"readers-{secrets.token_hex(4)}@contoso.test")
    account = Account(dovecot, peer, tmp_path_factory.mktemp("readers"))
    account.configure(sink="maildir", max_per_poll=2)
    peer.deliver_many(SENT)
    for _ in range(2):
        account.poll()
    return account.sink


class Doveadm:
    """Dovecot's own tool, on a copy of a Maildir: it changes what it reads, and refuses to as root."""

    def __init__(self, maildir: Path, folder: Path) -> None:
        self._folder = folder
        self.copy = folder / "Maildir"
        shutil.copytree(maildir, self.copy)
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        settings = {
            "mail_location": f"maildir:{self.copy}",
            "mail_uid": self._user.pw_uid,
            "mail_gid": self._user.pw_gid,
            "first_valid_uid": 1,
            "log_path": "/dev/stderr",
            "protocols": "",
            "ssl": "no",
        }
        (folder / "dovecot.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))

    def ask(self, *arguments: str) -> bytes:
        """What it prints. What it complains of is a failure."""
        for path in (self._folder, *self._folder.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        asked = subprocess.run(
            ["/usr/bin/doveadm", "-c", self._folder / "dovecot.conf", *arguments],
            env={"USER": self._user.pw_name, "HOME": str(self._folder)},
            capture_output=True,
            check=False,
        )
        assert (asked.returncode, asked.stderr) == (0, b"")
        return asked.stdout


@pytest.fixture
def doveadm(maildir: Path) -> Iterator[Doveadm]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own may be entered by nobody else
        yield Doveadm(maildir, Path(folder))


def test_python_lists_the_messages_and_no_folders(maildir: Path) -> None:
    reader = mailbox.Maildir(maildir, create=False)
    assert sorted(reader.get_bytes(key) for key in reader.keys()) == sorted(map(with_lf, SENT))  # noqa: SIM118
    assert reader.list_folders() == []


def test_dovecot_lists_the_inbox_and_no_folders(doveadm: Doveadm) -> None:
    assert doveadm.ask("mailbox", "list").split() == [b"INBOX"]


def test_dovecot_would_list_a_folder_with_a_dot(doveadm: Doveadm) -> None:
    (doveadm.copy / ".staging").mkdir()
    assert b"staging" in doveadm.ask("mailbox", "list").split()


def test_dovecot_hands_out_what_was_sent(doveadm: Doveadm) -> None:
    found = doveadm.ask("-f", "flow", "fetch", "text", "mailbox", "INBOX", "all")
    for sent in SENT:
        assert with_lf(sent).strip() in found


def test_dovecot_counts_the_sizes_that_the_names_give(doveadm: Doveadm) -> None:
    """It takes them from the names where they are there, and counts the octets where not."""
    delivered = list((doveadm.copy / "new").iterdir())
    named = sorted(path.name.partition(",")[2] for path in delivered)
    for path in delivered:
        path.rename(path.with_name(path.name.partition(",")[0]))
    counted = doveadm.ask("-f", "tab", "fetch", "size.physical size.virtual", "mailbox", "INBOX", "all")
    lines = counted.decode().splitlines()[1:]
    assert sorted("S={},W={}".format(*line.split("\t")) for line in lines) == named
