"""The whole chain with nothing of ours on the other side: somebody's identity provider, and a real Dovecot.

By client secret. The provider is stricter than Entra ID (see oidc.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from peers.account import Account, Polled, polled
from peers.dovecot import Dovecot, PeerMailbox
from peers.oidc import SECRET, SECRET_CLIENT, TENANT, Oidc
from support.program import PATIENCE, PROGRAM, Daemon, Ended, surroundings
from support.waiting import wait_until

FIRST = b"Subject: 1\r\n\r\nfirst\r\n"
SECOND = b"Subject: 2\r\n\r\nsecond\r\n"

POLL_LATER = """
import sys
from datetime import timedelta
from mailsluice.cli.main import main
from support.moved_clock import move_clock
move_clock(timedelta(minutes=int(sys.argv.pop(1))))
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def account(oidc: Oidc, exchange: Dovecot, box: PeerMailbox, tmp_path: Path) -> Account:
    box.deliver(FIRST)
    account = Account(exchange, box, tmp_path)
    account.configure(credential=by_secret(oidc), every="1s")
    assert account.run("secret", "set", "app", stdin=SECRET).code == 0
    return account


def by_secret(oidc: Oidc) -> str:
    """As docs/sign-in.md has it, but for the authority and its certificates."""
    return (
        'kind = "entra"\n'
        f'tenant_id = "{TENANT}"\n'
        f'client_id = "{SECRET_CLIENT}"\n'
        'client_secret = "keyring:app"\n'
        f'authority = "{oidc.authority}"\n'
        f'ca_file = "{oidc.ca_file}"'
    )


def poll_later(account: Account, *, minutes: int) -> Polled:
    """A poll by a process that believes it is so much later. The servers know better."""
    ended = subprocess.run(
        [sys.executable, "-c", POLL_LATER, str(minutes), "-c", account.config, "poll", "--json"],
        env=surroundings(PYTHONPATH=str(Path(__file__).parents[1])),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    print(ended.stdout, ended.stderr)
    return polled(Ended(ended.returncode, ended.stdout, ended.stderr))


def polls_at_once(account: Account, count: int) -> list[int]:
    """The exit codes of so many processes, which start together."""
    processes = [
        subprocess.Popen(
            [PROGRAM, "-c", account.config, "poll"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=surroundings(),
        )
        for _ in range(count)
    ]
    return [process.wait(PATIENCE) for process in processes]


def test_a_client_secret_brings_the_first_message_into_the_spool(oidc: Oidc, account: Account) -> None:
    poll = account.poll()
    assert poll.report["detail"] == ""
    assert poll.counts == {"listed": 1, "stored": 1, "deleted": 1, "waiting": 0}
    assert account.stored() == [FIRST]
    assert account.peer.remaining() == []
    assert oidc.statuses() == [200]


def test_a_wrong_client_secret_is_reported_in_the_providers_words(oidc: Oidc, account: Account) -> None:
    account.run("secret", "set", "app", stdin="canary-wrong")
    poll = account.poll()
    assert (poll.code, poll.report["outcome"]) == (77, "token-refused")
    detail = str(poll.report["detail"])
    assert f"{oidc.authority} refused a token to application {SECRET_CLIENT}" in detail
    assert "invalid_client: client authentication failed" in detail
    assert account.peer.remaining() == [FIRST]
    assert oidc.statuses() == [401]


def test_a_secret_that_is_set_right_is_used_at_the_next_poll(oidc: Oidc, account: Account) -> None:
    account.run("secret", "set", "app", stdin="canary-wrong")
    assert account.poll().code == 77
    account.run("secret", "set", "app", stdin=SECRET)
    assert account.poll().code == 0
    assert account.stored() == [FIRST]


def test_another_authoritys_certificate_gets_no_secret(
    oidc: Oidc, exchange: Dovecot, account: Account
) -> None:
    other = by_secret(oidc).replace(str(oidc.ca_file), str(exchange.ca_file))
    account.configure(credential=other)
    poll = account.poll()
    assert poll.code == 75
    assert "certificate was not accepted" in str(poll.report["detail"])
    assert oidc.requests() == []


def test_a_provider_that_is_down_is_named_and_asked_again(oidc: Oidc, account: Account) -> None:
    oidc.stop()
    poll = account.poll()
    assert (poll.code, poll.report["outcome"]) == (75, "token-unavailable")
    assert oidc.authority in str(poll.report["detail"])
    assert "it cannot be reached: Connection refused" in str(poll.report["detail"])
    oidc.start()
    assert account.poll().code == 0
    assert account.stored() == [FIRST]


def test_a_daemon_polls_with_its_token_while_the_provider_is_down(
    oidc: Oidc, account: Account, tmp_path: Path
) -> None:
    with Daemon(account.config, log=tmp_path / "log") as daemon:
        wait_until(lambda: account.logins() >= 3, "three polls")
        assert account.stored() == [FIRST]
        assert oidc.statuses() == [200]
        oidc.stop()
        account.peer.deliver(SECOND)
        wait_until(lambda: account.stored() == [FIRST, SECOND], "the second message is stored")
        oidc.start()
        logins = account.logins()
        wait_until(lambda: account.logins() > logins + 1, "two more polls")
        assert daemon.stop() == 0
    assert oidc.requests() == []


def test_a_daemon_waits_as_long_as_the_provider_says(oidc: Oidc, account: Account, tmp_path: Path) -> None:
    oidc.fail(429, retry_after=9)  # it would ask again after five seconds by itself
    with Daemon(account.config, log=tmp_path / "log") as daemon:
        wait_until(lambda: account.stored() == [FIRST], "the message is stored")
        assert daemon.stop() == 0
    assert oidc.statuses() == [429, 200]
    throttled, answered = oidc.requests()
    assert answered.at - throttled.at >= 9


def test_a_throttled_request_is_told_with_its_status(oidc: Oidc, account: Account) -> None:
    oidc.fail(429, retry_after=4)
    poll = account.poll()
    assert (poll.code, poll.report["outcome"]) == (75, "token-unavailable")
    assert "HTTP 429" in str(poll.report["detail"])
    assert account.peer.remaining() == [FIRST]


# --- the token that another process got -----------------------------------------------------------------------


def test_three_processes_at_once_make_one_request(oidc: Oidc, account: Account) -> None:
    codes = polls_at_once(account, 3)
    assert 0 in codes
    assert account.stored() == [FIRST]
    assert oidc.statuses() == [200]


def test_three_polls_by_cron_make_one_request(oidc: Oidc, account: Account) -> None:
    assert [account.poll().code for _ in range(3)] == [0, 0, 0]
    assert oidc.statuses() == [200]


@pytest.mark.parametrize("status", [429, 503])
def test_an_ageing_token_is_used_while_the_provider_fails(oidc: Oidc, account: Account, status: int) -> None:
    assert account.poll().code == 0
    account.peer.deliver(SECOND)
    oidc.fail(status)
    assert poll_later(account, minutes=50).code == 0  # of the 60 that it lives
    assert account.stored() == [FIRST, SECOND]
    assert oidc.statuses() == [200, status]


def test_an_ageing_token_is_used_while_the_provider_is_down(oidc: Oidc, account: Account) -> None:
    assert account.poll().code == 0
    account.peer.deliver(SECOND)
    oidc.stop()
    assert poll_later(account, minutes=50).code == 0
    assert account.stored() == [FIRST, SECOND]


def test_an_ageing_token_is_renewed_before_its_end(oidc: Oidc, account: Account) -> None:
    assert account.poll().code == 0
    assert poll_later(account, minutes=50).code == 0
    assert oidc.statuses() == [200, 200]
    # The renewed one is the one that was kept.
    assert poll_later(account, minutes=51).code == 0
    assert oidc.statuses() == [200, 200]
