"""What a poll says of a server's error: the causes that are left, by all that is known of the mailbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailsluice.config.credentials import Credential, EntraCredential, PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.errors import CommandRefused, LedgerError, Obstacle, Phase, ServerError, ServerUnreachable
from mailsluice.model import SessionReport
from mailsluice.outcome import Outcome
from mailsluice.session.explaining import explained
from mailsluice.session.run import preview
from mailsluice.session.seen import Way, settle
from session.world import ONE, World

BAD_PASSWORD = "Authentication failure: unknown user name or bad password."
NOT_CONNECTED = "Command is not valid in this state."
TENANT, CLIENT = "0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"
APP: dict[str, object] = {
    "aud": "https://outlook.office365.com",
    "roles": ["POP.AccessAsApp"],
    "tid": TENANT,
    "appid": CLIENT,
    "nbf": 1_700_000_000,
    "exp": 4_000_000_000,
}
PERSON: dict[str, object] = APP | {"roles": None, "scp": "POP.AccessAsUser.All", "upn": "ann@acme.example"}
FULL_ACCESS = "has no FullAccess"
PRINCIPAL = "New-ServicePrincipal"
DOOR = "POP is off"
ALIAS = "the address is an alias"
THROTTLED = "the server throttles"
CONSENT = "admin consent"


def credential(**keys: object) -> EntraCredential:
    return EntraCredential.model_validate({"tenant_id": TENANT, "client_id": CLIENT, **keys})


@pytest.fixture
def world(world: World) -> World:
    """A mailbox of an application, with a good token. The server does not let it in."""
    world.configured = {"acme": credential(client_secret="keyring:acme")}
    world.credentials.claims = APP
    world.server.refused_login = BAD_PASSWORD
    return world


def told(world: World) -> str:
    return world.poll().report.detail


def polled(world: World, mailbox: Mailbox, outcome: Outcome, *, ago: timedelta = timedelta(hours=1)) -> None:
    """Let this mailbox be one that is configured, whose latest session ended so."""
    world.live[mailbox.key] = mailbox
    started = world.clock.now() - ago
    report = SessionReport(mailbox.name, started, 0, 0, 0, 0, 0, 1.0, 0, outcome, "")
    world.ledger.reports.note_session(mailbox.key, report)
    world.ledger.reports.flush()


def sibling(world: World, **keys: object) -> Mailbox:
    return world.mailbox.model_copy(update={"name": "orders", "address": "orders@acme.example", **keys})


def test_without_any_history_all_that_the_token_does_not_rule_out_is_named_and_what_tells_it_apart(
    world: World,
) -> None:
    detail = told(world)
    for cause in (FULL_ACCESS, PRINCIPAL, DOOR, ALIAS, THROTTLED):
        assert cause in detail
    assert CONSENT not in detail
    assert "check invoices` says how to tell them apart" in detail
    assert detail.startswith(f"refused: {BAD_PASSWORD}; likely causes, in order: (1) ")


def test_a_token_without_the_role_is_the_cause_alone(world: World) -> None:
    world.credentials.claims = APP | {"roles": None}
    detail = told(world)
    assert "add the application permission POP.AccessAsApp" in detail
    assert CONSENT in detail
    for other in (FULL_ACCESS, PRINCIPAL, DOOR, ALIAS, THROTTLED, "tell them apart"):
        assert other not in detail


def test_a_token_with_another_role_is_the_cause_alone(world: World) -> None:
    world.credentials.claims = APP | {"roles": ["IMAP.AccessAsApp"]}
    assert "the token has IMAP.AccessAsApp, but not POP.AccessAsApp" in told(world)


def test_a_token_that_nobody_can_read_rules_nothing_out(world: World) -> None:
    world.credentials.claims = {}
    detail = told(world)
    assert CONSENT in detail
    assert FULL_ACCESS in detail


def test_if_a_sibling_gets_in_the_application_is_known_to_exchange(world: World) -> None:
    polled(world, sibling(world), Outcome.OK, ago=timedelta(minutes=1))
    detail = told(world)
    assert PRINCIPAL not in detail
    assert FULL_ACCESS in detail
    assert DOOR in detail


@pytest.mark.parametrize(
    "other",
    [
        {"credential": "else"},
        {"host": "pop.else.example"},
    ],
    ids=["another credential", "another server"],
)
def test_a_mailbox_that_shares_no_credential_or_no_server_tells_nothing(
    world: World, other: dict[str, object]
) -> None:
    polled(world, sibling(world, **other), Outcome.OK, ago=timedelta(minutes=1))
    assert PRINCIPAL in told(world)


def test_a_mailbox_is_not_its_own_sibling(world: World) -> None:
    polled(world, world.mailbox, Outcome.LOGIN_REFUSED)
    assert "probably" not in told(world)


def test_a_token_of_another_tenant_than_the_configured_one_is_the_cause_alone(world: World) -> None:
    other = "0a1b2c3d-0000-4000-8000-00000000000f"
    world.credentials.claims = APP | {"tid": other}
    assert f"the token is of another tenant than {TENANT}" in told(world)


def test_a_sibling_that_is_not_configured_any_more_tells_nothing(world: World) -> None:
    gone = sibling(world)
    polled(world, gone, Outcome.OK, ago=timedelta(minutes=1))
    del world.live[gone.key]
    assert PRINCIPAL in told(world)


def test_a_sibling_counts_by_its_latest_session(world: World) -> None:
    polled(world, sibling(world), Outcome.OK, ago=timedelta(minutes=2))
    polled(world, sibling(world), Outcome.LOGIN_REFUSED, ago=timedelta(minutes=1))
    assert PRINCIPAL in told(world)


def test_a_sibling_that_got_in_yesterday_makes_the_service_principal_less_likely(world: World) -> None:
    """Somebody may have removed it since, and this mailbox may be the first to see that."""
    polled(world, sibling(world), Outcome.OK, ago=timedelta(hours=20))
    detail = told(world)
    assert detail.index(PRINCIPAL) > detail.index(ALIAS)


def test_a_sibling_that_got_in_before_the_weekend_tells_nothing(world: World) -> None:
    polled(world, sibling(world), Outcome.OK, ago=timedelta(days=3))
    assert PRINCIPAL in told(world)


def test_if_nobody_of_the_credential_ever_got_in_what_they_share_comes_first(world: World) -> None:
    polled(world, sibling(world), Outcome.LOGIN_REFUSED)
    detail = told(world)
    assert f"probably Exchange Online does not know the application, or {PRINCIPAL}" in detail
    assert FULL_ACCESS in detail


def test_a_mailbox_that_was_let_in_an_hour_ago_is_probably_throttled(world: World) -> None:
    polled(world, world.mailbox, Outcome.OK)
    detail = told(world)
    assert f"; probably {THROTTLED}" in detail
    assert "wait until it passes" in detail
    assert "otherwise (1) " in detail
    assert detail.index(THROTTLED) < detail.index(FULL_ACCESS)


def test_a_success_that_a_wrong_clock_dated_into_the_future_is_not_taken_for_a_recent_one(
    world: World,
) -> None:
    polled(world, world.mailbox, Outcome.OK, ago=-timedelta(days=365))
    assert "probably" not in told(world)


def test_a_mailbox_that_is_not_opened_after_the_login_is_told_the_same_way(world: World) -> None:
    def refuse(_session: int, _uidls: list[bytes]) -> list[bytes]:
        raise CommandRefused("refused", phase=Phase.LISTING, reply=NOT_CONNECTED)

    world.server.refused_login = ""
    world.server.arranged = refuse
    detail = told(world)
    assert FULL_ACCESS in detail
    assert "check invoices`" in detail


def test_a_person_without_access_is_named(world: World) -> None:
    world.configured = {"acme": credential(flow="device-code")}
    world.credentials.claims = PERSON
    detail = told(world)
    assert "ann@acme.example has no FullAccess to the mailbox" in detail
    assert PRINCIPAL not in detail
    assert "POP.AccessAsApp" not in detail


def test_who_is_refused_their_own_mailbox_needs_no_full_access(world: World) -> None:
    world.configured = {"acme": credential(flow="device-code")}
    world.credentials.claims = PERSON | {"upn": world.mailbox.address}
    assert FULL_ACCESS not in told(world)


def test_a_password_server_is_told_nothing_of_exchange(world: World) -> None:
    world.configured = {"acme": PasswordCredential.model_validate({"password": "keyring:x"})}
    world.server.refused_login = "[AUTH] Authentication failed."
    assert told(world) == "refused: [AUTH] Authentication failed."


def test_a_ledger_that_cannot_be_read_hides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LedgerError("disk gone")

    monkeypatch.setattr(world.ledger.reports, "read", fail)
    polled = world.poll()
    assert polled.report.outcome == "login-refused"
    assert FULL_ACCESS in polled.report.detail


def test_a_credential_that_is_not_known_to_the_session_hides_nothing(world: World) -> None:
    world.configured = {}
    assert FULL_ACCESS in told(world)


def test_a_good_poll_and_unknown_words_read_no_report(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError

    monkeypatch.setattr(world.ledger.reports, "read", fail)
    world.server.refused_login = "words nobody knows"
    assert told(world) == "refused: words nobody knows"
    world.server.refused_login = ""
    assert world.outcome() == ("ok", 0)


def test_a_server_that_nobody_can_reach_does_not_cost_each_mailbox_the_reports_of_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise AssertionError

    monkeypatch.setattr(world.ledger.reports, "read", fail)
    error = ServerUnreachable("x", phase=Phase.CONNECT, obstacle=Obstacle.DROPPED)
    login = world.credentials.login(world.mailbox)
    with pytest.raises(ServerUnreachable), explained(login, world.mailbox, world.context):
        raise error
    assert "a firewall drops the packets" in error.remedy


def test_a_remedy_that_an_error_has_already_stays(world: World) -> None:
    error = ServerError("x", phase=Phase.AUTH, reply=BAD_PASSWORD, remedy="its own")
    login = world.credentials.login(world.mailbox)
    with pytest.raises(ServerError), explained(login, world.mailbox, world.context):
        raise error
    assert error.remedy == "its own"


def test_an_extra_session_is_refused_although_the_first_one_is_in(world: World) -> None:
    error = ServerError("x", phase=Phase.AUTH, reply=BAD_PASSWORD)
    login = world.credentials.login(world.mailbox)
    with pytest.raises(ServerError), explained(login, world.mailbox, world.context, is_in=True):
        raise error
    assert error.remedy.startswith(f"probably {THROTTLED}")


def test_a_preview_and_what_settles_doubts_say_the_same(world: World) -> None:
    with pytest.raises(ServerError) as previewed:
        preview(world.mailbox, world.context)
    with pytest.raises(ServerError) as settled:
        settle(world.mailbox, Way.MARK, world.context)
    assert previewed.value.remedy == settled.value.remedy != ""


def test_the_whole_of_it_is_in_the_ledger_and_in_the_log(world: World) -> None:
    world.configured = {"acme": credential(client_secret="keyring:acme")}
    world.credentials.claims = {}
    detail = told(world)
    assert world.report().last_error == detail
    assert [line["detail"] for line in world.logged("session")] == [detail]


def test_a_message_arrives_as_ever_once_the_cause_is_gone(world: World) -> None:
    world.deliver(ONE)
    told(world)
    world.server.refused_login = ""
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE]


KINDS: list[Credential] = [
    credential(client_secret="keyring:acme"),
    credential(certificate="keyring:acme"),
    credential(flow="browser"),
    EntraCredential.model_validate({"flow": "managed-identity"}),
    PasswordCredential.model_validate({"password": "keyring:x"}),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize("words", [BAD_PASSWORD, "Logon failure: unknown user name or bad password."])
def test_every_kind_of_credential_gets_a_sentence_without_gaps(
    world: World, kind: Credential, words: str
) -> None:
    world.configured = {"acme": kind}
    world.server.refused_login = words
    detail = told(world)
    assert len(detail) > len(words) + 50
    assert "<" not in detail
    assert "{" not in detail
