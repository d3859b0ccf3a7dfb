from __future__ import annotations

from support.fixtures import (
    authority,
    bare_environment,
    ca_file,
    clock,
    connections,
    credential,
    endpoint,
    hand_clock,
    http,
)

__all__ = [
    "authority",
    "bare_environment",
    "ca_file",
    "clock",
    "connections",
    "credential",
    "endpoint",
    "hand_clock",
    "http",
]
