from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.config.models import Mailbox, MaildirSink, SpoolSink
from mailsluice.errors import SinkError
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.sinks import open_sink, sink_at
from mailsluice.sink.spool import Spool


def mailbox(sink: SpoolSink | MaildirSink) -> Mailbox:
    return Mailbox(name="inv", address="a@b.example", credential="c", host="h.example", sink=sink)


def test_a_mailbox_gets_the_sink_it_is_configured_for(tmp_path: Path) -> None:
    spool = open_sink(mailbox(SpoolSink(path=tmp_path)), "owner")
    maildir = open_sink(mailbox(MaildirSink(path=tmp_path)), "owner")
    assert isinstance(spool, Spool)
    assert isinstance(maildir, Maildir)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["spool:/var/spool/x", "maildir:/home/a:b/Maildir"])
def test_a_spec_leads_back_to_its_sink(spec: str) -> None:
    assert sink_at(spec, "owner").spec == spec


def test_a_spec_of_unknown_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="unknown kind"):
        sink_at("cloud:x", "owner")
