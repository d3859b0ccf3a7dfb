from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.config.models import Mailbox, MaildirSink, SpoolSink
from mailsluice.errors import SinkError
from mailsluice.model import MailboxKey
from mailsluice.sink.maildir import Maildir
from mailsluice.sink.sinks import Sinks
from mailsluice.sink.spool import Spool

KEY = MailboxKey("h.example", "a@b.example")
SINKS = Sinks("ledger", lambda key: key.address, Path("/state"))


def mailbox(sink: SpoolSink | MaildirSink) -> Mailbox:
    return Mailbox(name="inv", address="a@b.example", credential="c", host="h.example", sink=sink)


def test_a_mailbox_gets_the_sink_it_is_configured_for(tmp_path: Path) -> None:
    spool = SINKS.open(mailbox(SpoolSink(path=tmp_path)))
    maildir = SINKS.open(mailbox(MaildirSink(path=tmp_path)))
    assert isinstance(spool, Spool)
    assert isinstance(maildir, Maildir)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["spool:/var/spool/x", "maildir:/home/a:b/Maildir"])
def test_a_spec_leads_back_to_its_sink(spec: str) -> None:
    assert SINKS.at(spec, KEY, "a").spec == spec


def test_a_spec_of_unknown_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="unknown kind"):
        SINKS.at("cloud:x", KEY, "a")
