from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsluice.model import Listed
from mailsluice.sink.hold import Hold
from sink.disk import Disk
from support.sinks import MAILBOX, OWNER, Sink, held, sink_of

NOW = datetime(2026, 3, 1, 12, 30, 45, 42, tzinfo=UTC)
MAIL = b"Message-ID: <1@x>\r\nSubject: =?utf-8?q?h=C3=A9?=\r\nFrom: a@x\r\nTo: Ann <b@x>\r\nDate: now\r\n\r\n.\x00\xff\nx\r\n"


def deliver(spooling: Hold, *chunks: bytes, uidl: bytes = b"uidl-1") -> str:
    with spooling.batch() as batch:
        batch.add(Listed(1, uidl), iter(chunks), NOW)
        batch.stage()
        return batch.publish()[0].name


def description(tmp_path: Path, name: str) -> Any:
    return json.loads((tmp_path / "spool" / f"{name}.json").read_text("ascii"))


def test_the_eml_is_the_message_octet_for_octet(spooling: Hold, tmp_path: Path) -> None:
    name = deliver(spooling, MAIL[:7], b"", MAIL[7:])
    assert (tmp_path / "spool" / f"{name}.eml").read_bytes() == MAIL


def test_the_json_describes_it(spooling: Hold, tmp_path: Path) -> None:
    name = deliver(spooling, MAIL)
    assert description(tmp_path, name) == {
        "mailbox": "inv",
        "address": "a@b.example",
        "uidl": "uidl-1",
        "size": len(MAIL),
        "sha256": hashlib.sha256(MAIL).hexdigest(),
        "stored_at": "2026-03-01T12:30:45.000042+00:00",
        "message_id": "<1@x>",
        "subject": "h\u00e9",
        "from": "a@x",
        "to": "Ann <b@x>",
        "date": "now",
        "from_addresses": ["a@x"],
        "to_addresses": ["b@x"],
    }


def test_a_message_without_a_header_is_described_without_one(spooling: Hold, tmp_path: Path) -> None:
    assert "subject" not in description(tmp_path, deliver(spooling, b""))


def test_a_header_that_goes_on_and_on_is_described_as_far_as_it_is_read(
    spooling: Hold, tmp_path: Path
) -> None:
    found = description(tmp_path, deliver(spooling, b"Subject: x\r\n", *[b"To: a@x\r\n" * 1000] * 150))
    assert (found["subject"], found["header_truncated"]) == ("x", True)


def test_a_field_of_the_header_cannot_pass_for_one_of_ours(spooling: Hold, tmp_path: Path) -> None:
    name = deliver(spooling, b"size: 1\r\nsha256: 0\r\nuidl: x\r\nmailbox: y\r\n\r\n")
    found = description(tmp_path, name)
    assert (found["uidl"], found["mailbox"]) == ("uidl-1", "inv")


def test_uidl_octets_that_are_not_ascii_are_escaped(spooling: Hold, tmp_path: Path) -> None:
    assert description(tmp_path, deliver(spooling, MAIL, uidl=b'a\xff"'))["uidl"] == 'a\\xff"'


def test_the_json_is_there_before_the_eml(spooling: Hold, disk: Disk) -> None:
    deliver(spooling, MAIL)
    assert [about.rpartition(".")[2] for about in disk.called("rename")] == ["json", "eml"]


@pytest.mark.parametrize(
    ("mode", "directory"), [(0o640, 0o750), (0o600, 0o700), (0o644, 0o755), (0o660, 0o770)]
)
def test_modes_follow_the_files_and_staging_is_private(tmp_path: Path, mode: int, directory: int) -> None:
    with held(sink_of("spool", tmp_path / "spool", mode=mode)) as spooling:
        name = deliver(spooling, MAIL)
    modes = {
        path.name: path.stat().st_mode & 0o7777
        for path in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]
    }
    if mode == 0o660:
        directory = 0o770
    assert modes == {
        "spool": directory,
        ".staging": 0o700,
        "sink-id": 0o600,
        f"{MAILBOX}.turn": 0o600,
        OWNER: 0o700,
        "claim": 0o600,
        f"{name}.eml": mode,
        f"{name}.json": mode,
    }


def test_a_directory_that_is_there_keeps_its_mode(spool: Sink, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o2770)
    with held(spool) as spooling:
        deliver(spooling, MAIL)
    assert (tmp_path / "spool").stat().st_mode & 0o7777 == 0o2770


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(uidl=st.binary(min_size=1, max_size=70), head=st.binary(max_size=200))
def test_nothing_a_stranger_sends_gets_into_a_name(spooling: Hold, uidl: bytes, head: bytes) -> None:
    name = deliver(spooling, b"Subject: " + head, uidl=uidl)
    assert name.startswith("20260301T123045Z-inv-000042")
    assert len(name) == len("20260301T123045Z-inv-000042") + 16
