"""What differs between two configurations, to those who poll."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailsluice.config.change import Change
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.system.zone import Zone

NOTHING = Change(frozenset(), frozenset(), frozenset())

TEXT = """
[credentials.acme]
kind = "entra"
tenant_id = "acme.example"
client_id = "app"
client_secret = "keyring:acme"
[credentials.helper]
kind = "command"
command = ["/bin/helper", "{address}"]
[credentials.old]
kind = "password"
password = "file:/secret"
[mailboxes.a]
address = "a@acme.example"
credential = "acme"
sink = { kind = "spool", path = "/a" }
[mailboxes.b]
address = "b@acme.example"
credential = "helper"
cron = "0 6 * * *"
sink = { kind = "maildir", path = "/b" }
[mailboxes.c]
address = "c@acme.example"
credential = "old"
host = "pop.acme.example"
sink = { kind = "spool", path = "/c" }
"""


Read = Callable[[str], Config]


@pytest.fixture
def read(write: Callable[..., Path]) -> Read:
    return lambda text: load(write(text))


def names(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_a_configuration_that_is_read_again_is_the_same(read: Read) -> None:
    assert Change.between(read(TEXT), read(TEXT)) == NOTHING


def test_what_is_written_otherwise_and_means_the_same_is_the_same(read: Read) -> None:
    spelled_out = TEXT.replace('credential = "acme"', 'credential = "acme"\nevery = "120s"\nport = 995')
    assert Change.between(read(TEXT), read(spelled_out)) == NOTHING


def test_a_section_that_moves_to_an_included_file_is_the_same(read: Read, write: Callable[..., Path]) -> None:
    before = read(TEXT)
    head, tail = TEXT.split("[mailboxes.c]")
    write(f"[mailboxes.c]{tail}", "mailboxes.d/c.toml")
    assert Change.between(before, read(f'include = ["mailboxes.d/*.toml"]\n{head}')) == NOTHING


@pytest.mark.parametrize(
    "service", ["max_sessions = 3", 'state_dir = "/elsewhere"'], ids=lambda line: line.split()[0]
)
def test_what_no_mailbox_has_to_do_with_changes_none(read: Read, service: str) -> None:
    after = f'[log]\nlevel = "debug"\n[service]\n{service}\n{TEXT}'
    assert Change.between(read(TEXT), read(after)) == NOTHING


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('address = "a@', 'every = "9m"\naddress = "a@', "a"),
        ("pop.acme", "pop2.acme", "c"),
        ('path = "/a"', 'path = "/elsewhere"', "a"),
        ("keyring:acme", "keyring:new", "a"),
        ('command = ["/bin/helper"', 'environment = ["HTTPS_PROXY"]\ncommand = ["/bin/helper"', "b"),
        ("file:/secret", "file:/other", "c"),
    ],
)
def test_a_mailbox_changes_with_its_section_and_with_its_credentials(
    read: Read, old: str, new: str, changed: str
) -> None:
    assert Change.between(read(TEXT), read(TEXT.replace(old, new))) == replace(
        NOTHING, changed=names(changed)
    )


def test_a_mailbox_is_known_by_its_name(read: Read) -> None:
    assert Change.between(read(TEXT), read(TEXT.replace("[mailboxes.a]", "[mailboxes.new]"))) == Change(
        added=names("new"), changed=names(), removed=names("a")
    )


def test_another_zone_changes_those_with_a_cron_line(read: Read) -> None:
    before = read(TEXT)
    after = before.model_copy(update={"zone": Zone("elsewhere", b"other rules")})
    assert Change.between(before, after) == replace(NOTHING, changed=names("b"))


def test_who_ends_and_who_begins() -> None:
    change = Change(added=names("a"), changed=names("c"), removed=names("r"))
    assert (change.begins, change.ends) == (names("a", "c"), names("c", "r"))
