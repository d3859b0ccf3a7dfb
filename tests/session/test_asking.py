"""How a header is asked for, and what a server's silence means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailsluice.errors import CommandRefused, ConnectionLost, GaveWay, Phase
from mailsluice.failure import Why
from mailsluice.message.header import Header
from mailsluice.model import Listed
from mailsluice.session.asking import HeaderRefused, ask, ask_by_retr, note_silent
from mailsluice.session.context import Session
from mailsluice.session.counts import Counts
from mailsluice.session.questions import Questions
from mailsluice.session.returning import Returning
from session.world import BIG, ONE, World

Ask = Callable[[Listed, Session], Header]


@pytest.fixture(params=[ask, ask_by_retr])
def how(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


def opened(world: World) -> tuple[Listed, Session]:
    """The first message, in a session that has listed it. No sink is used."""
    client = world.server.connect(world.mailbox)
    client.authenticate("a", world.credentials.login(world.mailbox))
    (listed, *_) = client.listing()
    nothing = Questions({}, world.mailbox, world.ledger.now())
    staging = None
    returning = Returning(world.ledger, world.mailbox.key)
    counts = Counts("a", world.clock)
    session = Session(world.mailbox, client, staging, world.context, counts, nothing, returning)  # type: ignore[arg-type]
    return listed, session


def test_the_header_is_told(world: World, how: Ask) -> None:
    world.deliver(ONE)
    assert how(*opened(world)).first("subject") == b" 1"


def test_a_refusal_decides_nothing(world: World, how: Ask) -> None:
    (uidl,) = world.deliver(ONE)
    world.server.headers_refused = True
    world.server.refused = {uidl}
    with pytest.raises(HeaderRefused):
        how(*opened(world))
    assert world.ledger.failures.read(world.mailbox.key) == {}


def test_a_notice_in_its_place_decides_nothing(world: World, how: Ask) -> None:
    world.server.substituted = set(world.deliver(ONE))
    with pytest.raises(HeaderRefused, match="a notice"):
        how(*opened(world))


def test_a_server_without_top_is_to_be_asked_otherwise(world: World) -> None:
    world.deliver(ONE)
    world.server.has_top = False
    world.server.headers_refused = True
    with pytest.raises(CommandRefused):
        ask(*opened(world))


def test_a_message_that_ends_the_session_is_noted_so_that_it_does_not_end_each(
    world: World, how: Ask
) -> None:
    (uidl,) = world.deliver(BIG)
    world.server.headers_cut = {uidl}
    world.server.cut = {uidl}
    with pytest.raises(ConnectionLost):
        how(*opened(world))
    (failure,) = world.ledger.failures.read(world.mailbox.key).values()
    assert failure.kind is Why.SILENT


def test_that_a_session_gave_way_is_not_noted_of_the_message_it_asked_for(world: World) -> None:
    world.deliver(ONE)
    listed, session = opened(world)
    note_silent(listed, GaveWay("others waited", phase=Phase.RETRIEVE), session)
    assert not world.ledger.failures.read(world.mailbox.key)
