"""What a check asks of a mail server without a login."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.checking.means import Means
from mailsluice.checking.server import name_of, try_server
from mailsluice.checking.steps import State, Step
from mailsluice.config.load import load
from mailsluice_sandbox import Close, Fault, Garbage, Refuse, Sandbox
from support.checks import configured, line, loaded, means_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def means(sandbox: Sandbox, tmp_path: Path) -> Means:
    return means_of(loaded(tmp_path, sandbox, "a"))


def test_it_is_walked_from_dns_to_quit_and_nobody_logs_in(sandbox: Sandbox, means: Means) -> None:
    box = means.config.mailboxes["a"]

    assert try_server(box, means).error is None

    steps = ["DNS", "TCP", "TLS", "greeting", "CAPA", "QUIT"]
    assert [line.step.value for line in means.journal.lines] == steps
    assert {line.subject for line in means.journal.lines} == {name_of(box)}
    assert line(means, Step.GREETING).detail.startswith("front end AM0PR")
    assert "XOAUTH2" in line(means, Step.CAPA).detail
    assert len(means.connections) == 0


def test_a_server_that_turns_away_fails_at_its_greeting(sandbox: Sandbox, means: Means) -> None:
    sandbox.faults.add(Fault("GREETING", Refuse("Server Unavailable. 21")))

    reached = try_server(means.config.mailboxes["a"], means)

    assert reached.step is Step.GREETING
    assert "Server Unavailable. 21" in str(reached.error)


def capabilities(sandbox: Sandbox, means: Means, *lines: str) -> tuple[State, str]:
    body = "".join(f"{line}\r\n" for line in ("+OK", *lines, "."))
    sandbox.faults.add(Fault("CAPA", Garbage(body.encode())))
    try_server(means.config.mailboxes["a"], means)
    found = line(means, Step.CAPA)
    return found.state, found.detail


def test_a_server_without_xoauth2_is_in_doubt(sandbox: Sandbox, means: Means) -> None:
    state, detail = capabilities(sandbox, means, "TOP", "SASL PLAIN")
    assert state is State.DOUBT
    assert detail == "SASL PLAIN, TOP: no XOAUTH2, so tokens may be refused here"


def test_a_server_that_takes_the_password_needs_no_xoauth2(sandbox: Sandbox, tmp_path: Path) -> None:
    path = configured(tmp_path, sandbox, "a", more='[credentials.p]\nkind="password"\npassword="keyring:p"')
    path.write_text(path.read_text().replace('credential = "acme"', 'credential = "p"'))
    assert capabilities(sandbox, means_of(load(path)), "USER")[0] is State.OK


def test_of_endless_capabilities_the_beginning_is_shown(sandbox: Sandbox, means: Means) -> None:
    _, detail = capabilities(sandbox, means, *(f"X-{number:03}" for number in range(200)), "SASL XOAUTH2")
    assert len(detail) < 400
    assert "(201 capabilities)" in detail


def test_a_server_that_breaks_off_at_capa_is_in_error_there(sandbox: Sandbox, means: Means) -> None:
    sandbox.faults.add(Fault("CAPA", Close()))
    assert try_server(means.config.mailboxes["a"], means).step is Step.CAPA


@pytest.mark.parametrize("fault", [Close(), Refuse("not today")], ids=["hangs up", "refuses"])
def test_a_server_that_does_not_say_goodbye_can_be_used(
    sandbox: Sandbox, means: Means, fault: Close | Refuse
) -> None:
    sandbox.faults.add(Fault("QUIT", fault))

    assert try_server(means.config.mailboxes["a"], means).error is None

    assert line(means, Step.QUIT).state is State.DOUBT
