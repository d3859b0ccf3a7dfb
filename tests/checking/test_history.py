"""What former polls and this check tell of a mailbox and of its siblings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from auth.hand_clock import HandClock
from mailsluice.checking.history import history_of
from mailsluice.checking.means import Means
from mailsluice.checking.opening import Opened
from mailsluice.checking.reach import Reached
from mailsluice.checking.steps import Step
from mailsluice.checking.tried import Tried
from mailsluice.checking.way_in import WayIn
from mailsluice.config.load import load
from mailsluice.diagnosis.facts import Facts, History
from mailsluice.errors import DeadlineExceeded, LedgerError, LoginRefused, Phase
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome
from mailsluice.report import MailboxReport
from support.checks import means_of

CLOCK = HandClock()
NOW = CLOCK.now()
YESTERDAY = NOW - timedelta(days=1)
REFUSED = LoginRefused("no", phase=Phase.AUTH)


@pytest.fixture(scope="module")
def means(tmp_path_factory: pytest.TempPathFactory) -> Means:
    folder = tmp_path_factory.mktemp("history")
    text = f'service.state_dir = "{folder}/state"\ndefaults = {{ host = "pop.example" }}\n'
    for name in ("acme", "other"):
        text += f'[credentials.{name}]\nkind = "password"\npassword = "file:/{name}"\n'
    for name, credential in (("a", "acme"), ("b", "acme"), ("c", "acme"), ("d", "other")):
        text += f'[mailboxes.{name}]\naddress = "{name}@acme.example"\ncredential = "{credential}"\n'
        text += f'sink = {{ kind = "spool", path = "{folder}/{name}" }}\n'
    path = folder / "mailsluice.toml"
    path.write_text(text)
    return means_of(load(path), clock=CLOCK)


def tried(means: Means, **opened: Opened | None) -> dict[str, Tried]:
    boxes = means.config.mailboxes
    return {
        name: Tried(boxes[name], WayIn(Facts()), Reached(), opened=how)
        for name, how in ({"a": None} | opened).items()
    }


def history(
    means: Means, reports: dict[MailboxKey, MailboxReport] | None = None, **opened: Opened | None
) -> History:
    every = tried(means, **opened)
    return history_of(every["a"], every, reports or {}, means)


def report(means: Means, name: str, *, outcome: Outcome = Outcome.OK) -> dict[MailboxKey, MailboxReport]:
    """A mailbox that was polled well yesterday, and had this outcome last."""
    failures = 0 if outcome is Outcome.OK else 1
    last = SessionReport(name, NOW, 0, 0, 0, 0, 0, 0.0, 0, outcome, "")
    told = MailboxReport(name, None, YESTERDAY, failures, "", 0, last)
    return {means.config.mailboxes[name].key: told}


def test_a_sibling_that_was_just_let_in_is_told(means: Means) -> None:
    assert history(means, b=Opened()) == History(NOW, None, "b", NOW, 0)


def test_a_mailbox_of_another_credential_is_no_sibling(means: Means) -> None:
    assert history(means, d=Opened()) == History(NOW)


def test_what_was_just_seen_counts_more_than_the_ledger(means: Means) -> None:
    assert history(means, report(means, "b"), b=Opened(REFUSED, Step.AUTH)) == History(NOW, refused=1)


def test_of_a_sibling_that_is_not_checked_the_ledger_tells(means: Means) -> None:
    assert history(means, report(means, "b")) == History(NOW, None, "b", YESTERDAY, 0)
    assert history(means, report(means, "b", outcome=Outcome.LOGIN_REFUSED)) == History(NOW, refused=1)


def test_of_a_sibling_whose_poll_goes_on_the_ledger_tells(means: Means) -> None:
    assert history(means, report(means, "b"), b=Opened(is_polled=True)).sibling == "b"


def test_the_last_one_let_in_is_named(means: Means) -> None:
    assert history(means, report(means, "b"), c=Opened()).sibling == "c"


def test_no_answer_in_time_is_no_refusal(means: Means) -> None:
    slow = DeadlineExceeded("slow", phase=Phase.AUTH)
    assert history(means, b=Opened(slow, Step.AUTH)) == History(NOW)


def test_a_sibling_with_a_fault_of_the_ledger_alone_was_let_in(means: Means) -> None:
    assert history(means, b=Opened(LedgerError("locked"), Step.LEDGER)).sibling == "b"


def test_the_mailbox_itself_was_let_in_when_the_ledger_says_so(means: Means) -> None:
    assert history(means, report(means, "a", outcome=Outcome.LOGIN_REFUSED)).let_in == YESTERDAY
