"""Access tokens from an administrator's own program.

Owns what the program must print: the token of one mailbox. Must never repeat that.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailsluice.auth.sources.program import DEADLINE, Program
from mailsluice.auth.sources.source import Token, problem
from mailsluice.errors import TokenRefused, TokenUnavailable


class CommandSource:
    """The tokens that a program prints for one mailbox (a `TokenSource`).

    In the arguments of `command`, `{address}` stands for the mailbox's address. The program is run as
    `program.Program` says, with these `variables` and this `deadline`.
    """

    def __init__(
        self,
        command: Sequence[str],
        address: str,
        *,
        variables: Sequence[str] = (),
        deadline: float = DEADLINE,
    ) -> None:
        program, *arguments = command
        argv = [program, *(argument.replace("{address}", address) for argument in arguments)]
        self._program = Program("token command", argv, variables=variables, deadline=deadline)

    def ask(self) -> Token:
        """Run the program, and take its output as a token. Its lifetime is not known, so it is not kept.

        Raises TokenRefused if the program may not or cannot be run, fails, or prints no token. Raises
        TokenUnavailable if it does not end in time.
        """
        token = self._program.printed()
        if wrong := problem(token):
            raise TokenRefused(
                f"{self._program.name} printed no token: {wrong}",
                remedy="it must print only the access token; anything else belongs on standard error",
            )
        return Token(token, lifetime=0.0)

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why the program could not be asked."""
        return TokenUnavailable(
            f"no token from {self._program.name}: {why}",
            remedy=f"{self._program.by_hand}; it must not ask for anything",
        )
