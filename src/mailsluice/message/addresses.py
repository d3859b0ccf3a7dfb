"""Address lists: the names and addresses in a field's value, and a form of them that every parser can read.

Owns the reading of RFC 5322 §3.4, and of what real mail has instead, and the writing of it. Pure and total:
any value gives a list, in linear time. Must never decode an encoded word before the structure was read: a
name that looks like an address must stay a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_USUAL_ADDRESS = r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){0,9}"
_USUAL = re.compile(
    rf"""(?: (?:[ \t]*"([^"\\]*)"[ \t]*|([^"()<>,;:@]*)) <({_USUAL_ADDRESS})> | [ \t]*({_USUAL_ADDRESS}) )
    [ \t]*(?:,|\Z)""",
    re.VERBOSE,
)
"""A usual entry, with the comma after it. `_Entries` would read it the same, but takes ten times as long."""

_STRING = r'"[^"\\]*"|\([^()\\]*\)|["(]'
"""A string or a comment: separators in it do not count. Only a simple one is matched to its end."""
_HIDING = re.compile(_STRING)
_SPECIAL = re.compile(rf"{_STRING}|@\[[\w:.-]*\]|[<:]|,[, \t]*|;[; \t]*")
_IN_ANGLE = re.compile(rf"{_STRING}|[<>,;]")
_IN_QUOTES = re.compile(r'\\.|"', re.DOTALL)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SEPARATORS = " \t,:"

_ROUTE = re.compile(r"[^[]*:")
"""This may stand before an address in `<>`: an obsolete route (RFC 5322 §4.4), or `mailto:`."""
_LOCAL = re.compile(r'(?!\.)[^ "(),:;<>@\[\\\]]+')
"""A local part without quotes. Some real ones have two dots in a row, or one at the end."""
_DOMAIN = re.compile(r'(?!\.|.*\.\.)[^ "(),:;<>@\[\\\]]+(?<!\.)|\[[\w:.-]+\]')
_PLAIN_NAME = re.compile(r"[\w !#$%&'*+/=?^`{|}~-]+")

Words = Callable[[str], str]
"""Turns a name or a comment, as the value has it, into text for people."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An entry of an address list: its name and its address. One of them may be empty."""

    name: str
    address: str

    def __str__(self) -> str:
        """As it stands in a list. A name alone is written as a group without members (RFC 5322 §3.4)."""
        if not self.address:
            return f"{_phrase(self.name)}:;"
        return f"{_phrase(self.name)} <{self.address}>" if self.name else self.address


def parse(value: str, words: Words) -> Iterator[Mailbox]:
    """The entries of an unfolded value, in their order.

    A group gives one entry with its name and no address, then its members. Text that is no address gives an
    entry with that text as its name.
    """
    at = 0
    while usual := _USUAL.match(value, at):
        quoted, plain, named, alone = usual.groups("")
        yield Mailbox(_evenly_spaced(words(quoted or plain)), named or alone)
        at = usual.end()
    if at < len(value):
        found = (_mailbox(entry, words) for entry in _Entries(value[at:]))
        yield from (mailbox for mailbox in found if mailbox.name or mailbox.address)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The text outside of `<>`, and the text inside; None if the entry has no `<>`."""

    outside: str
    inside: str | None = None


class _Entries:
    """The value's entries as they stand: strings and comments are not decoded.

    If a comma or a colon follows words without an address, these words are the beginning of the next entry's
    name: its sender forgot the quotes. A colon ends a group's name only if a semicolon follows somewhere.
    """

    def __init__(self, value: str) -> None:
        self._value = value
        self._group_end = value.rfind(";")
        # The positions where the entry's name begins, and where the text after the last separator begins.
        self._name = self._begin = 0
        # The positions of `<`, of the end of the text inside, and of the text after `>`.
        self._angle: tuple[int, int, int] | None = None

    def __iter__(self) -> Iterator[_Entry]:
        at = 0
        while special := _SPECIAL.search(self._value, at):
            at = special.end()
            kind = special[0][0]
            if kind in '"(':
                _, at = _closing(self._value, special)
            elif kind == "<":
                if self._angle:  # a comma is missing
                    yield from self._until(self._angle[2], self._angle[2])
                inside, at = _closing_angle(self._value, at)
                self._angle = special.start(), inside, at
            elif kind in ",:" and self._is_name_so_far(kind, special.start()):
                self._begin = at
            elif kind in ",;:":
                yield from self._until(special.start(), at)
        yield from self._until(len(self._value), len(self._value))

    def _is_name_so_far(self, kind: str, end: int) -> bool:
        """Whether the text before this separator may be the beginning of a name."""
        if self._angle or (kind == ":" and end < self._group_end):
            return False
        words = self._value[self._begin : end]
        return "@" not in words and bool(words.strip(_SEPARATORS))

    def _until(self, end: int, behind: int) -> Iterator[_Entry]:
        """The entries that end at `end`. The next one begins at `behind`."""
        value, name = self._value, self._name
        if self._angle:
            start, inside, rest = self._angle
            yield _Entry(f"{value[name:start]} {value[rest:end]}", value[start + 1 : inside])
        else:
            begin = self._begin if value.find("@", self._begin, end) >= 0 else end
            for entry in (value[name:begin].rstrip(_SEPARATORS), value[begin:end]):
                if entry.strip():
                    yield _Entry(entry)
        self._name = self._begin = behind
        self._angle = None


def _closing(value: str, opening: re.Match[str]) -> tuple[int, int]:
    """The positions where the text of this string or comment ends, and where the text after it begins.

    Both are the value's end if nothing closes it.
    """
    if len(opening[0]) > 1:
        return opening.end() - 1, opening.end()
    depth = 1
    for found in (_IN_QUOTES if opening[0] == '"' else _IN_COMMENT).finditer(value, opening.end()):
        if found[0] == "(":
            depth += 1
        elif found[0] in {'"', ")"}:
            depth -= 1
        if not depth:
            return found.span()
    return len(value), len(value)


def _closing_angle(value: str, start: int) -> tuple[int, int]:
    """As `_closing`, for the `<` before `start`.

    If `>` is missing, the first character that cannot stand inside closes it. A comma can stand inside only
    in a route.
    """
    is_route = value.startswith("@", start)
    at = start
    while special := _IN_ANGLE.search(value, at):
        at = special.end()
        kind = special[0][0]
        if kind in '"(':
            _, at = _closing(value, special)
        elif kind == ">":
            return special.span()
        elif kind != "," or not is_route:
            return special.start(), special.start()
    return len(value), len(value)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a text in order, each with its kind: `"` for a string, `(` for a comment, or empty."""
    at = 0
    while hiding := _HIDING.search(text, at):
        yield "", text[at : hiding.start()]
        end, at = _closing(text, hiding)
        yield hiding[0][0], _ESCAPED.sub(r"\1", text[hiding.start() + 1 : end])
    yield "", text[at:]


def _mailbox(entry: _Entry, words: Words) -> Mailbox:
    if entry.inside is None:
        return _without_angle(entry.outside, words)
    if address := _address(entry.inside):
        return Mailbox(_name(entry.outside, words), address)
    return Mailbox(_name(f"{entry.outside} <{entry.inside}>", words), "")


def _without_angle(text: str, words: Words) -> Mailbox:
    """Reads an address alone (its comment is the name), a name and address without `<>`, or a name alone."""
    if "@" in text:
        if address := _address(text):
            return Mailbox(_comments(text, words), address)
        before, last = _last_word(text)
        if "@" not in _only(before, "") and (address := _address(last)):
            return Mailbox(_name(before, words), address)
    return Mailbox(_name(text, words), "")


def _last_word(text: str) -> tuple[str, str]:
    """The text before the last word, and that word; empty if it is in a string or a comment."""
    outside = 0
    while hiding := _HIDING.search(text, outside):
        _, outside = _closing(text, hiding)
    end = text.rstrip(" \t")
    begin = max(end.rfind(" ", outside), end.rfind("\t", outside)) + 1
    return (text[:begin], text[begin:]) if begin else (text, "")


def _name(text: str, words: Words) -> str:
    """A name for people, with its comments after it in parentheses. Without a name, the comments alone."""
    if '"' not in text and "(" not in text:
        return _evenly_spaced(words(text))
    name = "".join(piece for kind, piece in _pieces(text) if kind != "(")
    name, comments = _evenly_spaced(words(name)), _comments(text, words)
    return f"{name} ({comments})" if name and comments else name or comments


def _comments(text: str, words: Words) -> str:
    return _evenly_spaced(words(_only(text, "(")))


def _only(text: str, wanted: str) -> str:
    return " ".join(piece for kind, piece in _pieces(text) if piece and kind == wanted)


def _evenly_spaced(text: str) -> str:
    """The text with one space between words: some parsers keep only one."""
    while "  " in text:
        text = text.replace("  ", " ")
    return text


def _address(text: str) -> str:
    """The text as an addr-spec without comments, in its plainest form. Empty if it is no addr-spec."""
    if "@" not in text:
        return ""
    quoted, outside = _quoted_and_outside(text)
    plain = _evenly_spaced(outside.replace("\t", " ")).strip()
    for spaced in (" .", ". ", " @", "@ "):  # obsolete, but must be accepted (RFC 5322 §4.4)
        plain = plain.replace(spaced, spaced.strip())
    if not quoted and (route := _ROUTE.match(plain)):
        plain = plain[route.end() :]
    local, _, domain = plain.partition("@")
    if bool(quoted) == bool(local) or not _DOMAIN.fullmatch(domain) or not _is_safe(quoted + plain):
        return ""
    if _LOCAL.fullmatch(quoted or local):
        return f"{quoted or local}@{domain}"
    return f"{_in_quotes(quoted)}@{domain}" if quoted else ""


def _quoted_and_outside(text: str) -> tuple[str, str]:
    """The string at the beginning of an address, and the rest. Both are empty if another string follows."""
    quoted = ""
    outside: list[str] = []
    for kind, piece in _pieces(text):
        if kind == '"':
            if quoted or any(map(str.strip, outside)):
                return "", ""
            quoted = piece
        elif piece:
            outside.append(" " if kind else piece)
    return quoted, "".join(outside)


def _is_safe(address: str) -> bool:
    """Whether every parser reads the same address. Some decode what looks like an encoded word."""
    return address.isprintable() and not any(odd in address for odd in ("=?", "\ufffd", "  "))


def _phrase(name: str) -> str:
    """A name in the form that a list may have it: in quotes if it needs them."""
    return name if _PLAIN_NAME.fullmatch(name) and "=?" not in name else _in_quotes(name)


def _in_quotes(text: str) -> str:
    """The text in quotes. Some parsers decode encoded words even there, so `=?` is escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("=?", "=\\?")
    return f'"{escaped}"'
