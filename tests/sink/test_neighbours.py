"""Several ledgers that feed one sink."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.errors import MailboxLocked, SinkRefused
from mailsluice.model import Feeder, Noticed
from support.sinks import FEEDER, LEDGER, MAILBOX, OTHER, Sink, held, sink_of, stage
from support.staging import staged_in

HOME = replace(FEEDER, ledger="home", host="bureau", state_dir="/home/ann/.local/state/mailsluice")


@pytest.fixture(params=["spool", "maildir"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def other(kind: str, path: Path, *, mailbox: str = MAILBOX, keeps: bool, feeder: Feeder = HOME) -> Sink:
    """The same sink as another ledger feeds it."""
    return sink_of(kind, path, owner=f"{mailbox}-{OTHER}", feeder=feeder, keeps=keeps)


def test_another_ledger_with_another_mailbox_joins_with_one_notice(kind: str, tmp_path: Path) -> None:
    with held(sink_of(kind, tmp_path / "sink", keeps=True)):
        pass
    sink = other(kind, tmp_path / "sink", mailbox="3" * 16, keeps=True)
    with held(sink) as staging:
        assert [notice.kind for notice in staging.notices] == [Noticed.SHARED]
        assert staging.notices[0].detail == "another ledger, /state on host"
    with held(sink, staging.where) as staging:
        assert staging.notices == []


def test_another_mailbox_of_the_same_ledger_is_nothing_to_notice(kind: str, tmp_path: Path) -> None:
    for mailbox in (MAILBOX, "3" * 16):
        with held(sink_of(kind, tmp_path / "sink", owner=f"{mailbox}-{LEDGER}", keeps=True)) as staging:
            assert staging.notices == []


def test_another_ledger_with_the_same_mailbox_is_refused_where_it_keeps_its_mail(
    kind: str, tmp_path: Path
) -> None:
    with held(sink_of(kind, tmp_path / "sink", keeps=True)):
        pass
    for _ in range(2):
        with pytest.raises(SinkRefused) as error, held(other(kind, tmp_path / "sink", keeps=True)):
            pass
        for part in ("a@b.example", "/state on host", "/home/ann/.local/state/mailsluice on bureau"):
            assert part in str(error.value)
        assert "sink adopt inv`" in error.value.remedy


def test_where_the_mailbox_deletes_its_mail_it_joins_with_a_notice(kind: str, tmp_path: Path) -> None:
    with held(sink_of(kind, tmp_path / "sink")):
        pass
    with held(other(kind, tmp_path / "sink", keeps=False)) as staging:
        assert [notice.kind for notice in staging.notices] == [Noticed.SHARED]


def test_a_file_of_somebody_else_among_the_staging_directories_is_nothing_to_stop_at(
    kind: str, tmp_path: Path
) -> None:
    with held(sink_of(kind, tmp_path / "sink")):
        pass
    folder = next(tmp_path.glob("sink/*staging"))
    (folder / "notes-of-ann").write_text("x")
    (folder / f"{'4' * 16}-{'5' * 16}").mkdir(mode=0o700)
    with held(other(kind, tmp_path / "sink", keeps=True, mailbox="3" * 16)):
        pass


@pytest.fixture
def both(kind: str, tmp_path: Path) -> tuple[Sink, Sink]:
    """The sink as two ledgers feed it with one mailbox: the first has, the second would."""
    ours = sink_of(kind, tmp_path / "sink", keeps=True)
    with held(ours) as staging:
        stage(staging, b"u")
    return ours, other(kind, tmp_path / "sink", keeps=True)


def test_a_ledger_takes_the_place_of_another_and_that_one_is_refused_from_then_on(
    both: tuple[Sink, Sink], tmp_path: Path
) -> None:
    former, heir = both
    heir.adopt()
    with held(heir) as staging:
        where = staging.where
    assert staged_in(tmp_path / "sink") == []
    with held(heir, where) as staging:
        assert staging.notices == []
    with pytest.raises(SinkRefused, match="given to another ledger") as error, held(former):
        pass
    assert "sink adopt inv" in error.value.remedy


def test_what_was_given_away_can_be_taken_back(both: tuple[Sink, Sink]) -> None:
    former, heir = both
    heir.adopt()
    with held(heir):
        pass
    former.adopt()
    with held(former):
        pass
    with pytest.raises(SinkRefused, match="given to another ledger"), held(heir):
        pass


def test_nothing_is_taken_from_a_ledger_at_work(both: tuple[Sink, Sink], tmp_path: Path) -> None:
    former, heir = both
    with held(former) as staging:
        stage(staging, b"u")
        before = staged_in(tmp_path / "sink")
        with pytest.raises(MailboxLocked):
            heir.adopt()
    assert staged_in(tmp_path / "sink") == before


def test_the_sink_tells_who_feeds_it(both: tuple[Sink, Sink]) -> None:
    former, heir = both
    heir.adopt()
    with held(heir):
        pass
    found = {claim.feeder.ledger: claim.heir for claim in former.claims() if claim.feeder}
    assert found == {"ledger": "home", "home": ""}


def test_a_sink_never_used_is_fed_by_nobody(kind: str, tmp_path: Path) -> None:
    assert sink_of(kind, tmp_path / "sink").claims() == []
