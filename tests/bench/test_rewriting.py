from __future__ import annotations

from benchmarks.rewriting import without_pipelining

CAPABILITIES = b"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n.\r\n"


def test_the_answer_to_capa_has_all_but_the_word() -> None:
    assert without_pipelining(CAPABILITIES) == CAPABILITIES.replace(b"PIPELINING\r\n", b"")


def test_a_message_that_has_the_word_is_left_as_it_is() -> None:
    message = b"+OK 30 octets\r\nSubject: x\r\n\r\nCAPA\r\nPIPELINING\r\n.\r\n"
    assert without_pipelining(message) == message
