"""The client's line after AUTH: SASL's XOAUTH2 and PLAIN, parsed.

Owns the two formats. Must never decide who may log in.
"""

from __future__ import annotations

import base64
import binascii
import re

_XOAUTH2 = re.compile(r"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01")


def xoauth2(line: bytes) -> tuple[str, str] | None:
    """Address and token of base64 `user=<address>^Aauth=Bearer <token>^A^A`; None for anything else."""
    match = _XOAUTH2.fullmatch(_decoded(line))
    return (match[1], match[2]) if match else None


def plain(line: bytes) -> tuple[str, str] | None:
    """Address and password of base64 `[authzid]^@<address>^@<password>` (RFC 4616), or None."""
    parts = _decoded(line).split("\0")
    return (parts[1], parts[2]) if len(parts) == 3 else None


def _decoded(line: bytes) -> str:
    try:
        return base64.b64decode(line, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
