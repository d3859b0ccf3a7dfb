from __future__ import annotations

import io

from rich.console import Console

from mailsluice.cli.screen import drawn
from mailsluice.clock import SystemClock
from mailsluice.config.models import Mailbox
from mailsluice.polling.under_way import UnderWay

BOX = Mailbox.model_validate(
    {
        "name": "invoices",
        "address": "invoices@acme.example",
        "credential": "acme",
        "host": "pop.acme.example",
        "sink": {"kind": "spool", "path": "/spool"},
        "every": "1m",
    }
)
NAMES = {BOX.key: "invoices"}


def shown(under_way: UnderWay) -> str:
    screen = io.StringIO()
    Console(file=screen, width=120).print(drawn(under_way, NAMES), end="")
    return screen.getvalue()


def test_a_bar_counts_messages_and_octets_of_each_mailbox() -> None:
    under_way = UnderWay(SystemClock())
    with under_way.polling(BOX):
        under_way.planned(BOX, 3)
        under_way.arrived(BOX, 500)
        under_way.arrived(BOX, 700)

        (line,) = shown(under_way).splitlines()

    assert line.split()[0] == "invoices"
    assert line.split()[-3:] == ["2/3", "1,200", "octets"]


def test_a_mailbox_without_new_mail_has_no_bar() -> None:
    under_way = UnderWay(SystemClock())
    with under_way.polling(BOX):
        assert not shown(under_way)


def test_a_bar_is_gone_when_its_poll_has_ended() -> None:
    under_way = UnderWay(SystemClock())
    with under_way.polling(BOX):
        under_way.planned(BOX, 3)

    assert not shown(under_way)
