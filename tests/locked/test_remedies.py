"""What is advised where users meet: each command is run as it stands, by root from another directory, and helps."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from mailsluice_sandbox import Sandbox, mail
from support.program import PROGRAM, Daemon, Ended, run_program
from support.reach import run_in_shell
from support.remedies import command_in, last_line
from support.users import ANN, NOBODY, NOGROUP, common_ground, given, need_root

pytestmark = pytest.mark.slow
TO_BE = {NOBODY: "runuser -u nobody --", ANN: f"setpriv --reuid {ANN} --clear-groups --"}
"""By user, the words that make root the user."""


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


@pytest.fixture
def site(ground: Path, sandbox: Sandbox) -> Site:
    """An installation whose configuration everybody can read, with a mailbox whose mail is kept."""
    folder = given(ground / "an installation", 0)
    shutil.copy(sandbox.ca_file, folder / "ca.pem")
    (folder / "ca.pem").chmod(0o644)
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site = Site(folder, sandbox)
    site.configure("a", leave_on_server="true")
    text = site.config.read_text().replace(str(sandbox.ca_file), f"{folder}/ca.pem")
    site.config.write_text(text.replace(f"file:{folder}/secret", "keyring:acme"))
    return site


def belongs_to(owner: int, site: Site) -> None:
    """Let state and spool be this user's."""
    given(site.folder / "state", owner, 0o700)
    given(site.spool("a"), owner)


def called(site: Site, *arguments: str, uid: int = 0, stdin: str = "") -> Ended:
    """What root calls; as another user, if one is named."""
    line = shlex.join([str(PROGRAM), "-c", str(site.config), *arguments])
    return run_in_shell(f"{TO_BE[uid]} {line}" if uid else line, stdin=stdin, cwd=Path("/root"))


def set_secret(site: Site, uid: int = 0) -> None:
    assert called(site, "secret", "set", "acme", uid=uid, stdin=site.sandbox.client_secret).code == 0


@pytest.mark.parametrize("owner", [NOBODY, ANN])
def test_root_sees_the_ledger_of_the_service_by_the_command_that_it_is_told(site: Site, owner: int) -> None:
    belongs_to(owner, site)
    set_secret(site)
    assert called(site, "poll", uid=owner).code == 0

    for arguments in (["status", "--json"], ["poll", "--dry-run"], ["quarantine", "list"], ["seen", "a"]):
        ended = called(site, *arguments)
        assert ended.code == 73
        told = run_in_shell(command_in(last_line(ended)), cwd=Path("/root"))
        assert (told.code, told.stdout) == (0, called(site, *arguments, uid=owner).stdout)
    read = run_in_shell(command_in(last_line(called(site, "status", "--json")))).stdout
    (row,) = json.loads(read)["mailboxes"]
    assert row["stored"] == 1
    assert len(site.stored("a")) == 1


def test_a_service_tells_root_how_to_set_its_secret(site: Site) -> None:
    belongs_to(NOBODY, site)
    (report,) = json.loads(called(site, "poll", "--json", uid=NOBODY).stdout)
    command = report["detail"].rpartition("; ")[2]
    assert command.startswith(TO_BE[NOBODY])
    assert run_in_shell(command, stdin=site.sandbox.client_secret).code == 0
    assert called(site, "poll", uid=NOBODY).code == 0
    assert {path.stat().st_uid for path in (site.folder / "state").rglob("*")} == {NOBODY}


def test_a_service_finds_its_configuration_from_a_directory_that_it_may_not_enter(site: Site) -> None:
    ended = run_in_shell(f"runuser -u nobody -- {PROGRAM} config check", cwd=Path("/root"))
    assert ended.code == 78
    assert "no configuration" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_another_user_who_sets_a_secret_is_told_whose_directory_it_is(site: Site) -> None:
    belongs_to(NOBODY, site)
    ended = called(site, "secret", "set", "acme", uid=ANN, stdin="canary")
    assert ended.code == 77
    assert last_line(ended).endswith(f"sudo -u nobody -- {PROGRAM} -c '{site.config}' secret set acme")


class TestPlaces:
    """What `trust`, and who asks it, advise."""

    @pytest.fixture
    def site(self, site: Site) -> Site:
        set_secret(site)
        assert called(site, "poll").code == 0
        return site

    def mended(self, site: Site, code: int = 73) -> None:
        """A poll is refused; what it advises is done; the next is not."""
        ended = called(site, "poll", "--json")
        assert ended.code == code
        told = last_line(ended) if not ended.stdout else json.loads(ended.stdout)[0]["detail"]
        assert run_in_shell(command_in(told.rpartition("; ")[2])).code == 0
        assert called(site, "poll").code == 0
        assert len(site.stored("a")) == 1

    @pytest.mark.parametrize("place", ["state", "a", "a/.staging"])
    def test_a_directory_that_everybody_can_write(self, site: Site, place: str) -> None:
        (site.folder / place).chmod(0o777)
        self.mended(site)

    def test_a_directory_with_the_configuration_that_everybody_can_write(self, site: Site) -> None:
        site.folder.chmod(0o777)
        self.mended(site, code=78)

    @pytest.mark.parametrize("place", ["a", "a/.staging"])
    def test_a_directory_of_another_user(self, site: Site, place: str) -> None:
        os.chown(site.folder / place, ANN, NOGROUP)
        self.mended(site)

    def test_a_link_of_another_user_on_the_way(self, site: Site) -> None:
        (site.folder / "state").rename(site.folder / "moved")
        (site.folder / "state").symlink_to("moved")
        os.chown(site.folder / "state", ANN, NOGROUP, follow_symlinks=False)
        self.mended(site)

    @pytest.mark.parametrize("name", ["ledger.db", "ledger.id"])
    def test_a_file_of_the_ledger_that_others_can_write(self, site: Site, name: str) -> None:
        (site.folder / "state" / name).chmod(0o666)
        self.mended(site)

    @pytest.mark.parametrize("name", ["ledger.db", "ledger.id"])
    def test_a_file_of_the_ledger_of_another_user(self, site: Site, name: str) -> None:
        os.chown(site.folder / "state" / name, ANN, NOGROUP)
        self.mended(site)


def test_a_daemon_that_serves_the_directory_already_is_stopped(site: Site) -> None:
    set_secret(site)
    with Daemon(site.config, log=site.log) as daemon:
        wait_until(lambda: "service started" in site.log.read_text(), "started")
        ended = run_program("-c", site.config, "run")
        *_, kill = last_line(ended).split("`")[1::2]
        assert run_in_shell(kill).code == 0
        assert daemon.wait() == 0
