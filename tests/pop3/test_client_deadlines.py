from __future__ import annotations

from collections.abc import Callable

import pytest

from mailsluice.errors import DeadlineExceeded, Phase, ServerError
from mailsluice.model import BearerToken, DeletePermit, Listed
from mailsluice.net.connections import Connections
from mailsluice.pop3.client import Client
from pop3.scripted import playing

Connect = Callable[..., Client]

LISTED = "C: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: -ERR\n"
TOKEN_ASKED = "S: +OK\nC: AUTH XOAUTH2\nS: +\nC: dXNlcj1hAWF1dGg9QmVhcmVyIGNhbmFyeQEB"


def fetch(client: Client) -> list[bytes]:
    return [b"".join(arrival.chunks) for arrival in client.retrieve([Listed(1, b"a")], 1000)]


SILENCES: list[tuple[Phase, str, str, Callable[[Client], object]]] = [
    (Phase.LISTING, "listing", "C: UIDL", Client.listing),
    (Phase.LISTING, "listing", "C: UIDL\nS: +OK\nS: 1 a", Client.listing),
    (Phase.RETRIEVE, "retrieve", "C: RETR 1", fetch),
    (Phase.RETRIEVE, "retrieve", "C: RETR 1\nS: +OK\nS: half", fetch),
    (Phase.QUIT, "quit", "C: QUIT", Client.quit),
]


@pytest.mark.parametrize(("phase", "deadline", "transcript", "verb"), SILENCES)
def test_silence_exceeds_the_deadline_of_its_phase(
    logged_in: Connect, phase: Phase, deadline: str, transcript: str, verb: Callable[[Client], object]
) -> None:
    client = logged_in(playing(transcript), **{deadline: 0.05})
    with pytest.raises(DeadlineExceeded) as slow:
        verb(client)
    assert slow.value.phase is phase
    with pytest.raises(ServerError):
        client.stat()


def test_silence_of_a_deletion_exceeds_its_deadline(logged_in: Connect) -> None:
    client = logged_in(playing(LISTED, "C: DELE 1"), delete=0.05)
    client.listing()
    with pytest.raises(DeadlineExceeded) as slow:
        client.delete([DeletePermit(b"a")])
    assert slow.value.phase is Phase.DELETE


def test_silence_instead_of_a_greeting_exceeds_its_deadline(
    connected: Connect, connections: Connections
) -> None:
    with pytest.raises(DeadlineExceeded) as slow:
        connected(playing(""), greeting=0.05)
    assert slow.value.phase is Phase.GREETING
    assert len(connections) == 0


def test_silence_after_the_token_exceeds_its_deadline(connected: Connect) -> None:
    client = connected(playing(TOKEN_ASKED), auth=0.05)
    with pytest.raises(DeadlineExceeded) as slow:
        client.authenticate("a", BearerToken("canary"))
    assert slow.value.phase is Phase.AUTH


def test_silence_after_capa_exceeds_the_greetings_deadline(connected: Connect) -> None:
    client = connected(playing("S: +OK\nC: CAPA"), greeting=0.2)
    with pytest.raises(DeadlineExceeded) as slow:
        client.capabilities()
    assert slow.value.phase is Phase.CAPABILITIES


def test_a_client_tires_before_the_session_must_end(connected: Connect) -> None:
    assert not connected(playing("S: +OK")).expiring
    assert connected(playing("S: +OK"), expiring=0).expiring
