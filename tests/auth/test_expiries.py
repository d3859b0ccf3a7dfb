from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from auth.hand_clock import HandClock
from mailsluice.auth import expiries as module
from mailsluice.auth.expiries import Expiries
from mailsluice.config.credentials import Credential, EntraCredential, PasswordCredential
from mailsluice.config.types import SecretRef
from mailsluice.files.private import locked
from support.users import NOBODY, NOGROUP, need_root

IDS = {"tenant_id": "acme.example", "client_id": "app"}
CERTIFICATE = EntraCredential.model_validate({**IDS, "certificate": "file:/acme.pem"})
CREDENTIALS: Mapping[str, Credential] = {
    "acme": CERTIFICATE,
    "old": PasswordCredential(password=SecretRef("keyring", "old")),
}
PERSON = EntraCredential.model_validate({**IDS, "flow": "device-code"})
OTHER = SecretRef("file", "/new.pem")
DAY = timedelta(days=1)
Log = MutableMapping[str, Any]


@pytest.fixture
def expiries(tmp_path: Path, clock: HandClock) -> Expiries:
    return Expiries(tmp_path, clock)


@pytest.fixture
def logs() -> Iterator[list[Log]]:
    with capture_logs() as lines:
        yield lines


def warnings(logs: list[Log]) -> int:
    return [line["event"] for line in logs].count("credential ends")


def test_what_is_noted_is_known_to_the_next_process(tmp_path: Path, clock: HandClock) -> None:
    ends = clock.now() + 90 * DAY
    Expiries(tmp_path, clock).note("acme", CERTIFICATE, ends)
    (known,) = Expiries(tmp_path, clock).known(CREDENTIALS)
    assert (known.credential, known.ends) == ("acme", ends)


def test_of_a_credential_that_was_never_used_nothing_is_known(expiries: Expiries) -> None:
    assert expiries.known(CREDENTIALS) == []


def test_a_declared_end_needs_no_file(expiries: Expiries) -> None:
    secret = EntraCredential.model_validate({**IDS, "client_secret": "keyring:acme", "expires": "2027-05-01"})
    (known,) = expiries.known({"acme": secret})
    assert known.ends.date().isoformat() == "2027-05-01"


def test_a_section_that_proves_itself_in_another_way_now_is_not_believed_to_end(
    expiries: Expiries, clock: HandClock
) -> None:
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    person = EntraCredential.model_validate({**IDS, "flow": "device-code"})
    assert expiries.known({"acme": person}) == []


def test_a_certificate_ends_for_every_section_that_names_it(expiries: Expiries, clock: HandClock) -> None:
    expiries.note("former name", CERTIFICATE, clock.now() + DAY)
    known = expiries.known({"acme": CERTIFICATE, "twin": CERTIFICATE})
    assert [expiry.credential for expiry in known] == ["acme", "twin"]


def test_of_another_certificate_in_the_same_section_nothing_is_known(
    expiries: Expiries, clock: HandClock
) -> None:
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    assert expiries.known({"acme": CERTIFICATE.model_copy(update={"certificate": OTHER})}) == []


def test_each_warning_comes_once_whoever_looks(tmp_path: Path, clock: HandClock, logs: list[Log]) -> None:
    Expiries(tmp_path, clock).note("acme", CERTIFICATE, clock.now() + 31 * DAY)
    warned = []
    for day in range(33):
        for _ in range(3):  # three polls a day, each a process of its own
            before = warnings(logs)
            Expiries(tmp_path, clock).warn(CREDENTIALS)
            warned += [day] * (warnings(logs) - before)
        clock.seconds += DAY.total_seconds()
    assert warned == [1, 17, 24, 31]


def test_at_a_start_it_is_warned_of_again(expiries: Expiries, clock: HandClock, logs: list[Log]) -> None:
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    expiries.warn(CREDENTIALS, again=True)
    expiries.warn(CREDENTIALS, again=True)
    assert warnings(logs) == 2


def test_a_renewed_certificate_begins_anew(expiries: Expiries, clock: HandClock, logs: list[Log]) -> None:
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    expiries.warn(CREDENTIALS)
    expiries.note("acme", CERTIFICATE, clock.now() + 29 * DAY)
    expiries.warn(CREDENTIALS)
    assert warnings(logs) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"acme": 1}',
        b'{"acme": {"ends": "never"}}',
        b'{"file:/acme.pem": {"ends": "0001-01-01T00:00:00+23:59", "proof": "certificate", "warned": null}}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_damaged_file_is_as_none_and_is_written_anew(
    expiries: Expiries, clock: HandClock, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "expiries.json").write_bytes(content)
    (tmp_path / "expiries.json").chmod(0o600)
    assert expiries.known(CREDENTIALS) == []
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    assert len(expiries.known(CREDENTIALS)) == 1


def test_root_who_signs_in_for_a_service_forgets_no_other_end(tmp_path: Path, clock: HandClock) -> None:
    need_root()
    os.chown(tmp_path, NOBODY, NOGROUP)
    for name in ("acme", "other"):
        Expiries(tmp_path, clock).note(name, PERSON, clock.now() + DAY)
    known = Expiries(tmp_path, clock).known({"acme": PERSON, "other": PERSON})
    assert [expiry.credential for expiry in known] == ["acme", "other"]


def test_nobody_waits_long_for_a_process_that_is_stopped(
    expiries: Expiries, clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    with locked(tmp_path / "expiries.lock"):
        expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    assert expiries.known(CREDENTIALS) == []
    expiries.note("acme", CERTIFICATE, clock.now() + DAY)
    assert len(expiries.known(CREDENTIALS)) == 1


def test_a_file_that_cannot_be_written_is_told_and_fails_nothing(
    tmp_path: Path, clock: HandClock, logs: list[Log]
) -> None:
    Expiries(tmp_path / "gone", clock).note("acme", CERTIFICATE, datetime.now(UTC))
    assert [line["event"] for line in logs] == ["expiries not noted"]
