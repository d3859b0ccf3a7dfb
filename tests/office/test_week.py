"""A week in an office of fifty mailboxes: every delivery is stored once, and nothing is held at its end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from office.world import Desk, Office, hanging, untrusted
from support.extent import FULL

DAYS = 7
WORK = range(8, 18)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900 if FULL else 300)]


def mail_in_office_hours(office: Office, desks: list[Desk], most: int = 2, **how: str) -> None:
    for day in range(5):
        for hour in WORK:
            for desk in desks:
                for _ in range(office.chance.randint(0, most)):
                    minute = office.chance.random()
                    office.at(day=day, hour=hour + minute, do=partial(office.write, desk, **how))


def clerks(office: Office) -> None:
    """They file half of the mail away in the evening, and fetch some of it back the next morning."""
    desks = office.hire("clerk", 10)
    mail_in_office_hours(office, desks)
    for desk in desks:
        office.configure(
            f'"{desk.name}@acme.example"\n', f'"{desk.name}@acme.example"\nleave_on_server = true\n'
        )
        for day in range(5):
            office.at(day=day, hour=18, do=partial(desk.file_away, 2))
            office.at(day=day + 1, hour=7.5, do=partial(desk.move_back, 3))


def pipelines(office: Office) -> None:
    """Documents that are deleted once they are stored; a consumer takes them at night."""
    desks = office.hire("pipeline", 8)
    mail_in_office_hours(office, desks, 4)
    for day in range(DAYS):
        office.at(day=day, hour=2, do=partial(office.take_all, desks))


def archives(office: Office) -> None:
    """Mail that is deleted three days after it was stored."""
    desks = office.hire("archive", 4)
    mail_in_office_hours(office, desks)
    for desk in desks:
        office.configure(
            f'"{desk.name}@acme.example"\n', f'"{desk.name}@acme.example"\nleave_on_server = "3d"\n'
        )


def scanners(office: Office) -> None:
    """A device with one Message-ID for ever, and no date."""
    mail_in_office_hours(
        office, office.hire("scanner", 6), 3, fields="Message-ID: <scan@device>\r\n", body="scan"
    )


def repeating(office: Office) -> None:
    """A sender who sends the same text again and again; what he sends is kept, and tidied now and then."""
    desks = office.hire("repeating", 4)
    mail_in_office_hours(
        office,
        desks,
        2,
        fields="Message-ID: <daily@x>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0000\r\n",
        body="report",
    )
    for desk in desks:
        office.configure(
            f'"{desk.name}@acme.example"\n', f'"{desk.name}@acme.example"\nleave_on_server = true\n'
        )
        office.at(day=2, hour=18, do=partial(desk.file_away, 3))
        office.at(day=3, hour=8, do=partial(desk.move_back, 10))


def quotas(office: Office) -> None:
    """A server that hands out 15 messages a session, and 120 messages each morning."""
    for desk in office.hire("quota", 3):
        desk.limit(15)
        for day in range(5):
            for _ in range(120):
                office.at(day=day, hour=6, do=partial(office.write, desk))


def moved(office: Office) -> None:
    """On Wednesday night the mailboxes are moved: new UIDLs and sizes; one gets a new host."""
    desks = office.hire("moved", 3)
    mail_in_office_hours(office, desks)
    for desk in desks:
        office.configure(
            f'"{desk.name}@acme.example"\n', f'"{desk.name}@acme.example"\nleave_on_server = true\n'
        )
        office.at(day=1, hour=18, do=partial(desk.file_away, 3))
        office.at(day=2, hour=23.9, do=desk.renumber)
    name = desks[0].name
    section = f'address = "{name}@acme.example"\nleave_on_server = true\ncredential = "moved"\nhost = '
    office.at(
        day=2, hour=23.95, do=partial(office.configure, f'{section}"localhost"', f'{section}"elsewhere"')
    )


def hanging_tenant(office: Office) -> None:
    """A tenant whose logins hang on Tuesday from nine to twelve."""
    desks = office.hire("hanging", 5)
    mail_in_office_hours(office, desks)
    for desk in desks:
        office.at(day=1, hour=9, do=partial(setattr, desk, "trouble", hanging()))
        office.at(day=1, hour=12, do=partial(setattr, desk, "trouble", None))


def renewed(office: Office) -> None:
    """A server whose certificate runs out on Thursday at noon, and is renewed an hour later."""
    desks = office.hire("renewed", 3)
    mail_in_office_hours(office, desks)
    for desk in desks:
        office.at(day=3, hour=12, do=partial(setattr, desk, "trouble", untrusted()))
        office.at(day=3, hour=13, do=partial(setattr, desk, "trouble", None))


def stubborn(office: Office) -> None:
    """From Monday to Thursday one message is refused, and one ends the session when it is to be deleted."""
    desks = office.hire("stubborn", 2)
    mail_in_office_hours(office, desks, 3)
    for desk in desks:
        office.at(day=0, hour=9, do=partial(write_twice, office, desk))
        office.at(day=0, hour=9, do=partial(spoil, desk))
        office.at(day=3, hour=12, do=partial(heal, desk))


def write_twice(office: Office, desk: Desk) -> None:
    for _ in range(2):
        office.write(desk)


def spoil(desk: Desk) -> None:
    *_, refused, undeletable = desk.server.mail
    desk.server.refused, desk.server.deletion_cut = {refused}, {undeletable}


def heal(desk: Desk) -> None:
    desk.server.refused, desk.server.deletion_cut = set(), set()


def shared_uidls(office: Office) -> None:
    """A server that has each second message under the UIDL of the one before."""
    for desk in office.hire("namesake", 1):
        mail_in_office_hours(office, [desk])
        desk.server.listed_twice = {b"u%d" % number for number in range(1, 1000, 2)}


def turned(office: Office) -> None:
    """A mailbox that kept its mail is turned to deletion on Friday."""
    (desk,) = office.hire("turned", 1)
    mail_in_office_hours(office, [desk])
    address = f'"{desk.name}@acme.example"\n'
    office.configure(address, f"{address}leave_on_server = true\n")
    office.at(day=3, hour=23, do=partial(office.configure, f"{address}leave_on_server = true\n", address))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(tmp_path)
    for arrive in (
        *(clerks, pipelines, archives, scanners, repeating, quotas),
        *(moved, hanging_tenant, renewed, stubborn, shared_uidls, turned),
    ):
        arrive(office)
    assert len(office.desks) == 50
    return office


MET = {
    "quota": "messages-refused",
    "hanging": "deadline-exceeded",
    "renewed": "server-untrusted",
    "stubborn": "connection-lost",
}
"""Outcomes that the week's troubles are known by: it would prove little without them."""


def test_every_delivery_of_a_week_is_stored_once_and_nothing_is_held_at_its_end(office: Office) -> None:
    with capture_logs():  # tens of thousands of lines
        office.live(DAYS)

    print(
        f"{'kind':10} {'boxes':>5} {'sent':>5} {'once':>5} {'twice':>5} {'never':>5} {'held':>5} {'polls':>6}"
    )
    faults = 0
    for kind in dict.fromkeys(desk.kind for desk in office.desks.values()):
        desks = [desk for desk in office.desks.values() if desk.kind == kind]
        sent = sum(len(desk.sent) for desk in desks)
        once, twice, never = (sum(counts) for counts in zip(*map(office.counts, desks), strict=True))
        held = sum(office.held(desk) for desk in desks)
        faults += twice + never + held
        bad = ", ".join(f"{count} {word}" for word, count in office.failed[kind].items())
        print(
            f"{kind:10} {len(desks):5} {sent:5} {once:5} {twice:5} {never:5} {held:5} {office.polls[kind]:6}  {bad}"
        )
        assert MET.get(kind, "") in bad
    assert not faults
