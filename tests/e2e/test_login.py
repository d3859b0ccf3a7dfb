"""`mailsluice login`, and mail that comes in the name of a person."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from e2e.signing import Login, delegated, sign_in
from mailsluice.auth.signing.sign_ins import SignIns
from mailsluice_sandbox import Sandbox, mail
from sandbox.raw_client import HandClock
from support.program import Daemon, run_program
from support.secrecy import leaks_below

ANN, BOB = "ann@acme.example", "bob@acme.example"
AT_EACH_POLL = timedelta(seconds=100)
"""A token that lives so long is never kept: it ends before a session could be sure of it."""


def account(site: Site) -> str | None:
    found = SignIns(site.folder / "state").get("entra")
    return found.account if found else None


@pytest.mark.parametrize("flow", ["device-code", "browser"])
def test_a_person_signs_in_and_the_first_message_is_stored(site: Site, sandbox: Sandbox, flow: str) -> None:
    """Of their own mailbox, and of one that is shared with them: XOAUTH2 names the mailbox, not the person."""
    sandbox.mailbox(ANN).deliver(mail.note(1))
    team = sandbox.mailbox("team@acme.example")
    team.deliver(mail.note(2))
    team.shared_with.add(ANN)
    sandbox.mailbox(BOB).deliver(mail.note(3))
    delegated(site, "ann", "team", flow=flow)
    before = run_program("-c", site.config, "poll")
    assert (before.code, "nobody has signed in yet" in before.stderr) == (78, True)
    with Login(site) as login:
        if flow == "browser":
            assert login.browse(ANN) == 200
        else:
            login.approve(ANN)
        assert login.ended() == 0
        assert f"{ANN} is signed in for credentials.entra" in login.printed
    assert run_program("-c", site.config, "poll").code == 0
    assert site.stored("ann") == [mail.note(1)]
    assert site.stored("team") == [mail.note(2)]
    assert leaks_below(site.folder) == []


def test_a_person_gets_no_mail_of_a_mailbox_that_is_not_shared(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox(BOB).deliver(mail.note(3))
    delegated(site, "bob")
    sign_in(site, ANN)
    ended = run_program("-c", site.config, "poll", "--json")
    assert "authenticated but not connected" in json.loads(ended.stdout)[0]["detail"]
    assert site.stored("bob") == []


def test_a_login_that_is_interrupted_saves_nothing_and_leaves_what_there_was(site: Site) -> None:
    delegated(site, "ann")
    with Login(site) as login:
        login.asked()
        login.interrupt()
        assert login.ended() == 130
        assert "Traceback" not in login.printed
    assert account(site) is None
    sign_in(site, ANN)
    with Login(site) as login:
        login.asked()
        login.interrupt()
        assert login.ended() == 130
    assert account(site) == ANN


def test_a_code_that_expires_is_told_and_saves_nothing(site: Site, sandbox: Sandbox) -> None:
    sandbox.sign_ins.life = timedelta(seconds=1)
    delegated(site, "ann")
    with Login(site) as login:
        assert login.ended() == 77
        assert "expired" in login.printed
        assert "login entra`" in login.printed
    assert account(site) is None


def test_two_people_follow_the_manual_at_once_and_one_of_them_is_signed_in(
    site: Site, sandbox: Sandbox
) -> None:
    team = sandbox.mailbox("team@acme.example")
    team.shared_with |= {ANN, BOB}
    team.deliver(mail.note(1))
    delegated(site, "team")
    with Login(site) as first:
        first.asked()
        with Login(site) as second:
            second.approve(BOB)
            first.approve(ANN)
            assert (first.ended(), second.ended()) == (0, 0)
            told = [
                login.printed.partition(" is signed in")[0].rpartition("\n")[2] for login in (first, second)
            ]
    assert told == [ANN, BOB]
    assert account(site) in told
    assert run_program("-c", site.config, "poll").code == 0
    assert site.stored("team") == [mail.note(1)]


def test_processes_that_ask_at_once_do_not_use_a_refresh_token_twice(site: Site, sandbox: Sandbox) -> None:
    """The provider would revoke the sign-in. Each of them polls a mailbox of its own."""
    sandbox.sign_ins.strict = True
    sandbox.entra.lifetime = AT_EACH_POLL
    names = ("one", "two", "three")
    for name in names:
        sandbox.mailbox(f"{name}@acme.example").shared_with.add(ANN)
    delegated(site, *names)
    sign_in(site, ANN)
    for number in range(3):
        for name in names:
            sandbox.mailbox(f"{name}@acme.example").deliver(mail.note(number))
        with ThreadPoolExecutor(3) as pool:
            polls = [pool.submit(run_program, "-c", site.config, "poll", name) for name in names]
        assert [poll.result().code for poll in polls] == [0, 0, 0]
    assert [len(site.stored(name)) for name in names] == [3, 3, 3]
    assert sandbox.sign_ins.revoked == 0


def test_a_person_signs_in_again_while_the_daemon_polls(site: Site, sandbox: Sandbox) -> None:
    sandbox.sign_ins.strict = True
    sandbox.entra.lifetime = AT_EACH_POLL
    box = sandbox.mailbox("team@acme.example")
    box.shared_with |= {ANN, BOB}
    delegated(site, "team")
    sign_in(site, ANN)
    with Daemon(site.config, log=site.log) as daemon:
        for number, person in enumerate((BOB, ANN, BOB)):
            sign_in(site, person)
            box.deliver(mail.note(number))
            wait_until(lambda: not box.remaining(), "stored and deleted")
        assert daemon.stop() == 0
    assert account(site) == BOB
    assert len(site.stored("team")) == 3
    assert "token-refused" not in site.log.read_text()
    assert sandbox.sign_ins.revoked == 0


def test_a_daemon_without_a_sign_in_goes_on_by_itself_when_a_person_signs_in(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox(ANN)
    box.deliver(mail.note(1))
    delegated(site, "ann")
    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: "nobody has signed in yet" in site.log.read_text(), "the first poll")
        sign_in(site, ANN)
        wait_until(lambda: site.stored("ann") == [mail.note(1)], "stored")
        assert daemon.stop() == 0


def test_a_machine_that_was_off_for_ninety_one_days_says_what_to_do(tmp_path: Path) -> None:
    clock = HandClock()
    with Sandbox(clock=clock) as sandbox:
        box = sandbox.mailbox(ANN)
        site = Site(tmp_path, sandbox)
        delegated(site, "ann")
        sign_in(site, ANN)
        clock.advance(timedelta(days=91))
        box.deliver(mail.note(1))
        ended = run_program("-c", site.config, "poll", "--json")
        assert ended.code == 77
        (report,) = json.loads(ended.stdout)
        assert report["outcome"] == "token-refused"
        assert "AADSTS700082" in report["detail"]
        assert "the person's sign-in has ended" in report["detail"]
        assert " login entra`" in report["detail"]
        sign_in(site, ANN)
        assert run_program("-c", site.config, "poll").code == 0
        assert site.stored("ann") == [mail.note(1)]


def test_who_signs_in_later_is_the_one_whose_mail_comes_next(site: Site, sandbox: Sandbox) -> None:
    """The token of the one before lives for an hour, and would be refused for the other's mailbox."""
    sandbox.mailbox(BOB).deliver(mail.note(3))
    delegated(site, "bob")
    sign_in(site, ANN)
    assert run_program("-c", site.config, "poll").code == 77
    sign_in(site, BOB)
    assert run_program("-c", site.config, "poll").code == 0
    assert site.stored("bob") == [mail.note(3)]


def test_status_shows_when_a_sign_in_ends_if_it_is_not_used(site: Site, sandbox: Sandbox) -> None:
    delegated(site, "ann")
    sign_in(site, ANN)
    (known,) = json.loads(run_program("-c", site.config, "status", "--json").stdout)["credentials"]
    assert (known["credential"], known["proof"], known["warning"]) == ("entra", "sign-in", "")
