from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mailsluice.sink.names import is_of, maildir_base, maildir_base_of, maildir_name, spool_name

AT = datetime(2026, 3, 1, 12, 30, 45, 42, tzinfo=UTC)
MOMENTS = st.integers(min_value=0, max_value=2**57).map(
    lambda micros: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


def test_a_spool_name_is_the_contract_s() -> None:
    name = spool_name(AT, "invoices", "0badcafe", "ledger")
    assert re.fullmatch(r"20260301T123045Z-invoices-0000420badcafe[0-9a-f]{8}", name)


def test_a_ledger_knows_the_names_that_it_gave() -> None:
    name = spool_name(AT, "invoices", "0badcafe", "ledger")
    assert is_of("ledger", name)
    assert not is_of("another", name)
    assert not is_of("ledger", name.replace("0badcafe", "1badcafe"))


@given(st.text(max_size=60))
def test_no_name_of_another_program_passes_for_a_ledger_s(name: str) -> None:
    assert not is_of("ledger", name)


def test_a_spool_name_is_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5)))
    assert spool_name(there, "x", "0", "l") == spool_name(AT, "x", "0", "l")


@given(MOMENTS, MOMENTS)
def test_spool_names_of_a_mailbox_sort_by_time(one: datetime, other: datetime) -> None:
    assert (one <= other) == (spool_name(one, "x", "0" * 8, "l") <= spool_name(other, "x", "0" * 8, "l"))


@given(MOMENTS, st.text(max_size=400))
def test_a_spool_name_is_safe_in_any_shell_and_on_any_file_system(at: datetime, mailbox: str) -> None:
    name = spool_name(at, mailbox, "0badcafe", "ledger")
    assert re.fullmatch(r"\d{8}T\d{6}Z-[A-Za-z0-9._-]*-\d{6}0badcafe[0-9a-f]{8}", name)
    assert len(name) + len(".json") < 255


def test_a_maildir_name_is_the_specification_s() -> None:
    base = maildir_base(AT, host="mx.example", pid=7, token="0badcafe")
    assert base == "1772368245.M000042P7R0badcafe.mx.example"
    assert maildir_name(base, size=10, virtual_size=12) == base + ",S=10,W=12"


def test_a_host_s_slash_and_colon_are_octal_escapes() -> None:
    assert maildir_base(AT, host="a/b:c,d", pid=7, token="0").endswith(r".a\057b\072c\054d")


def test_a_host_without_a_name_is_localhost() -> None:
    assert maildir_base(AT, host="", pid=7, token="0").endswith(".localhost")


@given(MOMENTS, st.text(max_size=400), st.integers(min_value=0), st.integers(min_value=0))
def test_the_staging_name_can_be_told_from_the_maildir_name(
    at: datetime, host: str, size: int, virtual_size: int
) -> None:
    base = maildir_base(at, host=host, pid=7, token="0badcafe")
    assert maildir_base_of(maildir_name(base, size=size, virtual_size=virtual_size)) == base
    assert re.fullmatch(r"[A-Za-z0-9._\\-]+", base)
    assert len(base) < 200
