"""What every client promises about deleting."""

from __future__ import annotations

import pytest

from contracts.peers import ADDRESS, LARGEST, MAIL, Peer, fetched, permits, read
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    Phase,
    ServerError,
)
from mailsluice.model import Window
from mailsluice.session.ports import Client


def test_what_is_marked_is_deleted_at_quit(client: Client, uidls: list[bytes], peer: Peer) -> None:
    client.listing()
    client.delete(permits(uidls[0], uidls[2]))
    assert client.deleted == 2
    assert peer.remaining() == uidls
    client.quit()
    assert peer.remaining() == [uidls[1]]


def test_without_a_quit_nothing_is_deleted(uidls: list[bytes], peer: Peer) -> None:
    with peer.connect(peer.mailbox()) as client:
        client.authenticate(ADDRESS, peer.login)
        client.listing()
        client.delete(permits(*uidls))
    assert peer.remaining() == uidls


def test_a_session_that_is_given_up_in_a_message_deletes_nothing_and_is_over(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    listing = client.listing()
    client.delete(permits(uidls[0]))
    arrivals = client.retrieve(listing[1:], LARGEST)
    next(next(arrivals).chunks)
    client.abandon()
    arrivals.close()
    with pytest.raises(ServerError):
        client.quit()
    assert peer.remaining() == uidls


def test_a_permit_for_what_is_not_listed_is_passed_over(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    client.listing()
    client.delete(permits(b"elsewhere", uidls[1]))
    assert client.deleted == 1
    client.quit()
    assert peer.remaining() == [uidls[0], uidls[2]]


def test_a_permit_for_what_is_listed_twice_is_passed_over(
    peer: Peer, greeted: Client, uidls: list[bytes]
) -> None:
    peer.list_second_as_first()
    greeted.authenticate(ADDRESS, peer.login)
    greeted.listing()
    greeted.delete(permits(uidls[0], uidls[2]))
    assert greeted.deleted == 1
    greeted.quit()
    assert peer.remaining() == uidls[:2]


def test_two_of_one_uidl_can_be_told_apart_and_each_deleted(
    peer: Peer, greeted: Client, uidls: list[bytes]
) -> None:
    peer.list_second_as_first()
    greeted.authenticate(ADDRESS, peer.login)
    greeted.listing()
    listing = greeted.tell_apart({1: b"first", 2: b"second"})
    assert [listed.uidl for listed in listing] == [b"first", b"second", uidls[2]]
    assert fetched(greeted, tuple(listing)) == list(MAIL)
    greeted.delete(permits(b"second", uidls[0]))
    greeted.quit()
    assert peer.remaining() == [uidls[0], uidls[2]]


def test_of_a_long_listing_the_window_is_shown(client: Client, uidls: list[bytes]) -> None:
    listing = client.listing(Window(1, 1))
    assert [listed.uidl for listed in listing] == [uidls[0], uidls[2]]
    assert (listing.total, listing.beyond, listing.is_whole) == (3, 1, False)
    assert fetched(client, tuple(listing)) == [MAIL[0], MAIL[2]]


def test_the_message_at_whose_deletion_the_session_ends_is_named(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.cut_deletion(uidls[1])
    client.listing()
    assert client.deleting is None
    with pytest.raises(ServerError) as error:
        client.delete(permits(*uidls))
    assert error.value.phase is Phase.DELETE
    assert client.deleting == uidls[1]
    assert peer.remaining() == uidls


def test_a_session_that_ends_elsewhere_names_no_deletion(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.cut(uidls[1])
    arrivals = client.retrieve(client.listing(), LARGEST)
    read(next(arrivals))
    with pytest.raises(ConnectionLost):
        read(next(arrivals))
    assert client.deleting is None


def test_deleting_nothing_is_well(client: Client) -> None:
    client.listing()
    client.delete([])
    assert client.deleted == 0


def test_a_refused_quit_says_so_and_deletes_nothing(client: Client, uidls: list[bytes], peer: Peer) -> None:
    peer.refuse_quit()
    client.listing()
    client.delete(permits(*uidls))
    with pytest.raises(CommandRefused) as refusal:
        client.quit()
    assert refusal.value.phase is Phase.QUIT
    assert refusal.value.reply == "not this one"
    assert peer.remaining() == uidls
