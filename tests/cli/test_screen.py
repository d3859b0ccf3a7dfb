from __future__ import annotations

import io

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from mailsluice.cli.screen import Bars


def test_a_bar_counts_messages_and_octets_of_each_mailbox() -> None:
    screen = io.StringIO()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TextColumn("{task.fields[octets]}"))
    with Progress(*columns, console=Console(file=screen, force_terminal=True, color_system=None)) as progress:
        bars = Bars(progress)
        bars.planned("invoices", 3)
        bars.arrived("invoices", 500)
        bars.arrived("invoices", 700)

    assert "invoices 2/3 1200" in screen.getvalue()


def test_a_mailbox_without_new_mail_has_no_bar() -> None:
    with Progress(console=Console(file=io.StringIO())) as progress:
        Bars(progress).planned("invoices", 0)

        assert progress.tasks == []
