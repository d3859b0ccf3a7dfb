"""What `status` shows of what the ledger has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mailsluice.cli.main import Settings
from mailsluice.cli.status import command
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config
from mailsluice.errors import Phase
from mailsluice.failure import Held
from mailsluice.ledger.ledger import Ledger
from mailsluice.ledger.lock import ServiceLock
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome
from mailsluice.polling.under_way import Running
from mailsluice.status.held import remedy
from mailsluice.status.presence import Presence

NOW = SystemClock().now()
KEY = MailboxKey("pop.example", "a@acme.example")
GOOD = SessionReport("a", NOW, 5, 2, 2, 2, 100, 0.5, 3, Outcome.OK, "")
BAD = replace(GOOD, outcome=Outcome.LOGIN_REFUSED, detail="no\x1b[2J access")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def status(state_dir: Path, *arguments: str, ends: str = "2999-12-31") -> str:
    config = state_dir.parent / "mailsluice.toml"
    config.write_text(f"""
service.state_dir = "{state_dir}"
credentials.c = {{ kind = "entra", tenant_id = "t", client_id = "c", client_secret = "keyring:c", expires = {ends} }}
[mailboxes.a]
address = "a@acme.example"
host = "pop.example"
credential = "c"
sink = {{ kind = "spool", path = "{state_dir.parent}/spool" }}
""")
    result = CliRunner().invoke(command, arguments, obj=Settings(config), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def mailbox_in(text: str) -> dict[str, Any]:
    """The one mailbox in what a program reads."""
    (row,) = json.loads(text)["mailboxes"]
    return dict(row)


def test_a_mailbox_never_polled_says_so_and_no_ledger_is_made(state_dir: Path) -> None:
    assert "never polled" in status(state_dir)
    assert not state_dir.exists()


def test_where_there_is_no_ledger_it_says_which_one_it_looked_for(state_dir: Path) -> None:
    status(state_dir)
    ended = CliRunner().invoke(command, [], obj=Settings(state_dir.parent / "mailsluice.toml"))
    assert f"there is no {state_dir / 'ledger.db'}" in ended.stderr


def test_times_are_told_by_how_far_away_they_are(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, replace(GOOD, started=NOW - timedelta(hours=3, minutes=1)))
        ledger.reports.note_next_poll(KEY, "a", NOW + timedelta(days=2, hours=12))
        ledger.reports.flush()

    row = status(state_dir).splitlines()[2]

    assert "3 h ago" in row
    assert "in 2 d" in row
    assert row.split()[-1] == "ok"


def test_the_columns_of_the_table_stand_below_their_names(state_dir: Path) -> None:
    _, head, row = status(state_dir).splitlines()

    assert row.index("never polled") == head.index("outcome")
    assert row.index("-") == head.index("last success")


def test_a_failure_shows_its_words_and_since_when_there_was_no_success(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, GOOD)
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.flush()

    row = mailbox_in(status(state_dir, "--json"))

    assert (row["failures"], row["outcome"], row["waiting"]) == (2, "login-refused", 3)
    assert row["last_success"] == NOW.isoformat()
    assert "access" in row["error"]


def test_a_terminal_escape_in_an_error_does_nothing(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.flush()

    assert "\x1b" not in status(state_dir)
    assert "access" in status(state_dir)


def test_an_error_that_is_over_is_not_shown(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.note_session(KEY, GOOD)
        ledger.reports.flush()

    assert "access" not in status(state_dir)


HELD = replace(GOOD, held={"too-large": 3, "refused": 1})


@pytest.fixture
def held(state_dir: Path) -> Path:
    note(state_dir, HELD)
    return state_dir


def note(state_dir: Path, report: SessionReport) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, report)
        ledger.reports.flush()


def test_what_is_held_is_counted_in_a_column_and_each_reason_has_its_remedy(held: Path) -> None:
    _, head, row, *lines = status(held).splitlines()

    assert row[head.index("held") :].split()[0] == "4"
    assert (
        "a: 3 held (too-large): they are larger than max_message; to fetch them, raise it in the section a"
        in lines
    )
    assert any(line.startswith("a: 1 held (refused): ") for line in lines)


def test_a_program_reads_what_is_held_by_reason(held: Path) -> None:
    row = mailbox_in(status(held, "--json"))

    assert row["held_new"] == 4
    assert row["held"]["too-large"]["messages"] == 3
    assert row["held"]["too-large"]["acknowledged"] == 0
    assert "max_message" in row["held"]["too-large"]["remedy"]


def test_what_is_acknowledged_is_told_without_a_remedy_and_is_not_new(held: Path) -> None:
    *_, one, other = status(held, "--acknowledge").splitlines()

    assert {one, other} == {"a: 1 held (refused), acknowledged", "a: 3 held (too-large), acknowledged"}
    row = mailbox_in(status(held, "--json"))
    assert row["held_new"] == 0


def test_what_is_held_beside_is_new(held: Path) -> None:
    status(held, "--acknowledge", "a")
    note(held, replace(HELD, held={"too-large": 5}))

    row = mailbox_in(status(held, "--json"))

    assert row["held_new"] == 2
    assert "a: 5 held (too-large), 3 of them acknowledged: they are larger" in status(held)


def test_a_session_that_knows_nothing_of_it_leaves_it_as_it_was(held: Path) -> None:
    note(held, BAD)
    row = mailbox_in(status(held, "--json"))
    assert row["held_new"] == 4


@pytest.mark.parametrize("why", Held)
def test_every_reason_has_a_remedy(why: Held) -> None:
    assert remedy(why.value, "a") != remedy("of a newer version", "a")


@pytest.fixture
def daemon(state_dir: Path) -> Iterator[Presence]:
    """A daemon that serves the state directory, of two files, since three hours ago."""
    files = (Path("/etc/mailsluice/mailsluice.toml"), Path("/etc/mailsluice/mailboxes.d/a.toml"))
    with ServiceLock.take(state_dir):
        yield Presence(Config(files=files), Then())


class Then:
    """The clock of three hours ago."""

    def now(self) -> datetime:
        return SystemClock().now() - timedelta(hours=3, minutes=1)

    def monotonic(self) -> float:
        return 0.0


def test_where_no_daemon_runs_the_first_line_says_so(state_dir: Path) -> None:
    assert status(state_dir).splitlines()[0] == "daemon: not running"
    assert json.loads(status(state_dir, "--json"))["daemon"]["running"] is False


def test_the_first_line_says_which_daemon_runs_and_by_which_configuration(
    state_dir: Path, daemon: Presence
) -> None:
    daemon.write(state_dir, {})

    assert status(state_dir).splitlines()[0] == (
        f"daemon: process {os.getpid()}, started 3 h ago; "
        "configuration /etc/mailsluice/mailsluice.toml and 1 included files, read 3 h ago"
    )


def test_what_runs_now_stands_in_the_table(state_dir: Path, daemon: Presence) -> None:
    daemon.write(state_dir, {KEY: Running(NOW, Phase.RETRIEVE, 3, 12, 4711)})

    _, head, row = status(state_dir).splitlines()

    assert row[head.index("running") :].startswith("retrieve 3/12  ")


def test_a_poll_that_has_nothing_to_fetch_yet_is_shown_by_its_phase_alone(
    state_dir: Path, daemon: Presence
) -> None:
    daemon.write(state_dir, {KEY: Running(NOW, Phase.AUTH)})

    _, head, row = status(state_dir).splitlines()

    assert row[head.index("running") :].startswith("auth  ")


def test_a_refused_configuration_is_shown_with_each_mistake_and_what_to_do(
    state_dir: Path, daemon: Presence
) -> None:
    daemon.refuse("a.toml: a mistake\nb.toml: an\x1b[2Jother", "correct it")
    daemon.write(state_dir, {})

    _, refused, *mistakes = status(state_dir).splitlines()[:4]

    assert refused == "daemon: a configuration was refused 3 h ago: correct it"
    assert mistakes == ["daemon: a.toml: a mistake", "daemon: b.toml: an\\x1b[2Jother"]


def test_a_daemon_that_says_nonsense_breaks_nothing(state_dir: Path, daemon: Presence) -> None:
    daemon.write(state_dir, {})
    (state_dir / "daemon.json").write_text("nonsense")

    first = status(state_dir).splitlines()[0]

    assert first.startswith("daemon: running, but its status file makes no sense: ")
    assert "never polled" in status(state_dir)


def test_where_nobody_can_tell_whether_a_daemon_runs_that_is_said(state_dir: Path, daemon: Presence) -> None:
    (state_dir / "locks" / "service.lock").chmod(0o666)

    assert status(state_dir).startswith("daemon: mailsluice cannot find out whether it runs: ")
    assert json.loads(status(state_dir, "--json"))["daemon"]["running"] is None


def test_a_client_secret_that_ends_soon_is_told_and_what_to_do(state_dir: Path) -> None:
    tomorrow = f"{NOW + timedelta(days=1):%Y-%m-%d}"
    told = status(state_dir, ends=tomorrow)
    assert f"credential c: its client secret ends in 1 day, on {tomorrow}; make a new client secret" in told
    assert "credential c" not in status(state_dir)


def test_a_program_reads_when_each_credential_ends(state_dir: Path) -> None:
    (credential,) = json.loads(status(state_dir, "--json"))["credentials"]
    assert (credential["credential"], credential["proof"], credential["warning"]) == (
        "c",
        "client secret",
        "",
    )
    assert credential["ends"].startswith("2999-12-31")
