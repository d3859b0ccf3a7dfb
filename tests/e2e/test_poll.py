"""`mailsluice poll`: what it ends with, and what it says, when things are wrong."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Answer, Fault, Garbage, Refuse, Sandbox, mail
from mailsluice_sandbox.faults import SERVER_UNAVAILABLE
from support.program import Ended, run_program
from support.skipping import skip_or_fail
from support.staging import staged_in


def poll(site: Site, *arguments: str) -> Ended:
    return run_program("-c", site.config, "poll", "--json", *arguments)


def outcome(ended: Ended) -> tuple[str, str]:
    (report,) = json.loads(ended.stdout)
    return report["outcome"], report["detail"]


def test_all_well_is_0(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")

    assert poll(site).code == 0
    assert site.stored("a") == [mail.note(1)]


def test_an_unreachable_server_is_69_and_names_the_place(site: Site) -> None:
    site.configure("a", port="1")

    ended = poll(site)

    assert ended.code == 69
    assert outcome(ended)[0] == "server-unreachable"
    assert "localhost:1" in outcome(ended)[1]


def test_a_host_nobody_knows_is_69(site: Site) -> None:
    site.configure("a", host='"no-such-host.invalid"')

    ended = poll(site)

    assert ended.code == 69
    assert "no-such-host.invalid" in outcome(ended)[1]


def test_an_untrusted_certificate_is_69_and_says_so(site: Site, sandbox: Sandbox, tmp_path: Path) -> None:
    site.configure("a", ca_file='"/etc/ssl/certs/ca-certificates.crt"')

    ended = poll(site)

    assert ended.code == 69
    assert outcome(ended)[0] == "server-untrusted"


def test_a_refused_login_is_77_with_the_servers_words(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example").full_access = False
    site.configure("a")

    ended = poll(site)

    assert ended.code == 77
    assert "Authentication failure: unknown user name or bad password." in outcome(ended)[1]
    assert "the application has no FullAccess" in outcome(ended)[1]


def test_a_refused_secret_is_77_with_the_providers_words(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    site.configure("a")
    (site.folder / "secret").write_text("another canary")

    ended = poll(site)

    assert ended.code == 77
    assert "AADSTS7000215" in outcome(ended)[1]


def test_an_identity_provider_that_fails_is_75(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    sandbox.faults.add(Fault("TOKEN", Answer(503), times=9))
    site.configure("a")

    ended = poll(site)

    assert ended.code == 75
    assert outcome(ended)[0] == "token-unavailable"


def test_a_missing_secret_is_78_and_says_how_to_store_it(site: Site, sandbox: Sandbox) -> None:
    site.configure("a")
    site.config.write_text(site.config.read_text().replace(f"file:{site.folder}/secret", "keyring:acme"))

    ended = poll(site)

    assert ended.code == 78
    assert f"mailsluice -c {site.config} secret set acme" in outcome(ended)[1]


def test_a_sink_that_is_a_file_is_73_and_nothing_is_deleted(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a")
    site.spool("a").write_text("in the way")

    ended = poll(site)

    assert ended.code == 73
    assert str(site.spool("a")) in outcome(ended)[1]
    assert len(box.remaining()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["/bin/mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", disk],
            check=False,
            capture_output=True,
        ).returncode
    ):
        skip_or_fail("cannot mount a small file system here")
    yield disk
    subprocess.run(["/bin/umount", disk], check=True)


def test_a_full_disk_is_73_loses_nothing_and_shows_nothing_half(
    site: Site, sandbox: Sandbox, small_disk: Path
) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    box.deliver(mail.scan(2, size=2_000_000))
    site.configure("a")
    text = site.config.read_text().replace(f'path = "{site.spool("a")}"', f'path = "{small_disk}/a"')
    site.config.write_text(text)

    ended = poll(site)

    assert ended.code == 73
    assert "ENOSPC" in outcome(ended)[1]
    assert [path.read_bytes() for path in (small_disk / "a").glob("*.eml")] == [mail.note(1)]
    assert not staged_in(small_disk / "a")
    assert len(box.remaining()) == 2


def test_a_read_only_sink_is_73(site: Site, sandbox: Sandbox, small_disk: Path) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a")
    text = site.config.read_text().replace(f'path = "{site.spool("a")}"', f'path = "{small_disk}/a"')
    site.config.write_text(text)
    subprocess.run(["/bin/mount", "-o", "remount,ro", small_disk], check=True)

    ended = poll(site)

    assert ended.code == 73
    assert "EROFS" in outcome(ended)[1]
    assert len(box.remaining()) == 1


def test_a_server_that_breaks_the_protocol_is_named_with_phase_and_reply(
    site: Site, sandbox: Sandbox
) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    sandbox.faults.add(Fault("UIDL", Garbage(b"HTTP/1.1 400 Bad Request\r\n")))
    site.configure("a")

    ended = poll(site)

    assert ended.code == 75
    assert outcome(ended)[0] == "protocol-violation"
    assert "HTTP/1.1 400 Bad Request" in outcome(ended)[1]
    assert "listing" in ended.stdout + ended.stderr


def test_a_message_the_server_will_not_hand_out_does_not_block_the_others(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    bad = box.deliver(mail.note(1))
    box.deliver(mail.note(2))
    sandbox.faults.add(Fault("RETR", Refuse("cannot convert"), uidl=bad))
    site.configure("a")

    ended = poll(site)

    assert ended.code == 75
    assert outcome(ended)[0] == "messages-refused"
    assert site.stored("a") == [mail.note(2)]
    assert box.remaining() == (bad,)


def test_a_wrong_configuration_is_78_with_a_line_for_each_mistake(site: Site) -> None:
    site.configure("a", evry='"1s"', max_message='"big"')

    ended = poll(site)

    assert ended.code == 78
    assert len(ended.stderr.strip().splitlines()) == 2
    assert f"{site.config}: defaults.evry: " in ended.stderr
    assert f"{site.config}: defaults.max_message: " in ended.stderr


def test_a_mailbox_nobody_configured_is_64(site: Site) -> None:
    site.configure("a")

    ended = poll(site, "b")

    assert ended.code == 64
    assert "'b'" in ended.stderr


def test_the_worst_of_several_mailboxes_is_the_exit_code(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("good@acme.example").deliver(mail.note(1))
    sandbox.mailbox("bad@acme.example").full_access = False
    site.configure("good", "bad")

    ended = poll(site)

    assert ended.code == 77
    assert [report["outcome"] for report in json.loads(ended.stdout)] == ["ok", "login-refused"]
    assert len(site.stored("good")) == 1


def test_only_the_named_mailboxes_are_polled(site: Site, sandbox: Sandbox) -> None:
    for name in ("a", "b"):
        sandbox.mailbox(f"{name}@acme.example").deliver(mail.note(1))
    site.configure("a", "b")

    assert poll(site, "b").code == 0
    assert site.stored("a") == []
    assert len(site.stored("b")) == 1


def test_a_dry_run_says_what_would_happen_and_touches_nothing(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    uidl = box.deliver(mail.note(1))
    site.configure("a")

    ended = poll(site, "--dry-run")

    assert ended.code == 0
    (decision,) = json.loads(ended.stdout)["a"]
    assert decision["uidl"] == uidl.decode()
    assert decision["action"] == "fetch"
    assert not site.spool("a").exists()
    assert not (site.folder / "state").exists()
    assert box.remaining() == (uidl,)
    assert not box.retrieved


def test_a_dry_run_knows_what_is_stored(site: Site, sandbox: Sandbox) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a", leave_on_server="true")
    poll(site)

    (decision,) = json.loads(poll(site, "--dry-run").stdout)["a"]

    assert decision["action"] == "leave"


def test_a_dry_run_that_fails_for_one_mailbox_shows_the_others(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("bad@acme.example").full_access = False
    sandbox.mailbox("good@acme.example").deliver(mail.note(1))
    site.configure("bad", "good")

    ended = poll(site, "--dry-run")

    assert ended.code == 77
    assert list(json.loads(ended.stdout)) == ["good"]
    assert "bad: " in ended.stderr


def test_a_login_refused_for_a_passing_reason_is_75(site: Site, sandbox: Sandbox) -> None:
    sandbox.mailbox("a@acme.example")
    sandbox.faults.add(Fault("LOGIN", SERVER_UNAVAILABLE))
    site.configure("a")

    assert poll(site).code == 75


def test_one_token_serves_every_mailbox_of_a_credential(site: Site, sandbox: Sandbox) -> None:
    names = [f"m{number}" for number in range(8)]
    for name in names:
        sandbox.mailbox(f"{name}@acme.example")
    site.configure(*names)

    assert poll(site).code == 0
    assert sandbox.entra.token_requests == 1


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "2 listed: fetch 2, then delete them from the server"),
        ({"leave_on_server": "true"}, "2 listed: fetch 2, and leave them on the server"),
        ({"max_message": '"10B"'}, "2 listed: leave 2"),
    ],
)
def test_a_dry_run_says_in_a_sentence_what_becomes_of_the_mail(
    site: Site, sandbox: Sandbox, keys: dict[str, str], words: str
) -> None:
    for number in (1, 2):
        sandbox.mailbox("a@acme.example").deliver(mail.note(number))
    site.configure("a", **keys)

    ended = run_program("-c", site.config, "poll", "--dry-run")

    assert ended.stdout.splitlines()[0] == f"a: {words}"


def test_a_dry_run_after_a_mailbox_was_turned_to_deletion_says_how_many_go(
    site: Site, sandbox: Sandbox
) -> None:
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    site.configure("a", leave_on_server="true")
    poll(site)
    box.deliver(mail.note(2))
    site.configure("a")

    ended = run_program("-c", site.config, "poll", "--dry-run")

    first = ended.stdout.splitlines()[0]
    assert first == "a: 2 listed: fetch 1, then delete them from the server; delete 1 stored before"
