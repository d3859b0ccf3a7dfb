from __future__ import annotations

from support.fixtures import (
    authority,
    bare_environment,
    behind_a_firewall,
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
    "behind_a_firewall",
    "ca_file",
    "clock",
    "connections",
    "credential",
    "endpoint",
    "hand_clock",
    "http",
]
