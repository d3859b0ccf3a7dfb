from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.hand_clock import HandClock
from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.assertion import kept_assertion, printed_assertion, problem_of
from mailsluice.auth.sources.program import Program
from mailsluice.config.types import Scheme, SecretRef
from mailsluice.errors import MailsluiceError, SecretError, TokenRefused
from support.proofs import assertion, written
from support.reach import run_in_shell
from support.users import ANN, NOGROUP, acting_as, common_ground, need_root

HOUR = timedelta(hours=1)


@pytest.fixture
def good(clock: HandClock) -> str:
    return assertion(clock.now() + HOUR)


@pytest.fixture
def file(tmp_path: Path, good: str) -> Path:
    return written(tmp_path / "token", good)


@pytest.fixture
def read(file: Path, tmp_path: Path, clock: HandClock) -> Callable[[], str]:
    return kept_assertion(SecretRef("file", str(file)), Secrets(tmp_path / "state", "sealed"), clock)


def told(read: Callable[[], str]) -> MailsluiceError:
    with pytest.raises((SecretError, TokenRefused)) as caught:
        read()
    assert caught.value.remedy
    assert "eyJ" not in f"{caught.value} {caught.value.remedy}"
    assert "canary" not in f"{caught.value} {caught.value.remedy}"
    return caught.value


class TestFile:
    @pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
    def test_it_is_read_without_the_line_ends_around_it(
        self, file: Path, read: Callable[[], str], good: str, end: str
    ) -> None:
        written(file, good + end)
        assert read() == good

    def test_it_is_read_again_each_time(self, file: Path, read: Callable[[], str], clock: HandClock) -> None:
        read()
        new = assertion(clock.now() + 2 * HOUR)
        written(file.with_name("new"), new).rename(file)
        assert read() == new

    def test_kubernetes_swaps_it_by_a_link_to_a_directory(
        self, tmp_path: Path, clock: HandClock, good: str
    ) -> None:
        mount = tmp_path / "tokens"
        mount.mkdir()
        new = assertion(clock.now() + 2 * HOUR)
        for number, token in enumerate((good, new)):
            (mount / f"..{number}").mkdir()
            written(mount / f"..{number}" / "token", token, 0o640)
        (mount / "..data").symlink_to("..0")
        (mount / "token").symlink_to("..data/token")
        read = kept_assertion(SecretRef("file", str(mount / "token")), Secrets(tmp_path, "sealed"), clock)
        assert read() == good
        (mount / "..data_tmp").symlink_to("..1")
        (mount / "..data_tmp").rename(mount / "..data")
        assert read() == new

    def test_one_of_root_is_read_by_the_group_of_the_pod(self, clock: HandClock, good: str) -> None:
        need_root()
        with common_ground() as ground:
            path = written(ground / "token", good, 0o640)
            os.chown(path, 0, NOGROUP)
            with acting_as(ANN):
                assert (
                    kept_assertion(SecretRef("file", str(path)), Secrets(ground, "sealed"), clock)() == good
                )

    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o777])
    def test_one_that_others_can_read_or_change_is_refused_and_the_remedy_works(
        self, file: Path, read: Callable[[], str], good: str, mode: int
    ) -> None:
        file.chmod(mode)
        error = told(read)
        assert f"its mode is {mode:04o}" in str(error)
        assert "runAsUser or fsGroup" in error.remedy
        run_in_shell(error.remedy.rpartition("elsewhere: ")[2])
        assert read() == good

    def test_one_of_another_user_is_refused(self, file: Path, read: Callable[[], str]) -> None:
        need_root()
        os.chown(file, ANN, 0)
        assert "belongs to another user" in str(told(read))

    def test_one_that_is_missing_sends_to_whatever_writes_it(
        self, file: Path, read: Callable[[], str]
    ) -> None:
        file.unlink()
        error = told(read)
        assert str(error) == f"file:{file}: No such file or directory"
        assert error.remedy.startswith(f"see whether whatever writes {file} still runs")

    @pytest.mark.parametrize("content", ["", "\n", " "])
    def test_one_that_is_empty_sends_there_too(
        self, file: Path, read: Callable[[], str], content: str
    ) -> None:
        written(file, content)
        error = told(read)
        assert str(error) == f"file:{file}: the assertion is empty"
        assert error.remedy.startswith(f"see whether whatever writes {file} still runs")

    def test_one_that_is_stale_is_told_with_its_end_and_our_clock(
        self, file: Path, read: Callable[[], str], clock: HandClock
    ) -> None:
        clock.seconds = 2 * 3600.0
        written(file, assertion(clock.now() - HOUR))
        error = told(read)
        assert str(error) == (
            f"file:{file}: the assertion ended at 2026-01-01 01:00:00 UTC, "
            "and this machine's clock says 2026-01-01 02:00:00 UTC"
        )
        assert f"whatever writes {file} still runs, and whether the clock is right" in error.remedy


@pytest.mark.parametrize("scheme", ["env", "credential", "keyring"])
def test_one_that_cannot_be_renewed_where_it_is_sends_to_a_place_where_it_can(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, scheme: Scheme
) -> None:
    stale = assertion(clock.now() - HOUR)
    secrets = Secrets(tmp_path / "state", "sealed")
    secrets.store("TOKEN", stale)
    monkeypatch.setenv("TOKEN", stale)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(written(tmp_path / "TOKEN", stale).parent))
    error = told(kept_assertion(SecretRef(scheme, "TOKEN"), secrets, clock))
    assert str(error).startswith(f"{scheme}:TOKEN: the assertion ended at ")
    assert "`assertion` with file:PATH, or `assertion_command`" in error.remedy


class TestProgram:
    def test_it_prints_one_each_time(self, file: Path, clock: HandClock, good: str) -> None:
        assert printed_assertion(Program("assertion command", ("/bin/cat", str(file))), clock)() == good

    @pytest.mark.parametrize("text", ["", "canary", "a.b"])
    def test_what_is_none_is_told_with_the_program(self, clock: HandClock, text: str) -> None:
        error = told(printed_assertion(Program("assertion command", ("/bin/echo", text)), clock))
        assert isinstance(error, TokenRefused)
        assert str(error).startswith("the assertion command /bin/echo printed no good assertion: it is ")
        assert error.remedy.startswith("run /bin/echo by hand, as the service's user")

    def test_a_stale_one_is_told_with_its_end(self, tmp_path: Path, clock: HandClock) -> None:
        stale = written(tmp_path / "stale", assertion(clock.now() - HOUR))
        error = told(printed_assertion(Program("assertion command", ("/bin/cat", str(stale))), clock))
        assert "printed no good assertion: it ended at " in str(error)

    def test_its_failure_is_that_of_an_assertion_command(self, clock: HandClock) -> None:
        error = told(printed_assertion(Program("assertion command", ("/bin/false",)), clock))
        assert str(error) == "the assertion command /bin/false ended with exit code 1"


@pytest.mark.parametrize(
    "text",
    ["a", "a.b", "a.b.c.d", "..", "a..c", "a.b.", "a.b c.d", "a.b.\u00e9", "<html>.x.</html>\n", "." * 3],
)
def test_what_has_no_three_parts_is_no_jwt(text: str) -> None:
    assert problem_of(text, HandClock().now()) == "is not a JWT, which has three parts with dots between them"


def test_a_clock_that_is_a_minute_ahead_does_no_harm(clock: HandClock) -> None:
    token = assertion(clock.now())
    clock.seconds += 60
    assert problem_of(token, clock.now()) == ""
    clock.seconds += 1
    assert problem_of(token, clock.now()).startswith("ended at ")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"exp": null}',
        b'{"exp": "soon"}',
        b'{"exp": 1e400}',
        b'{"exp": NaN}',
        b"[" * 9999,
        b"\xff",
    ],
)
def test_an_end_that_cannot_be_read_is_left_to_the_provider(payload: bytes) -> None:
    body = base64.urlsafe_b64encode(payload or b" ").decode().rstrip("=")
    assert problem_of(f"a.{body}.c", HandClock().now()) == ""


@given(
    st.text() | st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists).map(json.dumps)
)
def test_whatever_it_has_in_it_is_no_error(claim: str) -> None:
    body = base64.urlsafe_b64encode(f'{{"exp": {claim}}}'.encode(errors="replace")).decode().rstrip("=")
    assert problem_of(f"a.{body}.c", HandClock().now()).isprintable()
