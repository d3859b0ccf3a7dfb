"""How another door of a mailbox is tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checking.meaning import means_of
from mailsluice.checking.knocking import doors
from mailsluice.checking.knocking.doors import beside, knock, try_doors
from mailsluice.checking.steps import State
from mailsluice.clock import SystemClock
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.judgement import judge
from mailsluice.errors import LoginRefused
from mailsluice.model import BearerToken, Password
from mailsluice.net.connections import Connections
from mailsluice.pop3.deadlines import Deadlines
from mailsluice_sandbox import NotConnected, Sandbox, SandboxMailbox
from pop3.scripted import mailbox

ADDRESS = "a@x.example"
BOTH = pytest.mark.parametrize("door", [Door.IMAP, Door.SMTP])


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(doors, "PORTS", {Door.IMAP: tenant.imap_port, Door.SMTP: tenant.smtp_port})
    tenant.app.roles[:] = ["POP.AccessAsApp", "IMAP.AccessAsApp", "SMTP.SendAsApp"]
    return tenant


@pytest.fixture
def box(sandbox: Sandbox) -> SandboxMailbox:
    box = sandbox.mailbox(ADDRESS)
    box.imap_enabled = box.smtp_enabled = True
    box.not_connected = None
    return box


def try_at(sandbox: Sandbox, door: Door, connections: Connections) -> None:
    knock(
        door,
        mailbox(sandbox.pop3_port, sandbox.ca_file, sandbox.host),
        BearerToken(sandbox.entra.tokens.mint()),
        clock=SystemClock(),
        connections=connections,
        deadlines=Deadlines(),
    )


@pytest.mark.parametrize(
    ("pop", "imap", "smtp"),
    [
        ("outlook.office365.com", "outlook.office365.com", "smtp.office365.com"),
        ("Outlook.Office365.com", "Outlook.Office365.com", "smtp.office365.com"),
        ("outlook.office365.us", "outlook.office365.us", "smtp.office365.us"),
        ("outlook-dod.office365.us", "outlook-dod.office365.us", "outlook-dod.office365.us"),
        ("partner.outlook.cn", "partner.outlook.cn", "smtp.partner.outlook.cn"),
        ("mail.acme.example", "mail.acme.example", "mail.acme.example"),
    ],
)
def test_each_cloud_has_its_doors(pop: str, imap: str, smtp: str) -> None:
    there = mailbox(995, None, pop)

    assert (beside(Door.IMAP, there).host, beside(Door.IMAP, there).port) == (imap, 993)
    assert (beside(Door.SMTP, there).host, beside(Door.SMTP, there).port) == (smtp, 587)


@BOTH
def test_a_login_with_the_right_role_finds_the_door_open(
    sandbox: Sandbox, box: SandboxMailbox, connections: Connections, door: Door
) -> None:
    box.deliver(b"Subject: x\r\n\r\n")
    before = box.remaining()
    try_at(sandbox, door, connections)

    assert box.remaining() == before
    assert not box.retrieved


@BOTH
def test_the_role_for_pop3_alone_opens_no_other_door(
    sandbox: Sandbox, box: SandboxMailbox, connections: Connections, door: Door
) -> None:
    sandbox.app.roles[:] = ["POP.AccessAsApp"]
    with pytest.raises(LoginRefused) as refused:
        try_at(sandbox, door, connections)

    assert Cause.DOOR_OFF in judge(refused.value, Facts(door=door)).causes


def test_imap_that_is_switched_off_looks_like_any_refusal(
    sandbox: Sandbox, box: SandboxMailbox, connections: Connections
) -> None:
    box.imap_enabled = False
    with pytest.raises(LoginRefused) as refused:
        try_at(sandbox, Door.IMAP, connections)

    assert not judge(refused.value, Facts(door=Door.IMAP)).is_certain


def test_smtp_that_is_switched_off_says_so(
    sandbox: Sandbox, box: SandboxMailbox, connections: Connections
) -> None:
    box.smtp_enabled = False
    with pytest.raises(LoginRefused) as refused:
        try_at(sandbox, Door.SMTP, connections)

    judgement = judge(refused.value, Facts(door=Door.SMTP))
    assert (judgement.causes, judgement.is_certain) == ((Cause.DOOR_OFF,), True)


def test_a_login_behind_which_there_is_no_mailbox_does_not_count(
    sandbox: Sandbox, box: SandboxMailbox, connections: Connections
) -> None:
    """If it counted, it would prove that POP3 is switched off, and hide that FullAccess is missing."""
    box.not_connected = NotConnected.SAYS
    with pytest.raises(LoginRefused) as refused:
        try_at(sandbox, Door.IMAP, connections)

    assert judge(refused.value, Facts(door=Door.IMAP)).causes[0] is Cause.NO_FULL_ACCESS


def test_each_door_is_a_step_of_the_check_and_tells_why_it_is_not_open(
    sandbox: Sandbox, box: SandboxMailbox, tmp_path: Path
) -> None:
    box.smtp_enabled = False
    means, there = means_of(tmp_path), mailbox(sandbox.pop3_port, sandbox.ca_file, sandbox.host)
    token = BearerToken(sandbox.entra.tokens.mint())
    found = try_doors([Door.IMAP, Door.SMTP], there, token, means)

    assert found[Door.IMAP] is None
    assert isinstance(found[Door.SMTP], LoginRefused)
    assert [(line.step, line.state) for line in means.journal.lines] == [
        ("IMAP", State.OK),
        ("SMTP", State.FAILED),
    ]
    assert means.journal.lines[0].detail == f"{ADDRESS} is let in at localhost:{sandbox.imap_port}"


def test_a_password_is_tried_at_no_other_door_and_proves_nothing(tmp_path: Path) -> None:
    means = means_of(tmp_path)

    assert try_doors([Door.IMAP], mailbox(995, None), Password("canary"), means) == {}
    assert [line.state for line in means.journal.lines] == [State.LEFT_OUT]
