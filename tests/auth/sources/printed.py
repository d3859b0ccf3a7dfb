"""What a token command prints, as the tests ask for it."""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.auth.sources.command import CommandSource


def command_token(
    command: Sequence[str], address: str, *, variables: Sequence[str] = (), deadline: float = 30
) -> str:
    return CommandSource(command, address, variables=variables, deadline=deadline).ask().value
