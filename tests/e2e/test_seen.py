"""Renumbered and poisoned mailboxes, from the command line."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Fault, Refuse, Relist, mail
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE
from support.ageing import age_failures
from support.program import run_program

pytestmark = pytest.mark.slow

SIX = [mail.sample(number) for number in range(6)]


@pytest.fixture
def renumbered(site: Site) -> Site:
    """A mailbox of six messages, polled once; from the second session on, its UIDLs are new."""
    box = site.sandbox.mailbox("invoices@acme.example")
    for message in SIX:
        box.deliver(message)
    site.configure("invoices", leave_on_server="true")
    assert run_program("-c", site.config, "poll").code == 0
    site.sandbox.faults.add(Fault("LISTING", Relist.RENUMBERED, times=100))
    return site


def test_a_renumbered_mailbox_goes_on_by_itself(renumbered: Site) -> None:
    assert run_program("-c", renumbered.config, "poll").code == 0
    assert renumbered.stored("invoices") == SIX


@pytest.mark.parametrize(("way", "copies"), [("--adopt", 1), ("--fetch", 2)])
def test_it_can_be_settled_by_hand(renumbered: Site, way: str, copies: int) -> None:
    settled = run_program("-c", renumbered.config, "seen", "invoices", way, "--json")
    assert settled.code == 0
    assert json.loads(settled.stdout)["adopted"] == (6 if way == "--adopt" else 0)

    assert run_program("-c", renumbered.config, "poll").code == 0
    assert sorted(renumbered.stored("invoices")) == sorted(SIX * copies)


def test_marked_mail_stays_where_it_is(site: Site) -> None:
    box = site.sandbox.mailbox("invoices@acme.example")
    uidls = [box.deliver(message) for message in SIX]
    site.configure("invoices")

    assert "6 messages are marked as seen" in run_program("-c", site.config, "seen", "invoices").stdout
    assert run_program("-c", site.config, "poll").code == 0
    assert site.stored("invoices") == []
    assert list(box.remaining()) == uidls


def test_a_poisoned_message_is_listed_shown_and_tried_again(site: Site) -> None:
    box = site.sandbox.mailbox("invoices@acme.example")
    for message in SIX:
        box.deliver(message)
    poison = box.remaining()[2]
    site.configure("invoices")
    site.sandbox.faults.add(Fault("RETR", Refuse("it is broken"), uidl=poison, times=3))
    assert [run_program("-c", site.config, "poll").code for _ in range(2)] == [75, 75]
    age_failures(site.folder / "state", timedelta(days=1))
    assert [run_program("-c", site.config, "poll").code for _ in range(2)] == [75, 0]
    assert box.remaining() == (poison,)

    (row,) = json.loads(run_program("-c", site.config, "quarantine", "list", "--json").stdout)
    assert "it is broken" in row["error"]
    header = SIX[2].partition(b"\r\n\r\n")[0].splitlines()[0].decode()
    assert header in run_program("-c", site.config, "quarantine", "show", "invoices", row["uidl"]).stdout
    assert "1 held (quarantined)" in run_program("-c", site.config, "status").stdout

    assert run_program("-c", site.config, "quarantine", "retry", "invoices", row["uidl"]).code == 0
    assert run_program("-c", site.config, "poll").code == 0
    assert box.remaining() == ()
    assert sorted(site.stored("invoices")) == sorted(SIX)


def test_one_way_on_is_chosen_not_two(renumbered: Site) -> None:
    assert run_program("-c", renumbered.config, "seen", "invoices", "--adopt", "--fetch").code == 64


def test_a_refused_login_says_what_to_check(site: Site) -> None:
    site.sandbox.mailbox("invoices@acme.example")
    site.configure("invoices")
    site.sandbox.faults.add(Fault("LOGIN", AUTHENTICATION_FAILURE))

    refused = run_program("-c", site.config, "seen", "invoices")
    assert refused.code == 77
    assert "POP is off for the mailbox" in refused.stderr
