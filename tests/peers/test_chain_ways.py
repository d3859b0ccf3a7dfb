"""The whole chain (see test_chain.py) by certificate, and as a person: by device code and by browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from peers import browser
from peers.account import Account
from peers.dovecot import Dovecot, PeerMailbox
from peers.oidc import CERTIFICATE_CLIENT, PUBLIC_CLIENT, TENANT, Oidc
from peers.test_chain import FIRST, SECOND, poll_later
from support.program import PATIENCE, PROGRAM, Ended, surroundings

CODE = re.compile(r"enter the code (\S+)")
ADDRESS = re.compile(r"(https://\S+)")


@pytest.fixture
def account(exchange: Dovecot, box: PeerMailbox, tmp_path: Path) -> Account:
    box.deliver(FIRST)
    return Account(exchange, box, tmp_path)


def section(oidc: Oidc, client: str, *keys: str) -> str:
    """As docs/sign-in.md has it, but for the authority and its certificates."""
    common = ('kind = "entra"', f'tenant_id = "{TENANT}"', f'client_id = "{client}"')
    return "\n".join((*common, *keys, f'authority = "{oidc.authority}"', f'ca_file = "{oidc.ca_file}"'))


# --- by certificate ------------------------------------------------------------------------------------------


def by_certificate(oidc: Oidc, account: Account, certificate: str) -> None:
    account.configure(credential=section(oidc, CERTIFICATE_CLIENT, 'certificate = "keyring:app-cert"'))
    assert account.run("secret", "set", "app-cert", stdin=certificate + oidc.key_pem).code == 0


def test_a_certificate_brings_the_first_message_into_the_spool(oidc: Oidc, account: Account) -> None:
    by_certificate(oidc, account, oidc.certificate_pem)
    assert account.poll().report["detail"] == ""
    assert account.stored() == [FIRST]
    assert [(asked.client, asked.status) for asked in oidc.requests()] == [(CERTIFICATE_CLIENT, 200)]


def test_each_request_by_certificate_has_a_proof_of_its_own(oidc: Oidc, account: Account) -> None:
    """The provider takes a proof once."""
    by_certificate(oidc, account, oidc.certificate_pem)
    assert account.poll().code == 0
    assert poll_later(account, minutes=50).code == 0
    assert oidc.statuses() == [200, 200]


def test_a_certificate_that_is_not_registered_is_refused_in_the_providers_words(
    oidc: Oidc, account: Account
) -> None:
    by_certificate(oidc, account, oidc.other_certificate_pem)
    poll = account.poll()
    assert (poll.code, poll.report["outcome"]) == (77, "token-refused")
    assert "invalid_client: client authentication failed" in str(poll.report["detail"])
    assert account.peer.remaining() == [FIRST]


# --- as a person ---------------------------------------------------------------------------------------------


def login(account: Account, shown: re.Pattern[str], act: Callable[[str], object]) -> Ended:
    """`mailsluice login`, and a person who acts as soon as they are shown what to use."""
    process = subprocess.Popen(
        [PROGRAM, "-c", account.config, "login", "way-in"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=surroundings(),
    )
    assert process.stdout is not None
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if found := shown.search(line):
                act(found[1])
                break
        printed += process.communicate(timeout=PATIENCE)[0]
    finally:
        process.kill()  # if it has not ended by itself
        process.wait()
        process.stdout.close()
        print(printed)
    return Ended(process.returncode, printed, "")


def by_device_code(oidc: Oidc, account: Account, user: str | None) -> Ended:
    account.configure(credential=section(oidc, PUBLIC_CLIENT, 'flow = "device-code"'))
    return login(account, CODE, lambda code: oidc.type_code(code, user))


def by_browser(oidc: Oidc, account: Account, user: str | None) -> Ended:
    oidc.sit_at_the_browser(user)
    account.configure(credential=section(oidc, PUBLIC_CLIENT, 'flow = "browser"'))
    return login(account, ADDRESS, lambda address: browser.sign_in(oidc, address))


@pytest.mark.parametrize("sign_in", [by_device_code, by_browser])
def test_a_person_signs_in_and_their_first_message_is_stored(
    oidc: Oidc, account: Account, sign_in: Callable[[Oidc, Account, str | None], Ended]
) -> None:
    ended = sign_in(oidc, account, account.peer.address)
    assert ended.code == 0
    assert account.peer.address in ended.stdout
    assert account.poll().report["detail"] == ""
    assert account.stored() == [FIRST]


@pytest.mark.parametrize("sign_in", [by_device_code, by_browser])
def test_a_person_who_says_no_is_not_signed_in(
    oidc: Oidc, account: Account, sign_in: Callable[[Oidc, Account, str | None], Ended]
) -> None:
    ended = sign_in(oidc, account, None)
    assert ended.code == 77
    assert "access_denied" in ended.stdout
    poll = account.poll()
    assert poll.code == 78
    assert "login way-in" in str(poll.report["detail"])


def test_a_sign_in_lives_through_many_rotations(oidc: Oidc, account: Account) -> None:
    """The provider ends a sign-in whose refresh token is used again, or was not saved."""
    assert by_device_code(oidc, account, account.peer.address).code == 0
    for hour in range(4):
        account.peer.deliver(SECOND)
        assert poll_later(account, minutes=hour * 60).code == 0
    assert account.stored() == [FIRST] + [SECOND] * 4
    assert [asked.grant for asked in oidc.requests() if asked.status == 200][-3:] == ["refresh_token"] * 3


def test_two_processes_at_once_do_not_use_a_refresh_token_twice(oidc: Oidc, account: Account) -> None:
    assert by_device_code(oidc, account, account.peer.address).code == 0
    polls = [
        subprocess.Popen(
            [PROGRAM, "-c", account.config, "poll"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=surroundings(),
        )
        for _ in range(2)
    ]
    for poll in polls:
        poll.wait(PATIENCE)
    assert poll_later(account, minutes=50).code == 0
    assert 400 not in [asked.status for asked in oidc.requests() if asked.grant == "refresh_token"]


def test_a_state_directory_that_was_put_back_has_lost_the_sign_in_and_says_so(
    oidc: Oidc, account: Account
) -> None:
    """As after the restore of a backup: its refresh token was used meanwhile."""
    assert by_device_code(oidc, account, account.peer.address).code == 0
    state, copy = account.folder / "state", account.folder / "copy"
    shutil.copytree(state, copy)
    assert poll_later(account, minutes=60).code == 0
    assert poll_later(account, minutes=120).code == 0
    shutil.rmtree(state)
    copy.rename(state)
    poll = poll_later(account, minutes=180)
    assert (poll.code, poll.report["outcome"]) == (77, "token-refused")
    assert "invalid_grant" in str(poll.report["detail"])
    assert "login way-in" in str(poll.report["detail"])
