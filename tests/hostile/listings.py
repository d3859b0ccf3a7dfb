"""Servers whose listings are wrong: UIDLs, message numbers and sizes, and mailboxes that come and go."""

from __future__ import annotations

from hostile.case import Case, letter, once
from mailsluice_sandbox import Fault, Garbage, Refuse, Relist, Rewrite

VIOLATION = "protocol-violation"


def _uidls(name: str, *uidls: bytes, always: bool = False) -> Case:
    """The mailbox has these UIDLs, and keeps them."""
    return Case(f"has UIDLs that are {name}", ("ok",), uidls=uidls, stored=3, always=always)


_UIDLS = (
    _uidls("paths", b"../../../../tmp/x", b"/etc/cron.d/x", b"..", always=True),
    _uidls("names of files", b".staging", b"x.eml", b"ledger.db"),
    _uidls("shell words", b"$(reboot)", b"`id`;rm|x&", b"'\"\\"),
    _uidls("SQL", b"';DROP/**/TABLE/**/message;--", b"%s%n", b"NULL"),
    _uidls("control characters", b"\x1b[2J\x07", b"\0\0", b"\x7f\x08\x08"),
    _uidls("8-bit", b"\xff\xfe", b"\xc3\xa4", "\u202e\u200b".encode()),
    _uidls("as long as may be", b"u" * 512, b"v" * 512, b"\xff" * 512),
    _uidls("alike but for their case", b"aA", b"AA", b"aa"),
)


def _says(name: str, body: bytes, outcome: str = VIOLATION, stored: int = 0, **facts: object) -> Case:
    """UIDL is answered by this body."""
    return Case(
        f"lists {name}",
        (outcome,),
        faults=once("UIDL", Garbage(b"+OK\r\n" + body + b".\r\n")),
        stored=stored,
        **facts,  # type: ignore[arg-type]
    )


_NUMBERS = (
    _says("a UIDL of 513 octets", b"1 " + b"u" * 513 + b"\r\n", "ok"),
    _says("a UIDL of 4,000 octets", b"1 " + b"u" * 4000 + b"\r\n", "ok"),
    _says("a UIDL with a space", b"1 a b\r\n", "ok"),
    _says("no UIDLs", b"1\r\n2\r\n3\r\n"),
    _says("a negative number", b"-1 a\r\n"),
    _says("the number 0", b"0 a\r\n"),
    _says("a number of 40 digits", b"1" * 40 + b" a\r\n"),
    _says("the number 9,999,999,999", b"9999999999 a\r\n", "messages-refused"),
    _says("a number that overflows 32 bits", b"4294967297 a\r\n", "messages-refused"),
    _says("a number twice", b"1 a\r\n1 b\r\n", "ok"),
    _says("a number in full-width digits", "\uff11 a\r\n".encode()),
    _says("messages that are not there", b"7 a\r\n8 b\r\n", "messages-refused"),
    _says("a line that makes no sense among others", b"1 6499\r\nnonsense\r\n3 6501\r\n", "ok", stored=2),
    _says("lines with bare LFs", b"1 a\n2 b\n3 c\r\n", "ok"),
    _says("lines with bare CRs", b"1 a\r2 b\r\n", "ok"),
    _says("empty lines", b"\r\n\r\n\r\n"),
    _says("a page of HTML", b"<html><body>Please log in</body></html>\r\n"),
    _says("nothing but NUL", b"\0" * 5000 + b"\r\n"),
)


def _sizes(name: str, body: bytes, *, stored: int = 3, **facts: object) -> Case:
    return Case(
        f"lists {name}",
        ("ok",),
        faults=once("LIST", Garbage(b"+OK\r\n" + body + b".\r\n")),
        stored=stored,
        **facts,  # type: ignore[arg-type]
    )


_SIZES = (
    _sizes("no size", b""),
    _sizes("sizes of nothing", b"1 0\r\n2 0\r\n3 0\r\n"),
    _sizes("negative sizes", b"1 -1\r\n2 -99999999999\r\n3 -0\r\n"),
    _sizes("sizes that are no numbers", b"1 big\r\n2 1e9\r\n3 NaN\r\n"),
    _sizes("sizes with too many digits", b"1 " + b"9" * 1000 + b"\r\n"),
    _sizes("one size of a petabyte, once", b"1 1000000000000000\r\n2 100\r\n3 100\r\n"),
    Case(
        "lists sizes beyond max_message, once",
        ("ok",),
        events=("message oversize",),
        faults=once("LIST", Garbage(b"+OK\r\n1 999999999999999\r\n2 100\r\n3 100\r\n.\r\n")),
        stored=2,
    ),
    Case("does not know LIST", ("ok",), faults=once("LIST", Refuse("what?")), stored=3),
)

FIVE = tuple(letter(number) for number in range(5))

_COMINGS_AND_GOINGS = (
    Case(
        "shows no message once, and has kept all",
        ("ok",),
        faults=once("LISTING", Relist.EMPTY),
        known=True,
        gone=3,
        keep=True,
        always=True,
    ),
    Case(
        "shows half of the messages once",
        ("ok",),
        faults=once("LISTING", Relist.SHRUNK),
        known=True,
        gone=2,
        keep=True,
    ),
    Case("shows half of the messages at first", ("ok",), faults=once("LISTING", Relist.SHRUNK), stored=1),
    Case("shows no message at first", ("ok",), faults=once("LISTING", Relist.EMPTY)),
    Case(
        "shows two messages under one UIDL",
        ("ok",),
        events=("uidl ambiguous",),
        faults=once("LISTING", Relist.DUPLICATED),
        stored=3,
    ),
    Case(
        "shows two messages that were stored under one UIDL",
        ("ok",),
        events=("uidl ambiguous",),
        faults=once("LISTING", Relist.DUPLICATED),
        known=True,
        keep=True,
    ),
    Case(
        "numbers its UIDLs anew before it deletes",
        ("ok",),
        faults=once("LISTING", Relist.RENUMBERED),
        stored=3,
    ),
    Case(
        "numbers the UIDLs of all it has kept anew",
        ("ok",),
        faults=once("LISTING", Relist.RENUMBERED),
        mail=FIVE,
        known=True,
        keep=True,
        always=True,
    ),
    Case(
        "lists other sizes of what was stored",
        ("ok",),
        faults=once("LIST", Garbage(b"+OK\r\n1 7\r\n2 7\r\n3 7\r\n.\r\n")),
        known=True,
        keep=True,
    ),
    Case(
        "forgets a deletion, and lists the messages in another order",
        ("ok",),
        faults=(
            Fault("UIDL", Rewrite(lambda answer: [_reversed(answer)])),
            Fault("LIST", Rewrite(lambda answer: [_reversed(answer)])),
        ),
        stored=3,
    ),
)


def _reversed(answer: bytes) -> bytes:
    """The same lines from the last to the first: each message keeps its number."""
    first, *lines, dot, end = answer.split(b"\r\n")
    return b"\r\n".join([first, *lines[::-1], dot, end])


CASES = (*_UIDLS, *_NUMBERS, *_SIZES, *_COMINGS_AND_GOINGS)
