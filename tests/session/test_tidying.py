"""What removed mailboxes, former sinks and consumers leave behind, and whose it is to remove."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from mailsluice.config.models import Mailbox
from mailsluice.ledger.messages import Messages
from mailsluice.obs import events
from mailsluice.session.tidying import EVERY, is_due, tidy
from mailsluice.sink.durable import DurableBatch
from session.world import ONE, TWO, World
from support.staging import staged_in


def tidied(world: World, *mailboxes: Mailbox) -> None:
    """Tidy up, as if these mailboxes were all that is configured."""
    with structlog.testing.capture_logs() as log:
        tidy(mailboxes, world.context)
    world.log += log


def interrupted(world: World, monkeypatch: pytest.MonkeyPatch, step: tuple[type, str]) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*step, die)
        with pytest.raises(KeyboardInterrupt):
            world.poll()


def owners(world: World, folder: str = "sink") -> list[Path]:
    return [path for path in (world.home / folder).glob("*staging/*") if path.is_dir()]


@pytest.mark.parametrize("kind", ["spool", "maildir"])
@pytest.mark.parametrize(
    "step", [(Messages, "record"), (DurableBatch, "publish")], ids=["staged", "recorded"]
)
def test_what_a_removed_mailbox_left_in_staging_is_finished_and_removed(
    world: World, kind: str, step: tuple[type, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(sink={"kind": kind, "path": str(world.home / "sink")})
    world.deliver(ONE, TWO)
    interrupted(world, monkeypatch, step)
    assert staged_in(world.home / "sink")

    tidied(world)

    assert staged_in(world.home / "sink") == []
    assert owners(world) == []
    found = [*(world.home / "sink").glob("*.eml"), *(world.home / "sink").glob("new/*")]
    assert len(found) == (0 if step[1] == "record" else 2)
    assert world.ledger.stagings.every() == []


def test_what_was_staged_in_a_former_sink_is_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deliver(ONE)
    interrupted(world, monkeypatch, (Messages, "record"))
    world.configure(sink={"kind": "spool", "path": str(world.home / "other")})
    world.poll()

    tidied(world, world.mailbox)

    assert staged_in(world.home / "sink") == []
    assert owners(world) == []
    assert len(owners(world, "other")) == 1


def test_a_mailbox_that_is_back_goes_on(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    tidied(world)
    world.deliver(TWO)
    assert world.outcome() == ("ok", 0)
    assert world.stored() == [ONE, TWO]


def test_staging_on_a_file_system_that_is_not_mounted_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.deliver(ONE)
    interrupted(world, monkeypatch, (Messages, "record"))
    (world.home / "sink").rename(world.home / "unmounted")
    tidied(world)
    (world.home / "unmounted").rename(world.home / "sink")
    tidied(world)
    assert owners(world) == []


def test_a_mailbox_that_is_polled_now_is_left_for_the_next_time(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    with world.ledger.leases.hold(world.mailbox.key):
        tidied(world)
    assert len(owners(world)) == 1


@pytest.fixture
def taken(world: World) -> World:
    """A spool whose consumer took the message and left its description."""
    world.deliver(ONE)
    world.poll()
    (message,) = (world.home / "sink").glob("*.eml")
    message.unlink()
    return world


def described(world: World) -> int:
    return len(list((world.home / "sink").glob("*.json")))


def test_a_description_goes_seven_days_after_it_was_first_seen_without_its_message(taken: World) -> None:
    taken.pass_days(100)
    tidied(taken, taken.mailbox)
    taken.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    tidied(taken, taken.mailbox)
    assert described(taken) == 1
    taken.clock.advance(timedelta(seconds=1))
    tidied(taken, taken.mailbox)
    assert described(taken) == 0
    assert taken.logged(events.DESCRIPTIONS_SWEPT)[0]["descriptions"] == 1


def test_a_description_goes_though_its_message_was_forgotten_long_ago(taken: World) -> None:
    for _ in range(3):
        taken.pass_days(40)
        taken.poll()
        tidied(taken, taken.mailbox)
    assert taken.ledger.messages.known(taken.mailbox.key) == {}
    assert described(taken) == 0


def test_how_long_descriptions_stay_can_be_said(taken: World) -> None:
    sink = {"kind": "spool", "path": str(taken.home / "sink"), "json_grace": "1h"}
    taken.configure(sink=sink)
    tidied(taken, taken.mailbox)
    taken.clock.advance(timedelta(hours=1))
    tidied(taken, taken.mailbox)
    assert described(taken) == 0


def test_of_two_mailboxes_in_one_spool_the_longer_time_counts(taken: World) -> None:
    short = {"kind": "spool", "path": str(taken.home / "sink"), "json_grace": "1h"}
    other = Mailbox.model_validate(
        taken.mailbox.model_dump() | {"name": "other", "address": "o@x", "sink": short}
    )
    tidied(taken, other, taken.mailbox)
    taken.clock.advance(timedelta(hours=2))
    tidied(taken, other, taken.mailbox)
    assert described(taken) == 1


def test_a_description_whose_message_is_there_stays_whatever_its_age(world: World) -> None:
    world.deliver(ONE)
    world.poll()
    for _ in range(3):
        tidied(world, world.mailbox)
        world.pass_days(30)
    assert described(world) == 1
    assert world.stored() == [ONE]


def test_what_another_ledger_or_program_left_is_not_touched(taken: World) -> None:
    (ours,) = (taken.home / "sink").glob("*.json")
    theirs = ours.with_name(ours.name.replace("invoices", "orders"))
    theirs.write_bytes(ours.read_bytes())
    (taken.home / "sink" / "notes.json").write_text("{}")
    for _ in range(3):
        tidied(taken, taken.mailbox)
        taken.pass_days(30)
    assert not ours.exists()
    assert theirs.exists()
    assert described(taken) == 2


def test_a_message_that_a_consumer_puts_back_keeps_its_description(taken: World) -> None:
    tidied(taken, taken.mailbox)
    (description,) = (taken.home / "sink").glob("*.json")
    description.with_suffix(".eml").write_bytes(ONE)
    taken.pass_days(30)
    tidied(taken, taken.mailbox)
    assert described(taken) == 1


def test_it_is_due_once_an_hour(world: World) -> None:
    assert is_due(world.context)
    tidied(world)
    assert not is_due(world.context)
    world.clock.advance(EVERY)
    assert is_due(world.context)


def test_a_sink_that_cannot_be_looked_at_is_said_and_tried_again(taken: World) -> None:
    (taken.home / "sink").rename(taken.home / "away")
    (taken.home / "sink").symlink_to("away")
    tidied(taken, taken.mailbox)
    (event,) = taken.logged(events.NOT_TIDIED)
    assert event["remedy"]
