"""What every client promises: `session.ports.Client`, on the real one against the sandbox, and the fake."""

from __future__ import annotations

import pytest

from contracts.peers import ADDRESS, LARGEST, MAIL, PLENTY, Peer, fetched, permits, read
from mailsluice.errors import (
    CommandRefused,
    ConnectionLost,
    LoginRefused,
    MessageTooLarge,
    Phase,
    ServerError,
)
from mailsluice.session.ports import Client


def test_a_refused_login_carries_the_servers_words(peer: Peer, greeted: Client) -> None:
    peer.refuse_login("Authentication failure: unknown user name or bad password.")
    with pytest.raises(LoginRefused) as refusal:
        greeted.authenticate(ADDRESS, peer.login)
    assert refusal.value.reply == "Authentication failure: unknown user name or bad password."
    assert refusal.value.phase is Phase.AUTH


def test_a_listing_has_every_message_in_order_with_an_estimated_size(
    client: Client, uidls: list[bytes]
) -> None:
    listing = client.listing()
    assert [(listed.number, listed.uidl) for listed in listing] == list(enumerate(uidls, 1))
    assert all(listed.size for listed in listing)


def test_an_empty_mailbox_has_an_empty_listing(peer: Peer, greeted: Client) -> None:
    greeted.authenticate(ADDRESS, peer.login)
    assert tuple(greeted.listing()) == ()


def test_a_listing_is_known_by_its_digest_as_long_as_it_is_the_same(peer: Peer, uidls: list[bytes]) -> None:
    def digest() -> bytes:
        with peer.connect(peer.mailbox()) as client:
            client.authenticate(ADDRESS, peer.login)
            return client.listing().digest

    before = digest()
    assert digest() == before
    peer.deliver(MAIL[0])
    assert digest() != before


def test_a_uidl_of_two_messages_is_listed_for_both(peer: Peer, greeted: Client, uidls: list[bytes]) -> None:
    peer.list_second_as_first()
    greeted.authenticate(ADDRESS, peer.login)
    assert [listed.uidl for listed in greeted.listing()] == [uidls[0], uidls[0], uidls[2]]


def test_messages_come_in_the_order_asked_octet_for_octet(client: Client) -> None:
    first, second, third = client.listing()
    assert fetched(client, (third, first, second)) == [MAIL[2], MAIL[0], MAIL[1]]


def test_an_arrival_says_which_message_it_is(client: Client) -> None:
    listing = client.listing()
    seen = []
    for arrival in client.retrieve(listing, LARGEST):
        seen.append(arrival.listed)
        read(arrival)
    assert seen == list(listing)


def test_a_message_that_is_not_read_is_passed_over(client: Client) -> None:
    arrivals = client.retrieve(client.listing(), LARGEST)
    next(arrivals)
    next(next(arrivals).chunks)
    assert read(next(arrivals)) == MAIL[2]


def test_retrieving_nothing_asks_for_nothing(client: Client) -> None:
    client.listing()
    assert fetched(client, ()) == []
    client.quit()


def test_a_retrieval_that_is_closed_early_leaves_the_session_fit(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    arrivals = client.retrieve(client.listing(), LARGEST)
    read(next(arrivals))
    arrivals.close()
    client.delete(permits(uidls[0]))
    assert client.deleted == 1
    client.quit()
    assert peer.remaining() == uidls[1:]


def test_a_refused_message_raises_before_its_first_octet_and_the_session_lives_on(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.refuse(uidls[1], "not this one")
    came = []
    for arrival in client.retrieve(client.listing(), LARGEST):
        if arrival.listed.uidl == uidls[1]:
            with pytest.raises(CommandRefused) as refusal:
                next(arrival.chunks)
            assert refusal.value.reply == "not this one"
            assert refusal.value.phase is Phase.RETRIEVE
        else:
            came.append(read(arrival))
    assert came == [MAIL[0], MAIL[2]]
    client.quit()


def test_a_message_of_exactly_the_ceiling_comes_whole(client: Client) -> None:
    (first, *_) = client.listing()
    arrivals = client.retrieve((first,), len(MAIL[0]))
    assert read(next(arrivals)) == MAIL[0]


def test_a_message_beyond_the_ceiling_ends_the_session_and_tells_how_much_came(
    peer: Peer, greeted: Client
) -> None:
    peer.deliver(PLENTY)
    greeted.authenticate(ADDRESS, peer.login)
    arrivals = greeted.retrieve(greeted.listing(), LARGEST)
    with pytest.raises(MessageTooLarge) as error:
        read(next(arrivals))
    assert LARGEST < error.value.octets <= len(PLENTY)
    arrivals.close()
    with pytest.raises(ServerError):
        greeted.quit()


def test_a_connection_that_breaks_in_a_message_is_lost_for_good(
    client: Client, uidls: list[bytes], peer: Peer
) -> None:
    peer.cut(uidls[1])
    arrivals = client.retrieve(client.listing(), LARGEST)
    assert read(next(arrivals)) == MAIL[0]
    with pytest.raises(ConnectionLost) as error:
        read(next(arrivals))
    assert error.value.phase is Phase.RETRIEVE
    arrivals.close()
    with pytest.raises(ServerError):
        client.quit()


def test_a_header_comes_without_its_message_and_the_session_goes_on(client: Client) -> None:
    listed = client.listing()[0]

    assert client.header(listed).split(b"\r\n\r\n", 1)[0] == MAIL[0].split(b"\r\n\r\n", 1)[0]
    assert b"body" not in client.header(listed)
    assert len(client.listing()) == len(MAIL)


def test_a_header_that_is_refused_leaves_the_session_alive(peer: Peer, client: Client) -> None:
    peer.refuse_headers()
    listed = client.listing()[0]

    with pytest.raises(CommandRefused):
        client.header(listed)
    assert len(client.listing()) == len(MAIL)


def test_a_session_is_over_once_it_is_left(peer: Peer) -> None:
    with peer.connect(peer.mailbox()) as client:
        client.authenticate(ADDRESS, peer.login)
    with pytest.raises(ServerError):
        client.listing()


def test_a_young_session_is_not_tired(client: Client) -> None:
    assert not client.expiring
