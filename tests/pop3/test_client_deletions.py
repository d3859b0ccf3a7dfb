from __future__ import annotations

from collections.abc import Callable

import pytest

from mailsluice.model import DeletePermit
from mailsluice.net.deadlines import Patience
from mailsluice.pop3.client import Client
from mailsluice.pop3.pipeline import WINDOW
from mailsluice.pop3.protocol import LocalProtocolError
from pop3.scripted import playing

Connect = Callable[..., Client]

LISTED = "C: UIDL\nS: +OK\nS: 1 a\nS: 2 twice\nS: 3 c\nS: 4 twice\nS: .\nC: LIST\nS: -ERR\n"


def test_a_uidl_that_is_listed_twice_or_not_at_all_is_never_deleted(logged_in: Connect) -> None:
    client = logged_in(playing(LISTED, "C: DELE 3\nS: +OK\nC: QUIT\nS: +OK"))
    client.listing()
    client.delete([DeletePermit(b"twice"), DeletePermit(b"c"), DeletePermit(b"unknown")])
    assert client.deleted == 1
    client.quit()


def test_a_refused_deletion_is_not_counted_and_stops_nothing(logged_in: Connect) -> None:
    client = logged_in(playing(LISTED, "C: DELE 1\nS: -ERR no\nC: DELE 3\nS: +OK"))
    client.listing()
    client.delete([DeletePermit(b"a"), DeletePermit(b"c")])
    assert (client.deleted, client.undeleted) == (1, 1)


def test_a_deletion_within_a_retrieval_waits_for_the_message_that_is_being_read(logged_in: Connect) -> None:
    script = LISTED + "C: RETR 1\nS: +OK\nS: one\nS: .\nC: DELE 1\nS: +OK\nC: RETR 3\nS: +OK\nS: three\nS: ."
    client = logged_in(playing(script))
    messages = client.listing()
    arrivals = client.retrieve([messages[0], messages[2]], 100)
    assert b"".join(next(arrivals).chunks) == b"one\r\n"
    client.delete([DeletePermit(b"a")])
    assert client.deleted == 0
    assert b"".join(next(arrivals).chunks) == b"three\r\n"
    assert client.deleted == 1


def test_a_deletion_within_a_retrieval_is_asked_for_when_that_is_closed(logged_in: Connect) -> None:
    script = LISTED + "C: RETR 1\nS: +OK\nS: one\nS: .\nC: DELE 1\nS: +OK\nC: QUIT\nS: +OK"
    client = logged_in(playing(script))
    messages = client.listing()
    arrivals = client.retrieve(messages[:1], 100)
    next(arrivals)
    client.delete([DeletePermit(b"a")])
    arrivals.close()
    assert client.deleted == 1
    client.quit()


def test_a_pipelining_server_is_asked_for_deletions_and_the_next_messages_at_once(logged_in: Connect) -> None:
    numbers = range(1, WINDOW + 3)
    listing = "".join(f"S: {number} u{number}\n" for number in numbers)
    sizes = "".join(f"S: {number} 10\n" for number in numbers)
    first, rest = list(numbers)[:WINDOW], list(numbers)[WINDOW:]

    def ask(verb: str, which: list[int]) -> str:
        return "".join(f"C: {verb} {number}\n" for number in which)

    def hand_out(which: list[int]) -> str:
        return "".join(f"S: +OK\nS: {number}\nS: .\n" for number in which)

    client = logged_in(
        playing(
            f"C: UIDL\nS: +OK\n{listing}S: .\nC: LIST\nS: +OK\n{sizes}S: .\n",
            ask("RETR", first) + hand_out(first),
            ask("DELE", [1, 2]) + ask("RETR", rest) + "S: +OK\nS: +OK\n" + hand_out(rest),
        ),
        "PIPELINING",
    )
    arrivals = client.retrieve(client.listing(), 100)
    for _ in range(WINDOW // 2):
        b"".join(next(arrivals).chunks)
    client.delete([DeletePermit(b"u1"), DeletePermit(b"u2")])
    assert [b"".join(arrival.chunks) for arrival in arrivals][-1] == b"%d\r\n" % numbers[-1]
    assert client.deleted == 2


def test_a_pipelining_server_is_asked_for_deletions_at_once(logged_in: Connect) -> None:
    client = logged_in(
        playing(
            "C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: -ERR", "C: DELE 1\nC: DELE 2\nS: -ERR\nS: +OK"
        ),
        "PIPELINING",
    )
    client.listing()
    client.delete([DeletePermit(b"a"), DeletePermit(b"b")])
    assert client.deleted == 1


def test_deleting_before_a_listing_is_a_bug(logged_in: Connect) -> None:
    with pytest.raises(LocalProtocolError):
        logged_in(playing("")).delete([DeletePermit(b"a")])


def test_quit_is_waited_for_the_longer_the_more_is_deleted(
    logged_in: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = logged_in(
        playing(
            "C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: -ERR",
            "C: DELE 1\nS: +OK\nC: DELE 2\nS: +OK\nC: QUIT\nS: +OK",
        ),
        quit=10,
        deletion=3,
    )
    client.listing()
    client.delete([DeletePermit(b"a"), DeletePermit(b"b")])
    waited: list[float] = []

    def patience(seconds: float) -> Patience:
        waited.append(seconds)
        return Patience(seconds)

    monkeypatch.setattr("mailsluice.pop3.client.Patience", patience)
    client.quit()
    assert waited == [16]
