from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from auth.sources.printed import command_token
from mailsluice.errors import TokenRefused, TokenUnavailable

ADDRESS = "a@b.example"
PYTHON = os.path.realpath(sys.executable)
"""Not the link to it in the environment of the tests, which may lie where others write."""


def script(code: str, *arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-c", f"import os, sys, time\n{code}", *arguments)


def test_standard_output_is_the_token() -> None:
    assert command_token(script("print('  canary-token  ')"), ADDRESS) == "canary-token"


def test_the_address_is_put_into_arguments_and_no_shell_reads_them() -> None:
    command = script("print('|'.join(sys.argv[1:]))", "{address}", "--user={address}", "$(id);{other}")
    assert command_token(command, ADDRESS) == "a@b.example|--user=a@b.example|$(id);{other}"


def test_standard_input_is_not_ours() -> None:
    ours, end = os.pipe()
    os.write(end, b"what is typed")
    os.close(end)
    kept = os.dup(0)
    os.dup2(ours, 0)
    try:
        assert command_token(script("print(f'read-{len(sys.stdin.read())}')"), ADDRESS) == "read-0"
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(ours)


def test_what_it_says_on_standard_error_does_not_matter_if_it_succeeds() -> None:
    command = script("print('canary-token'); print('warning', file=sys.stderr)")
    assert command_token(command, ADDRESS) == "canary-token"


@pytest.mark.parametrize("output", ["", " \n ", "canary token", "canary\ncanary", "canary\u00e9"])
def test_output_that_is_no_token_is_refused_and_not_repeated(output: str) -> None:
    command = script(f"sys.stdout.buffer.write({output!r}.encode())")
    with pytest.raises(TokenRefused, match="printed no token") as caught:
        command_token(command, ADDRESS)
    assert "canary" not in str(caught.value)


def test_failure_tells_the_exit_code_and_the_last_words() -> None:
    command = script("print('first', file=sys.stderr); sys.exit('the account is \\x1b[31mlock\x07ed\\n')")
    with pytest.raises(TokenRefused, match=r"ended with exit code 1: the account is lock\?ed$") as caught:
        command_token(command, ADDRESS)
    assert PYTHON in str(caught.value)
    assert caught.value.remedy


def test_failure_by_a_signal_is_told_as_one() -> None:
    with pytest.raises(TokenRefused, match=r"ended by signal 15$"):
        command_token(script("os.kill(os.getpid(), 15)"), ADDRESS)


def test_a_token_in_its_last_words_is_taken_out() -> None:
    command = script("print('canary-token'); sys.exit('cannot cache canary-token: disk full')")
    with pytest.raises(TokenRefused, match=r"cannot cache \[redacted\]: disk full") as caught:
        command_token(command, ADDRESS)
    assert "canary" not in str(caught.value)


def test_long_last_words_are_cut() -> None:
    with pytest.raises(TokenRefused) as caught:
        command_token(script("sys.exit('x' * 100_000)"), ADDRESS)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("program", ["/nowhere/token", "/etc/hostname", "/etc"])
def test_a_program_that_cannot_be_started_is_named(program: str) -> None:
    with pytest.raises(TokenRefused, match=f"{program} cannot be started: "):
        command_token((program,), ADDRESS)


def test_arguments_that_no_program_can_have_are_refused() -> None:
    with pytest.raises(TokenRefused, match="cannot be started"):
        command_token(("/bin/echo", "a\0b"), ADDRESS)


def test_at_the_deadline_it_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """Both processes hold a pipe open for writing: that its end can be read proves that both are gone."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command = ("/bin/sh", "-c", 'exec 3>"$1"; echo started >&3; sleep 50 & sleep 50', "sh", str(pipe))
    with pytest.raises(TokenUnavailable, match="killed"):
        command_token(command, ADDRESS, deadline=0.5)
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as end:
        assert end.read() == b"started\n"


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_one_that_may_not_be_killed_is_left_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under sudo. That it cannot write to us any more proves that our ends of its pipes are closed."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    groups: list[int] = []

    def forbidden(group: int, _signal: int) -> None:
        groups.append(group)
        raise PermissionError

    monkeypatch.setattr(os, "killpg", forbidden)
    code = "trap '' PIPE; exec 3>\"$1\"; until ! echo x 2>&3; do sleep 0.05; done; echo closed >&3"
    with pytest.raises(TokenUnavailable, match="cannot be killed"):
        command_token(("/bin/sh", "-c", code, "sh", str(pipe)), ADDRESS, deadline=0.3)
    assert len(groups) == 1
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as end:
        assert end.read().endswith(b"closed\n")


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_flood_is_not_kept_and_ends_at_the_deadline(descriptor: int) -> None:
    command = ("/bin/sh", "-c", f"exec yes canary >&{descriptor}")
    tracemalloc.start()
    try:
        with pytest.raises(TokenUnavailable):
            command_token(command, ADDRESS, deadline=0.3)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * 1024 * 1024


def test_a_token_of_the_greatest_length_comes_whole() -> None:
    assert command_token(script("print('c' * 65535)"), ADDRESS) == "c" * 65535
    with pytest.raises(TokenRefused, match="printed no token"):
        command_token(script("print('c' * 300_000)"), ADDRESS)


def test_a_program_that_closes_its_output_and_stays_is_killed() -> None:
    command = ("/bin/sh", "-c", "exec >&- 2>&-; exec sleep 50")
    with pytest.raises(TokenUnavailable):
        command_token(command, ADDRESS, deadline=0.3)


def test_a_child_that_outlives_it_with_its_output_open_does_not_hold_us() -> None:
    command = script("print('canary-token', flush=True); os.fork() or time.sleep(50)")
    with pytest.raises(TokenUnavailable):
        command_token(command, ADDRESS, deadline=0.3)
