"""Each command of ours that a message names is run as it stands, from another directory, and helps."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

import mailsluice
from e2e.conftest import Site, wait_until
from e2e.signing import delegated, sign_in
from mailsluice import invocation
from mailsluice.cli.main import COMMANDS, main
from mailsluice.config.load import load
from mailsluice.diagnosis.tenant.guide import guide
from mailsluice.diagnosis.tenant.setup import Setup
from mailsluice_sandbox import Fault, Refuse, Relist, Sandbox, mail
from support.ageing import age_failures
from support.program import Ended, run_program
from support.reach import run_in_shell
from support.remedies import command_in, commands, last_line

SOURCE = Path(mailsluice.__file__).parent
RUN_HERE = {
    ("secret", "set"),
    ("secret", "list"),
    ("secret", "delete"),
    ("quarantine", "list"),
    ("quarantine", "retry"),
    ("sink", "adopt"),
    ("sink", "forget"),
    ("sink", "list"),
    ("poll",),
    ("check",),
    ("seen",),
    ("seen", "--fetch"),
    ("config", "example"),
    ("login",),
    ("login", "--forget"),
    ("check",),
}
"""The commands of the tests below, as far as their words stand in the source."""

FOR_ANY_MACHINE = {
    SOURCE / "config" / "example.py",
    SOURCE / "config" / "credentials.py",
    SOURCE / "diagnosis" / "tenant" / "manual.py",
}
"""Texts that are written once and read anywhere: they cannot know where a program lies."""


def poll(site: Site) -> Ended:
    return run_program("-c", site.config, "poll", "--json")


def detail(ended: Ended) -> str:
    return str(json.loads(ended.stdout)[0]["detail"])


def kept_in_keyring(site: Site) -> None:
    text = site.config.read_text()
    site.config.write_text(text.replace(f"file:{site.folder}/secret", "keyring:acme"))


def sign_in_as_told(command: str, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        login = pool.submit(run_in_shell, command)
        wait_until(lambda: bool(sandbox.sign_ins.waiting), "a code is shown")
        sandbox.sign_ins.approve(sandbox.sign_ins.waiting[0], "a@acme.example")
        assert login.result().code == 0


@pytest.fixture
def site(site: Site, sandbox: Sandbox) -> Site:
    """A mailbox with one message, in a folder whose name a shell would take for two words."""
    folder = site.folder / "an installation"
    folder.mkdir()
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site = Site(folder, sandbox)
    site.configure("a")
    return site


def set_as_told(command: str, site: Site) -> None:
    assert run_in_shell(command.replace("NAME", "acme"), stdin=site.sandbox.client_secret).code == 0


def test_a_secret_that_is_missing_is_set(site: Site) -> None:
    kept_in_keyring(site)
    ended = poll(site)
    assert ended.code == 78
    set_as_told(detail(ended).rpartition("; ")[2], site)
    assert poll(site).code == 0


def test_a_secret_that_is_not_there_is_looked_up_in_the_list(site: Site) -> None:
    set_secret = run_program("-c", site.config, "secret", "set", "other", stdin="canary")
    assert set_secret.code == 0
    ended = run_program("-c", site.config, "secret", "delete", "acme")
    assert run_in_shell(command_in(last_line(ended))).stdout == "other\n"


def test_a_secret_in_the_configuration_is_set_once_its_reference_is_written(site: Site) -> None:
    right = site.config.read_text()
    site.config.write_text(right.replace(f"file:{site.folder}/secret", "canary"))
    (told,) = commands(run_program("-c", site.config, "config", "check").stderr)
    site.config.write_text(right)
    kept_in_keyring(site)
    set_as_told(told, site)
    assert poll(site).code == 0


def test_a_person_who_has_not_signed_in_is_told_how(site: Site, sandbox: Sandbox) -> None:
    delegated(site, "a")
    (command,) = commands(detail(poll(site)))
    sign_in_as_told(command, sandbox)
    assert poll(site).code == 0


class TestVault:
    @pytest.fixture
    def state(self, site: Site) -> Path:
        kept_in_keyring(site)
        run_program("-c", site.config, "secret", "set", "acme", stdin=site.sandbox.client_secret)
        return site.folder / "state"

    def test_a_secret_that_was_tampered_with_is_set_again(self, site: Site, state: Path) -> None:
        vault = json.loads((state / "secrets.vault").read_text())
        sealed = vault["entries"][0]["sealed"]
        vault["entries"][0]["sealed"] = ("B" if sealed[0] == "A" else "A") + sealed[1:]
        (state / "secrets.vault").write_text(json.dumps(vault))
        set_as_told(commands(detail(poll(site)))[0], site)
        assert poll(site).code == 0

    @pytest.mark.parametrize("lost", ["the key", "the right key"])
    def test_a_vault_whose_key_is_lost_is_moved_aside_and_its_secrets_are_set_again(
        self, site: Site, state: Path, lost: str
    ) -> None:
        if lost == "the key":
            (state / "vault.key").unlink()
        else:
            (state / "vault.key").write_bytes(bytes(32))
        move, again, _ = commands(detail(poll(site)))
        assert run_in_shell(move).code == 0
        set_as_told(again, site)
        assert poll(site).code == 0

    def test_a_sign_in_whose_key_is_lost_is_made_again(self, site: Site, sandbox: Sandbox) -> None:
        delegated(site, "a")
        sign_in(site, "a@acme.example")
        (site.folder / "state" / "vault.key").unlink()
        move, _, again = commands(detail(poll(site)))
        assert run_in_shell(move).code == 0
        sign_in_as_told(again.replace("NAME", "entra"), sandbox)
        assert poll(site).code == 0

    def test_a_vault_that_is_damaged_is_moved_aside(self, site: Site, state: Path) -> None:
        (state / "secrets.vault").write_text("nonsense")
        (move,) = commands(detail(poll(site)))
        assert run_in_shell(move).code == 0
        assert (state / "secrets.vault.lost").read_text() == "nonsense"
        (again,) = commands(f"`{detail(poll(site)).rpartition('; ')[2]}`")
        set_as_told(again, site)
        assert poll(site).code == 0


def test_a_first_configuration_is_begun_with_the_example(tmp_path: Path) -> None:
    ended = run_program("status", cwd=tmp_path)
    assert ended.code == 78
    assert run_in_shell(command_in(last_line(ended)), cwd=tmp_path).code == 0
    assert run_program("config", "check", cwd=tmp_path).code == 0


@pytest.mark.parametrize(("way", "stored"), [(0, 0), (1, 6)])
def test_what_nothing_recognises_is_settled_in_either_way(
    site: Site, sandbox: Sandbox, way: int, stored: int
) -> None:
    box = sandbox.mailbox("six@acme.example")
    for number in range(6):
        box.deliver(b"Received: by a; Sun, 1 Mar 2026 08:0%d:00 +0000\r\n\r\nold\r\n" % number)
    site.configure("six", leave_on_server="true")
    sandbox.faults.add(Fault("TOP", Refuse("no headers today"), times=100))
    assert run_program("-c", site.config, "seen", "six").code == 0
    assert poll(site).code == 0
    sandbox.faults.add(Fault("LISTING", Relist.RENUMBERED, times=100))
    (event, *_) = [
        entry
        for entry in map(json.loads, poll(site).stderr.splitlines())
        if entry["event"] == "message unrecognised"
    ]
    assert run_in_shell(commands(event["remedy"])[way]).code == 0
    assert poll(site).code == 0
    assert len(site.stored("six")) == stored


class TestQuarantine:
    @pytest.fixture
    def quarantined(self, site: Site, sandbox: Sandbox) -> str:
        """The UIDL of a message that the server does not hand out; what the poll logged that set it aside."""
        (uidl,) = sandbox.mailbox("a@acme.example").remaining()
        sandbox.faults.add(Fault("RETR", Refuse("cannot convert"), uidl=uidl, times=100))
        for _ in range(2):
            poll(site)
        age_failures(site.folder / "state", timedelta(days=1))
        log = poll(site).stderr
        (event,) = [json.loads(line) for line in log.splitlines() if "message quarantined" in line]
        assert uidl.decode() in run_in_shell(command_in(event["remedy"])).stdout
        return uidl.decode()

    def test_status_names_the_command_that_lists_it(self, site: Site, quarantined: str) -> None:
        listing, _ = commands(run_program("-c", site.config, "status").stdout)
        assert quarantined in run_in_shell(listing).stdout

    def test_status_names_the_command_that_tries_it_again(self, site: Site, quarantined: str) -> None:
        assert quarantined
        _, again = commands(run_program("-c", site.config, "status").stdout)
        assert run_in_shell(again).stdout.startswith("1 messages of a will be tried again")

    @pytest.mark.parametrize("action", ["show", "retry"])
    def test_a_uidl_that_is_not_there_is_looked_up_in_the_list(
        self, site: Site, quarantined: str, action: str
    ) -> None:
        ended = run_program("-c", site.config, "quarantine", action, "a", "nonsense")
        assert quarantined in run_in_shell(commands(ended.stderr)[-1]).stdout


@pytest.mark.parametrize("mark", ["marked", "unmarked"])
def test_a_ledger_that_was_lost_is_begun_anew_by_who_knows_what_that_means(site: Site, mark: str) -> None:
    site.configure("a", leave_on_server="true")
    assert poll(site).code == 0
    if mark == "unmarked":
        (site.folder / "state" / "ledger.id").unlink()
    (site.folder / "state" / "ledger.db").unlink()
    tried = (["poll"], ["poll", "--dry-run"], ["status"], ["quarantine", "list"], ["run"])
    refusals = [run_program("-c", site.config, *words) for words in tried]
    assert [refusal.code for refusal in refusals] == [73] * len(refusals)
    assert len({last_line(refusal) for refusal in refusals}) == 1
    assert site.stored("a") == [mail.note(1)]
    assert run_in_shell(command_in(last_line(refusals[0]))).code == 0
    refused = poll(site)
    assert refused.code == 73
    assert site.stored("a") == [mail.note(1)]
    assert run_in_shell(commands(detail(refused))[-1]).code == 0
    assert poll(site).code == 0
    assert site.stored("a") == [mail.note(1)] * 2


def test_what_config_check_did_not_look_at_is_tried(site: Site) -> None:
    (command,) = commands(run_program("-c", site.config, "config", "check").stdout)
    assert run_in_shell(command).code == 0


def test_a_certificate_is_made_stored_and_forgotten_as_the_guide_says(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = site.config.read_text()
    secret = f'client_secret = "file:{site.folder}/secret"'
    assert secret in text
    site.config.write_text(text.replace(secret, 'certificate = "keyring:entra-cert"'))
    invocation.note_file(site.config)
    told = guide(Setup.of(load(site.config), "entra"))
    lines = [line[6:] for line in told.splitlines() if line.startswith(" " * 6)]
    at = next(number for number, line in enumerate(lines) if "openssl" in line)
    assert run_in_shell("\n".join(lines[at : at + 3]), cwd=tmp_path).code == 0
    assert main(["-c", str(site.config), "secret", "list"]) == 0
    assert capsys.readouterr().out.endswith("\nentra-cert\n")
    assert run_in_shell(lines[-1]).code == 0
    capsys.readouterr()
    assert main(["-c", str(site.config), "secret", "list"]) == 0
    assert capsys.readouterr().out == ""


_SPELLED = {"invocation.command": 0, "invocation.about": 2}
"""What spells a command, and which argument its words begin with."""


def _constants(tree: ast.Module) -> Iterator[str]:
    """Every text in a module that is no docstring."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


@pytest.mark.parametrize("module", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.name)
def test_no_message_spells_a_command_of_ours_by_itself(module: Path) -> None:
    spelled = re.compile(rf"\bmailsluice (-c|{'|'.join(COMMANDS)})\b")
    found = [text for text in _constants(ast.parse(module.read_text())) if spelled.search(text)]
    assert not found or module in FOR_ANY_MACHINE


def test_a_sign_in_that_no_section_uses_is_forgotten(site: Site) -> None:
    delegated(site, "a")
    sign_in(site, "ann@acme.example")
    site.configure("a")
    checked = run_program("-c", site.config, "secret", "check")
    assert run_in_shell(commands(checked.stdout)[0]).code == 0
    assert "--forget" not in run_program("-c", site.config, "secret", "check").stdout


def test_every_command_that_a_message_names_is_run_here() -> None:
    named = set()
    for module in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and (call := ast.unparse(node.func)) in _SPELLED:
                arguments = node.args[_SPELLED[call] :]
                words = (word.value if isinstance(word, ast.Constant) else None for word in arguments)
                named.add(tuple(str(word) for word in words if word not in {None, "NAME"}))
    assert named == RUN_HERE
