"""What PowerShell makes of a line: its text in quotes, and all else.

Owns the rules of about_Quoting_Rules and about_Comments, as far as our lines use them.
"""

from __future__ import annotations

QUOTES = "'\u2018\u2019\u201a\u201b"
"""All of these begin and end a text, in any pair."""
_DOUBLE = '"\u201c\u201d\u201e'


def bones(line: str) -> str:
    """The line with each quoted text as `S`, up to a comment. Raises ValueError if a text has no end."""
    out, at = [], 0
    while at < len(line):
        character = line[at]
        if character in QUOTES:
            at = _end(line, at + 1)
            out.append("S")
        elif character in _DOUBLE:
            at = line.index('"', at + 1)
            out.append("D")
        elif character == "#" and (at == 0 or line[at - 1].isspace()):
            break
        else:
            out.append(character)
        at += 1
    return "".join(out)


def texts(line: str) -> list[str]:
    """The texts in single quotes, as PowerShell passes them on."""
    found, at = [], 0
    while at < len(line):
        if line[at] in QUOTES:
            end = _end(line, at + 1)
            inner = line[at + 1 : end]
            for mark in QUOTES:
                inner = inner.replace(mark * 2, mark)
            found.append(inner)
            at = end
        elif line[at] == '"':
            at = line.index('"', at + 1)
        at += 1
    return found


def _end(line: str, at: int) -> int:
    """Where the text ends that begins here: at a quote that is not doubled."""
    while at < len(line):
        if line[at] in QUOTES:
            if at + 1 < len(line) and line[at + 1] in QUOTES:
                at += 1
            else:
                return at
        at += 1
    raise ValueError(f"a text without an end: {line}")
