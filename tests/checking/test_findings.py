"""Which error counts, and what a check ends with because of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.checking.findings import Finding, findings
from mailsluice.checking.means import Means
from mailsluice.checking.opening import Opened
from mailsluice.checking.reach import Reached
from mailsluice.checking.steps import Step
from mailsluice.checking.tried import Tried
from mailsluice.checking.way_in import WayIn
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.claims import Claims
from mailsluice.diagnosis.facts import Access, Door, Facts
from mailsluice.diagnosis.known import known
from mailsluice.errors import (
    DeadlineExceeded,
    LedgerError,
    LoginRefused,
    MailsluiceError,
    Obstacle,
    Phase,
    SecretError,
    ServerUnreachable,
    SinkError,
    TokenRefused,
)
from mailsluice.model import Password
from mailsluice.outcome import ExitCode
from mailsluice_sandbox import Sandbox
from support.checks import loaded, means_of

WORDS = "Authentication failure: unknown user name or bad password."
REFUSED = LoginRefused("no", phase=Phase.AUTH, reply=WORDS)
SLOW = DeadlineExceeded("slow", phase=Phase.AUTH)
UNREACHED = ServerUnreachable("no", phase=Phase.CONNECT)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def means(sandbox: Sandbox, tmp_path: Path) -> Means:
    return means_of(loaded(tmp_path, sandbox, "a", "b"))


def tried(means: Means, name: str, **parts: object) -> Tried:
    credential = means.config.credentials["acme"]
    way_in = WayIn(Facts(Access.of("acme", credential)), Password("canary"))
    one = Tried(means.config.mailboxes[name], way_in, Reached(), opened=Opened())
    for part, value in parts.items():
        setattr(one, part, value)
    return one


def found(means: Means, **parts: object) -> Finding:
    return findings([tried(means, "a", **parts)], means)[0]


def test_where_nothing_failed_all_is_well(means: Means) -> None:
    one = found(means)
    assert (one.error, one.step, one.exit_code) == (None, None, ExitCode.WELL)


def test_the_error_of_the_first_step_counts(means: Means) -> None:
    secret, sink, ledger = SecretError("s"), SinkError("sink"), LedgerError("l")
    means = replace(means, ledger_error=ledger)
    parts: dict[str, object] = {
        "way_in": WayIn(Facts(), None, secret, Step.SECRET),
        "sink": sink,
        "server": Reached(UNREACHED, Step.TCP),
        "opened": Opened(REFUSED, Step.AUTH),
        "doors": {Door.IMAP: REFUSED},
    }
    seen: list[tuple[MailsluiceError | None, Step | None]] = []
    while True:
        one = found(means, **parts)
        seen.append((one.error, one.step))
        if not parts:
            break
        del parts[next(iter(parts))]

    assert seen == [
        (secret, Step.SECRET),
        (sink, Step.SINK),
        (UNREACHED, Step.TCP),
        (REFUSED, Step.AUTH),
        (REFUSED, Step.IMAP),
        (ledger, Step.LEDGER),
    ]


def test_what_has_no_answer_yet_is_tried_later(means: Means) -> None:
    one = found(means, opened=Opened(SLOW, Step.AUTH))
    assert one.is_cut_short
    assert one.exit_code is ExitCode.LATER


def test_a_refused_login_needs_an_operator(means: Means) -> None:
    one = found(means, opened=Opened(REFUSED, Step.AUTH))
    assert one.exit_code is ExitCode.REFUSED
    assert Cause.NO_FULL_ACCESS in one.judgement.causes


def test_a_sibling_that_was_let_in_later_is_known_too(means: Means) -> None:
    every = [tried(means, "a", opened=Opened(REFUSED, Step.AUTH)), tried(means, "b")]
    first, second = findings(every, means)
    assert Cause.NO_SERVICE_PRINCIPAL not in first.judgement.causes
    assert second.error is None


def test_another_door_that_is_open_makes_a_closed_one_the_likeliest(means: Means) -> None:
    one = found(means, opened=Opened(REFUSED, Step.AUTH), doors={Door.IMAP: None})
    assert one.judgement.causes[0] is Cause.DOOR_OFF
    assert Cause.NO_FULL_ACCESS not in one.judgement.causes


def test_a_door_that_could_not_be_tried_tells_nothing(means: Means) -> None:
    assert Door.IMAP not in found(means, doors={Door.IMAP: SLOW}).facts.doors


def test_a_ledger_that_breaks_while_it_is_read_only_tells_less(means: Means) -> None:
    class Broken:
        @property
        def reports(self) -> object:
            raise LedgerError("broken")

    assert findings([tried(means, "a")], replace(means, ledger=Broken()))[0].last is None  # type: ignore[arg-type]


def test_a_mailbox_that_is_being_polled_is_no_failure(means: Means) -> None:
    one = found(means, opened=Opened(is_polled=True))
    assert (one.error, one.is_polled) == (None, True)


def test_a_door_beside_pop3_is_judged_as_itself(means: Means) -> None:
    claims = Claims("https://outlook.office365.com", ("POP.AccessAsApp", "IMAP.AccessAsApp"))
    facts = Facts(Access.of("acme", means.config.credentials["acme"]), claims=claims)
    one = found(means, way_in=WayIn(facts, Password("canary")), doors={Door.IMAP: REFUSED})

    assert (one.facts.door, one.facts.host, one.facts.port) == (Door.IMAP, "localhost", 993)
    assert one.judgement.causes[0] is Cause.DOOR_OFF
    assert Cause.NO_FULL_ACCESS not in one.judgement.causes
    assert not [fact for fact in known(one.facts) if "IMAP does not" in fact or "never let in" in fact]


def test_a_door_that_the_token_does_not_open_has_this_cause_alone(means: Means) -> None:
    claims = Claims("https://outlook.office365.com", ("POP.AccessAsApp",))
    facts = Facts(Access.of("acme", means.config.credentials["acme"]), claims=claims)
    one = found(means, way_in=WayIn(facts, Password("canary")), doors={Door.SMTP: REFUSED})

    assert one.judgement.causes == (Cause.OTHER_PERMISSION,)


def test_of_a_server_that_is_not_reached_nothing_is_told_about_the_mailbox(means: Means) -> None:
    dropped = ServerUnreachable("no", phase=Phase.CONNECT, obstacle=Obstacle.DROPPED)
    one = found(means, server=Reached(dropped, Step.TCP))

    assert known(one.facts) == ()
    assert (one.facts.host, one.facts.port) == ("localhost", means.config.mailboxes["a"].port)


def test_of_a_refused_token_nothing_is_told_about_the_mailbox(means: Means) -> None:
    refused = TokenRefused("no", said="AADSTS700016")
    facts = Facts(Access.of("acme", means.config.credentials["acme"]))
    one = found(means, way_in=WayIn(facts, None, refused, Step.TOKEN))

    assert known(one.facts) == ()
