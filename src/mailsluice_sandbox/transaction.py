"""POP3's TRANSACTION state (RFC 1939 §5): the commands of a session after the login.

Owns the session's snapshot and its marks for deletion. Each command returns its whole answer as octets. Must
never touch the connection.
"""

from __future__ import annotations

from collections.abc import Callable

from mailsluice_sandbox.mailbox import Entry, SandboxMailbox, SessionRecord

_NO_SUCH_MESSAGE = b"-ERR The message number is not valid.\r\n"


class Transaction:
    """A session on a snapshot of a mailbox. Arguments are as the client sent them."""

    def __init__(self, mailbox: SandboxMailbox, entries: tuple[Entry, ...], record: SessionRecord) -> None:
        self.mailbox = mailbox
        self.record = record
        self._entries = dict(enumerate(entries, 1))
        self._marked: set[int] = set()

    def entry(self, argument: str) -> Entry | None:
        """The message with this number; None if there is none, or if it is marked for deletion."""
        return self._find(argument)[1]

    def stat(self, _argument: str) -> bytes:
        """STAT, with the sizes that LIST gives."""
        entries = self._shown().values()
        return b"+OK %d %d\r\n" % (len(entries), sum(entry.size for entry in entries))

    def list(self, argument: str) -> bytes:
        """LIST, of one message or all."""
        return self._scan(argument, lambda entry: b"%d" % entry.size)

    def uidl(self, argument: str) -> bytes:
        """UIDL, of one message or all."""
        return self._scan(argument, lambda entry: entry.uidl)

    def retr(self, argument: str) -> bytes:
        """RETR: the message, its dots stuffed."""
        entry = self.entry(argument)
        if entry is None:
            return _NO_SUCH_MESSAGE
        self.record.retrieved.append(entry.uidl)
        self.mailbox.note_retrieval(entry.message)
        return b"+OK\r\n%b.\r\n" % stuffed(entry.message.octets)

    def top(self, argument: str) -> bytes:
        """TOP: the header and the first lines of the body."""
        number, _, count = argument.partition(" ")
        entry = self.entry(number)
        if entry is None or not count.isdecimal():
            return _NO_SUCH_MESSAGE
        header, blank, body = entry.message.octets.partition(b"\r\n\r\n")
        lines = body.split(b"\r\n", int(count))[: int(count)]
        return b"+OK\r\n%b.\r\n" % stuffed(header + blank + b"\r\n".join(lines))

    def dele(self, argument: str) -> bytes:
        """DELE: a mark, which QUIT turns into a deletion."""
        number, entry = self._find(argument)
        if entry is None:
            return _NO_SUCH_MESSAGE
        self._marked.add(number)
        return b"+OK\r\n"

    def rset(self, _argument: str) -> bytes:
        """RSET: no message is marked any more."""
        self._marked.clear()
        return b"+OK\r\n"

    def noop(self, _argument: str) -> bytes:
        """NOOP."""
        return b"+OK\r\n"

    def update(self) -> None:
        """The UPDATE state (RFC 1939 §6): delete what is marked."""
        marked = [self._entries[number] for number in sorted(self._marked)]
        self.mailbox.remove([entry.message for entry in marked])
        self.record.deleted += [entry.uidl for entry in marked]
        self.record.finished = True

    def _find(self, argument: str) -> tuple[int, Entry | None]:
        number = int(argument) if argument.isascii() and argument.isdecimal() else 0
        return number, None if number in self._marked else self._entries.get(number)

    def _shown(self) -> dict[int, Entry]:
        return {number: entry for number, entry in self._entries.items() if number not in self._marked}

    def _scan(self, argument: str, fact: Callable[[Entry], bytes]) -> bytes:
        if argument:
            number, entry = self._find(argument)
            return b"+OK %d %b\r\n" % (number, fact(entry)) if entry else _NO_SUCH_MESSAGE
        lines = (b"%d %b\r\n" % (number, fact(entry)) for number, entry in self._shown().items())
        return b"".join((b"+OK\r\n", *lines, b".\r\n"))


def stuffed(octets: bytes) -> bytes:
    """A message on the wire (RFC 1939 §3): with stuffed dots, and with a last line end, as Exchange adds it.

    A line begins only after CRLF: a dot after a bare LF is data.
    """
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    first = b"." if octets.startswith(b".") else b""
    return first + octets.replace(b"\r\n.", b"\r\n..")
