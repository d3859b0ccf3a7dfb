"""Local time, as the C library has it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailsluice.system import zone as module
from mailsluice.system.zone import ZoneError, local_zone

ZONES = Path("/usr/share/zoneinfo")
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
HOURS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number) for number in range(0, 366 * 24, 7)]
FAR = [datetime(2045, month, 15, tzinfo=UTC) for month in range(1, 13)]


@pytest.fixture
def set_tz(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Set TZ for us and the C library; None takes it away."""

    def set_tz(value: str | None) -> None:
        if value is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", value)
        time.tzset()

    yield set_tz
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def localtime(set_tz: Callable[[str | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of /etc/localtime; it is not there yet."""
    set_tz(None)
    path = tmp_path / "localtime"
    monkeypatch.setattr(module, "LOCALTIME", path)
    return path


@pytest.mark.parametrize(
    "value",
    [
        "Europe/Berlin",
        ":Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Etc/GMT+5",
        str(ZONES / "Asia/Kolkata"),
        BERLIN,
        "EST5EDT",
        "AAA5BBB4,M3.2.0,M11.1.0",
        "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
        "<+0530>-5:30",
        "CET-1CEST,J60,J300/2",
        "UTC0",
        "",
        None,
    ],
)
def test_it_is_what_the_c_library_takes_it_for(
    set_tz: Callable[[str | None], None], value: str | None
) -> None:
    set_tz(value)
    zone = local_zone()
    for moment in HOURS + FAR:
        ours = moment.astimezone(zone.tzinfo)
        theirs = time.localtime(moment.timestamp())
        assert (ours.utcoffset(), ours.hour) == (timedelta(seconds=theirs.tm_gmtoff), theirs.tm_hour)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin, by TZ"),
        (":Europe/Berlin", "Europe/Berlin, by TZ"),
        (BERLIN, f"{BERLIN}, by TZ"),
        ("", "UTC, because TZ is empty"),
    ],
)
def test_it_has_a_name_and_who_gave_it(set_tz: Callable[[str | None], None], value: str, name: str) -> None:
    set_tz(value)
    assert local_zone().name == name


def test_a_link_says_its_name(localtime: Path) -> None:
    localtime.symlink_to(ZONES / "Europe/Berlin")
    assert local_zone().name == f"Europe/Berlin, by {localtime}"


def test_a_mounted_file_has_its_own_rules_whatever_else_is_said_of_the_machine(localtime: Path) -> None:
    localtime.write_bytes((ZONES / "Asia/Kolkata").read_bytes())
    zone = local_zone()
    assert zone.name == str(localtime)
    assert HOURS[0].astimezone(zone.tzinfo).utcoffset() == timedelta(hours=5, minutes=30)


def test_a_machine_that_says_nothing_lives_in_utc(localtime: Path) -> None:
    zone = local_zone()
    assert zone.name == f"UTC, because there is no {localtime}"
    assert HOURS[0].astimezone(zone.tzinfo).utcoffset() == timedelta()


def test_zones_are_looked_for_where_tzdir_says(
    set_tz: Callable[[str | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Here").write_bytes((ZONES / "Asia/Kolkata").read_bytes())
    monkeypatch.setenv("TZDIR", str(tmp_path))
    set_tz("Here")
    assert HOURS[0].astimezone(local_zone().tzinfo).utcoffset() == timedelta(hours=5, minutes=30)


def test_a_zone_read_again_is_the_same_and_another_one_is_not(localtime: Path) -> None:
    localtime.write_bytes((ZONES / "Asia/Kolkata").read_bytes())
    first = local_zone()
    assert local_zone() == first
    localtime.write_bytes((ZONES / "Europe/Berlin").read_bytes())
    assert local_zone() != first


@pytest.mark.parametrize(
    "value",
    [
        "Europe/Berlln",
        "Berlin",
        "Europe",
        "CET-1xx",
        "AAA5BBB",
        "CET-1CEST,M3.5.0",
        "AAA-99",
        "../x",
        "a" * 5000,
    ],
)
def test_a_tz_that_cannot_be_read_is_an_error_although_the_c_library_takes_it_for_utc(
    set_tz: Callable[[str | None], None], value: str
) -> None:
    set_tz(value)
    with pytest.raises(ZoneError, match=r"^TZ: ") as caught:
        local_zone()
    assert "Europe/Berlin" in str(caught.value)


def test_a_link_that_leads_nowhere_is_an_error(localtime: Path) -> None:
    localtime.symlink_to("/usr/share/zoneinfo/Not/Installed")
    with pytest.raises(ZoneError, match=f"{localtime} cannot be read: No such file") as caught:
        local_zone()
    assert "ln -sfn /usr/share/zoneinfo/Europe/Berlin" in str(caught.value)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_what_is_no_file_is_an_error(localtime: Path, make: Callable[[Path], None]) -> None:
    make(localtime)
    with pytest.raises(ZoneError, match="is not the file of a time zone"):
        local_zone()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("where", ["within its last line", "before its last line"])
def test_a_file_that_is_cut_short_is_an_error(localtime: Path, where: str) -> None:
    whole = (ZONES / "Europe/Berlin").read_bytes()
    localtime.write_bytes(
        whole[:-1] if where == "within its last line" else whole[: whole.rindex(b"\n", 0, -1)]
    )
    with pytest.raises(ZoneError, match="is not the file of a time zone"):
        local_zone()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(cut=st.integers(0, 3000), octet=st.integers(0, 255), place=st.integers(0, 3000))
def test_a_broken_file_is_an_error_or_another_zone_and_nothing_else(
    localtime: Path, cut: int, octet: int, place: int
) -> None:
    octets = bytearray((ZONES / "Europe/Berlin").read_bytes())
    octets[place % len(octets)] = octet
    localtime.write_bytes(octets[: len(octets) - cut % len(octets)])
    with suppress(ZoneError):
        assert local_zone().tzinfo is not None
