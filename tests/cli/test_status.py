"""What `status` shows of what the ledger has."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailsluice.cli.held import remedy
from mailsluice.cli.main import Settings
from mailsluice.cli.status import command
from mailsluice.clock import SystemClock
from mailsluice.failure import Held
from mailsluice.ledger.ledger import Ledger
from mailsluice.model import MailboxKey, SessionReport
from mailsluice.outcome import Outcome

NOW = SystemClock().now()
KEY = MailboxKey("pop.example", "a@acme.example")
GOOD = SessionReport("a", NOW, 5, 2, 2, 2, 100, 0.5, 3, Outcome.OK, "")
BAD = GOOD._replace(outcome=Outcome.LOGIN_REFUSED, detail="no\x1b[2J access")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def status(state_dir: Path, *arguments: str) -> str:
    config = state_dir.parent / "mailsluice.toml"
    config.write_text(f"""
service.state_dir = "{state_dir}"
credentials.c = {{ kind = "command", command = ["/bin/true"] }}
[mailboxes.a]
address = "a@acme.example"
host = "pop.example"
credential = "c"
sink = {{ kind = "spool", path = "{state_dir.parent}/spool" }}
""")
    result = CliRunner().invoke(command, arguments, obj=Settings(config), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_a_mailbox_never_polled_says_so_and_no_ledger_is_made(state_dir: Path) -> None:
    assert "never polled" in status(state_dir)
    assert not state_dir.exists()


def test_where_there_is_no_ledger_it_says_which_one_it_looked_for(state_dir: Path) -> None:
    status(state_dir)
    ended = CliRunner().invoke(command, [], obj=Settings(state_dir.parent / "mailsluice.toml"))
    assert f"there is no {state_dir / 'ledger.db'}" in ended.stderr


def test_times_are_told_by_how_far_away_they_are(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, GOOD._replace(started=NOW - timedelta(hours=3, minutes=1)))
        ledger.reports.note_next_poll(KEY, "a", NOW + timedelta(days=2, hours=12))
        ledger.reports.flush()

    row = status(state_dir).splitlines()[1]

    assert "3 h ago" in row
    assert "in 2 d" in row
    assert row.split()[-1] == "ok"


def test_the_columns_of_the_table_stand_below_their_names(state_dir: Path) -> None:
    head, row = status(state_dir).splitlines()

    assert row.index("never polled") == head.index("outcome")
    assert row.index("-") == head.index("last success")


def test_a_failure_shows_its_words_and_since_when_there_was_no_success(state_dir: Path) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, GOOD)
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.note_session(KEY, BAD)
        ledger.reports.flush()

    (row,) = json.loads(status(state_dir, "--json"))

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


HELD = GOOD._replace(held={"too-large": 3, "refused": 1})


@pytest.fixture
def held(state_dir: Path) -> Path:
    note(state_dir, HELD)
    return state_dir


def note(state_dir: Path, report: SessionReport) -> None:
    with Ledger(state_dir) as ledger:
        ledger.reports.note_session(KEY, report)
        ledger.reports.flush()


def test_what_is_held_is_counted_in_a_column_and_each_reason_has_its_remedy(held: Path) -> None:
    head, row, *lines = status(held).splitlines()

    assert row[head.index("held") :].split()[0] == "4"
    assert "a: 3 held (too-large): larger than max_message: raise it in the section a to fetch them" in lines
    assert any(line.startswith("a: 1 held (refused): ") for line in lines)


def test_a_program_reads_what_is_held_by_reason(held: Path) -> None:
    (row,) = json.loads(status(held, "--json"))

    assert row["held_new"] == 4
    assert row["held"]["too-large"]["messages"] == 3
    assert row["held"]["too-large"]["acknowledged"] == 0
    assert "max_message" in row["held"]["too-large"]["remedy"]


def test_what_is_acknowledged_is_told_without_a_remedy_and_is_not_new(held: Path) -> None:
    *_, one, other = status(held, "--acknowledge").splitlines()

    assert {one, other} == {"a: 1 held (refused), acknowledged", "a: 3 held (too-large), acknowledged"}
    (row,) = json.loads(status(held, "--json"))
    assert row["held_new"] == 0


def test_what_is_held_beside_is_new(held: Path) -> None:
    status(held, "--acknowledge", "a")
    note(held, HELD._replace(held={"too-large": 5}))

    (row,) = json.loads(status(held, "--json"))

    assert row["held_new"] == 2
    assert "a: 5 held (too-large), 3 of them acknowledged: larger" in status(held)


def test_a_session_that_knows_nothing_of_it_leaves_it_as_it_was(held: Path) -> None:
    note(held, BAD)
    (row,) = json.loads(status(held, "--json"))
    assert row["held_new"] == 4


@pytest.mark.parametrize("why", Held)
def test_every_reason_has_a_remedy(why: Held) -> None:
    assert remedy(why.value, "a") != remedy("of a newer version", "a")
