"""A program of an administrator's own that prints a token or an assertion.

Owns how such a program is run, with which environment, and for how long. Must never use a shell, or run a
file that others may write. Must never repeat what the program printed on standard output: that is the secret.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from mailsluice.errors import TokenRefused, TokenUnavailable
from mailsluice.files.trust import files_of_command, problem_of_obeyed
from mailsluice.obs.clean import foreign_words, without

DEADLINE = 30.0
"""Seconds for a program to end. A daemon that is asked to stop may have to wait as long."""
LAST_WAIT = 1.0
"""Seconds to wait for a killed program. One that runs as another user, by sudo, cannot be killed."""
_LONGEST_WORDS = 300
_KEPT = 128 * 1024
_HEARD_OUT = 16 * 1024
"""Octets at the end of standard error from which the last line is taken."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""As systemd has it for a service. So the program finds the same programs however mailsluice was started."""


class Program:
    """A program and its arguments. Errors call it by `kind`: a token command, or an assertion command.

    It gets only these `variables` of our environment, and PATH. It has `deadline` seconds. Then it and every
    process that it started are killed, if we may kill them.
    """

    def __init__(
        self, kind: str, argv: Sequence[str], *, variables: Sequence[str] = (), deadline: float = DEADLINE
    ) -> None:
        self.name = f"the {kind} {argv[0]}"
        """What errors call it."""
        self.by_hand = f"run {argv[0]} by hand, as the service's user"
        """What to do if it fails."""
        self._argv = argv
        self._variables = variables
        self._deadline = deadline

    def printed(self) -> str:
        """Run it. What it prints on standard output, without spaces around it; it may be empty.

        Raises TokenRefused if it may not or cannot be run, or fails. Raises TokenUnavailable if it does not
        end in time.
        """
        status, output, complaint = self._run()
        if status:
            how = f"ended with exit code {status}" if status > 0 else f"was ended by signal {-status}"
            words = _last_line(complaint, output)
            raise TokenRefused(f"{self.name} {how}" + (f": {words}" if words else ""), remedy=self.by_hand)
        return output.decode("ascii", errors="replace").strip()

    def _run(self) -> tuple[int, bytes, bytes]:
        """Exit status, standard output and standard error."""
        process = self._start()
        try:
            output, complaint = _hear(process, self._deadline)
        except subprocess.TimeoutExpired:
            end = "was killed" if _kill(process) else "cannot be killed: it still runs"
            raise TokenUnavailable(
                f"{self.name} had not ended after {self._deadline:.0f} seconds, and {end}",
                remedy=f"{self.by_hand}; it must not ask for anything",
            ) from None
        finally:
            # Not `with process`: that waits for the process without a limit.
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        return process.returncode, output, complaint

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            self._judge()
            # It has a session of its own, so that every process it starts can be killed with it. It runs in
            # `/`, so that it does not depend on where mailsluice was started; `_judge` reads relative paths
            # so, too.
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=_environment(self._variables),
                cwd="/",
            )
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "no program can have its arguments"
            raise TokenRefused(
                f"{self.name} cannot be started: {why}",
                remedy="make sure that it is there, and that the service's user may execute it",
            ) from exc

    def _judge(self) -> None:
        """Refuse a file that others may change. Checked each time, because its mode may have changed."""
        for file in files_of_command(self._argv):
            if found := problem_of_obeyed(file):
                raise TokenRefused(f"{self.name} is not run, because {found.what}", remedy=found.remedy)


def _environment(variables: Sequence[str]) -> Mapping[str, str]:
    return {"PATH": _PATH} | {name: os.environ[name] for name in variables if name in os.environ}


def _kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill it and all that it started. Returns whether it is gone itself; if not, a later Popen reaps it."""
    with suppress(PermissionError):  # we may kill none of these processes
        # Safe: the program was not waited for yet, so no other process group can have its number.
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(LAST_WAIT)
    except subprocess.TimeoutExpired:
        return False
    return True


def _hear(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Standard output and error until the process has ended. Only the last _KEPT octets of each are kept.

    `communicate` would keep everything, however much a faulty program prints. Raises
    subprocess.TimeoutExpired.
    """
    end = time.monotonic() + deadline
    heard = {stream.fileno(): b"" for stream in (process.stdout, process.stderr) if stream}
    with selectors.DefaultSelector() as selector:
        for descriptor in heard:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, deadline)
            for key, _ in selector.select(left):
                octets = os.read(key.fd, _KEPT)
                heard[key.fd] = (heard[key.fd] + octets)[-_KEPT:]
                if not octets:
                    selector.unregister(key.fd)
    process.wait(max(0.0, end - time.monotonic()))
    output, complaint = heard.values()
    return output, complaint


def _last_line(complaint: bytes, output: bytes) -> str:
    """The last line on standard error: printable, of bounded length, and without secrets."""
    text = complaint[-_HEARD_OUT:].decode("utf-8", errors="replace")
    if len(complaint) > _HEARD_OUT:
        text = " ".join(text.split(maxsplit=1)[1:])  # the first word may be the rest of a secret
    text = foreign_words(without(text, output.decode("utf-8", errors="replace")))
    lines = text.strip().splitlines()
    return "".join(c if c.isprintable() else "?" for c in lines[-1])[:_LONGEST_WORDS] if lines else ""
