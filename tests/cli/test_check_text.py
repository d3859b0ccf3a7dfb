"""How a check is spelled: columns, causes and remedies, and each thing once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailsluice.checking.findings import Finding
from mailsluice.checking.steps import Line, State, Step
from mailsluice.cli.check_text import Lines, Printer, conclusion, for_json
from mailsluice.config.load import load
from mailsluice.config.models import Config, Mailbox
from mailsluice.diagnosis.facts import Access, Facts
from mailsluice.diagnosis.judgement import NOTHING, judge
from mailsluice.errors import (
    DeadlineExceeded,
    LedgerError,
    LoginRefused,
    MailsluiceError,
    Obstacle,
    Phase,
    ServerBarred,
    SinkError,
)
from mailsluice_sandbox import Sandbox
from support.checks import configured

WORDS = "Authentication failure: unknown user name or bad password."
REFUSED = LoginRefused("not let in", phase=Phase.AUTH, reply=WORDS)
OK = Line("a", Step.AUTH, State.OK, 0.25, "let in")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    with Sandbox() as sandbox:
        names = [f"m{number}" for number in range(200)]
        yield load(configured(tmp_path_factory.mktemp("text"), sandbox, "a", *names))


def boxes(config: Config, count: int) -> list[Mailbox]:
    return list(config.mailboxes.values())[:count]


def finding(config: Config, box: Mailbox, error: MailsluiceError | None = None) -> Finding:
    facts = Facts(
        Access.of("acme", config.credentials["acme"]), mailbox=box.address, section=box.name, host=box.host
    )
    judgement = judge(error, facts) if error else NOTHING
    return Finding(box, error, Step.AUTH if error else None, facts, judgement)


def concluded(config: Config, *errors: MailsluiceError | None, lines: tuple[Line, ...] = ()) -> list[str]:
    found = [
        finding(config, box, error) for box, error in zip(config.mailboxes.values(), errors, strict=False)
    ]
    return list(conclusion(found, lines))


def test_lines_are_in_columns(config: Config) -> None:
    lines = Lines(config, boxes(config, 1))
    first, second = lines.plain(OK), lines.plain(Line("credentials.acme", Step.TOKEN, State.OK, 1, ""))
    assert first.index(" ok ") == second.index(" ok ")
    assert first.endswith("0.25 s  let in")


def test_a_long_name_widens_no_other_line(config: Config) -> None:
    box = boxes(config, 1)[0].model_copy(update={"name": "x" * 200})
    lines = Lines(config, [box])
    assert len(lines.begun("a", Step.AUTH)) == 40 + 2 + 8
    assert "x" * 200 in lines.begun(box.name, Step.AUTH)


def test_a_line_has_neither_escapes_nor_secrets(config: Config) -> None:
    line = Line("a\x1b[2J", Step.AUTH, State.FAILED, 0, "\x1b[2J\r\nBearer canary-token")
    shown = Lines(config, boxes(config, 1)).plain(line)
    assert shown.isprintable()
    assert "[redacted]" in shown


def test_a_line_of_a_pipe_has_no_colours(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    Printer(Lines(config, boxes(config, 1)), silent=False).ended(OK)
    assert capsys.readouterr().out.startswith("a ")
    assert "\x1b" not in capsys.readouterr().out


def test_mailboxes_with_the_same_causes_are_told_together(config: Config) -> None:
    told = concluded(config, REFUSED, None, REFUSED)
    assert told[1].startswith("a, m1: AUTH with credentials.acme failed. One of ")
    assert told[-1].startswith("m0: everything works.")


def test_what_is_wrong_with_two_servers_of_one_name_is_told_of_each(config: Config) -> None:
    barred = ServerBarred("no", phase=Phase.CONNECT, obstacle=Obstacle.DROPPED)
    two = [finding(config, box, barred) for box in boxes(config, 2)]
    servers = [
        replace(one, server=f"mail.example:{port}") for one, port in zip(two, (995, 1995), strict=True)
    ]
    assert len([line for line in conclusion(servers, ()) if "failed" in line]) == 2


def test_one_broken_ledger_is_told_once_for_all_servers(config: Config) -> None:
    broken = LedgerError("broken")
    two = [replace(finding(config, box, broken), step=Step.LEDGER) for box in boxes(config, 2)]
    told = list(conclusion([two[0], replace(two[1], server="other.example:995")], ()))
    assert told == ["", "a, m0: ledger failed: broken"]


def test_for_hundreds_of_mailboxes_a_page_is_enough(config: Config) -> None:
    told = concluded(config, *[REFUSED] * 201)
    assert len(told) < 80
    assert told[1].startswith("a, m0, m1, m2, m3 and 196 more: AUTH with credentials.acme failed")
    assert any(line.strip().startswith("and the same for m4, ") for line in told)


def test_what_has_no_answer_yet_is_called_no_failure(config: Config) -> None:
    told = concluded(config, DeadlineExceeded("silent", phase=Phase.AUTH))
    assert told[1].startswith("a: AUTH with credentials.acme has no answer yet")
    assert not any("failed" in line for line in told)


def test_an_error_without_a_known_cause_is_told_with_its_own_remedy(config: Config) -> None:
    told = concluded(config, SinkError("full", remedy="free space"))
    assert told == ["", "a: AUTH with credentials.acme failed: full", "  What to do: free space"]


UNKNOWN = LoginRefused("refused: '[AUTH] Authentication failed.'", phase=Phase.AUTH, reply="[AUTH] no")


def test_words_of_a_server_that_are_not_known_are_for_whoever_runs_it(config: Config) -> None:
    one = replace(finding(config, boxes(config, 1)[0], UNKNOWN), server="mail.example:995")
    told = list(conclusion([one], ()))[-1]
    assert told.endswith("if it stays so, ask who runs mail.example:995 what its log says about it")


def test_a_password_that_is_refused_in_other_words_is_to_be_stored_again(config: Config) -> None:
    one = finding(config, boxes(config, 1)[0], UNKNOWN)
    one = replace(one, facts=replace(one.facts, access=Access("old", takes_password=True)))
    assert list(conclusion([one], ()))[-1] == ("  What to do: store the right password, and check `address`")


def test_doubts_are_told_again_at_the_end_each_once(config: Config) -> None:
    doubt = Line("credentials.acme", Step.SECRET, State.DOUBT, 0, "it ends in 5 days")
    told = concluded(config, None, lines=(doubt, OK, doubt))
    assert told[-1] == "credentials.acme: doubt about secret: it ends in 5 days"
    assert len(told) == 3


def test_a_doubt_about_a_credential_that_fails_is_not_told_again(config: Config) -> None:
    doubt = Line("credentials.acme", Step.CLAIMS, State.DOUBT, 0, "no permission")
    assert not any("doubtful" in line for line in concluded(config, REFUSED, lines=(doubt,)))


def test_json_has_no_secrets(config: Config) -> None:
    echo = SinkError("you said Bearer canary-token", remedy="do not say Bearer canary-token")
    line = Line("a", Step.AUTH, State.FAILED, 0, "you said Bearer canary-token")
    told = for_json([line], [finding(config, boxes(config, 1)[0], echo)])
    assert "canary" not in str(told)


def test_every_command_of_a_remedy_is_whole(config: Config) -> None:
    commands = [
        line.split(":", 1)[1].strip()
        for line in concluded(config, REFUSED)
        if line.strip().startswith(("look:", "mend:"))
    ]
    assert commands
    assert all("{" not in command.replace("Where-Object {", "") for command in commands)
