"""What a command does without: each library takes time and memory at every start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice_sandbox import Sandbox
from support.program import PATIENCE, surroundings
from support.proofs import pair, written

HEAVY = {
    "apscheduler",
    "cryptography",
    "keyring",
    "msal",
    "pydantic",
    "requests",
    "rich",
    "sqlite3",
    "structlog",
    "trustme",
    "urllib3",
}
HTTP = {"msal", "requests", "urllib3"}
VAULT = {"cryptography", "keyring"}
ALWAYS_IN_A_POLL = {"pydantic", "sqlite3", "structlog"}
CHILD = """
import sys
from mailsluice.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(code, *sys.modules, file=sys.stderr)
"""
WITHOUT_A_CONFIGURATION = [["--help"], ["--version"], ["nonsense"]]


def modules(*arguments: str | Path) -> set[str]:
    """Every module that was loaded when this command had done its work."""
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env=surroundings(),
    )
    print(ended.stdout, ended.stderr)
    code, *names = ended.stderr.splitlines()[-1].split()
    assert code == ("64" if arguments == ("nonsense",) else "0")
    return set(names)


def heavy(*arguments: str | Path) -> set[str]:
    return HEAVY & modules(*arguments)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        sandbox.mailbox("a@acme.example", password="canary")
        yield sandbox


@pytest.fixture
def config(tmp_path: Path, sandbox: Sandbox) -> Path:
    """A configuration with one mailbox, whose credential is a password."""
    for name, secret in (("password", "canary"), ("secret", sandbox.client_secret)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secret)
    path = tmp_path / "mailsluice.toml"
    path.write_text(f"""
service.state_dir = "{tmp_path}/state"
[credentials.c]
kind = "password"
password = "file:{tmp_path}/password"
[mailboxes.inbox]
address = "a@acme.example"
host = "{sandbox.host}"
port = {sandbox.pop3_port}
ca_file = "{sandbox.ca_file}"
credential = "c"
sink = {{ kind = "spool", path = "{tmp_path}/spool" }}
""")
    return path


def ask_entra(config: Path, sandbox: Sandbox, secret: str) -> None:
    """Let the credential be a client secret, which is kept there."""
    password = f'kind = "password"\npassword = "file:{config.parent}/password"\n'
    config.write_text(
        config.read_text().replace(
            password,
            f"""kind = "entra"
tenant_id = "{sandbox.tenant_id}"
client_id = "{sandbox.client_id}"
client_secret = "{secret}"
authority = "{sandbox.authority}"
ca_file = "{sandbox.ca_file}"
""",
        )
    )


@pytest.mark.parametrize("arguments", WITHOUT_A_CONFIGURATION, ids=" ".join)
def test_what_reads_no_configuration_loads_nothing_heavy(arguments: list[str]) -> None:
    assert heavy(*arguments) == set()


def test_a_check_of_the_configuration_loads_what_reads_it(config: Path) -> None:
    assert heavy("-c", config, "config", "check") == {"pydantic"}


def test_status_loads_no_part_of_a_poll(config: Path) -> None:
    assert heavy("-c", config, "status") == {"pydantic", "sqlite3"}


def test_the_keyring_is_listed_without_the_rest(config: Path) -> None:
    assert heavy("-c", config, "secret", "list") == {"pydantic", *VAULT}


@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"]], ids=" ".join)
def test_a_poll_by_password_loads_neither_timetable_nor_http_nor_vault(
    config: Path, options: list[str]
) -> None:
    assert heavy("-c", config, "poll", *options) == ALWAYS_IN_A_POLL


def test_a_poll_that_nobody_watches_loads_nothing_for_a_screen(config: Path) -> None:
    assert not {"mailsluice.cli.screen", "rich.progress"} & modules("-c", config, "poll")


def test_a_poll_by_client_secret_loads_http_and_what_seals_the_token(config: Path, sandbox: Sandbox) -> None:
    ask_entra(config, sandbox, f"file:{config.parent}/secret")

    assert heavy("-c", config, "poll") == ALWAYS_IN_A_POLL | HTTP | {"cryptography"}


def test_a_poll_with_a_token_that_was_kept_loads_neither_http_nor_keyring(
    config: Path, sandbox: Sandbox
) -> None:
    ask_entra(config, sandbox, "keyring:acme")
    subprocess.run(
        [sys.executable, "-m", "mailsluice", "-c", config, "secret", "set", "acme"],
        input=sandbox.client_secret,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE,
        env=surroundings(),
    )
    assert heavy("-c", config, "poll") == ALWAYS_IN_A_POLL | HTTP | VAULT

    assert heavy("-c", config, "poll") == ALWAYS_IN_A_POLL | {"cryptography"}
    assert sandbox.entra.token_requests == 1


def prove_by_certificate(config: Path, sandbox: Sandbox) -> None:
    ask_entra(config, sandbox, "file:/nowhere")
    own = pair()
    sandbox.entra.assertions.certificates.append(own.certificate)
    path = written(config.parent / "acme.pem", own.pem())
    config.write_text(
        config.read_text().replace('client_secret = "file:/nowhere"', f'certificate = "file:{path}"')
    )


def test_a_poll_by_certificate_loads_what_signs(config: Path, sandbox: Sandbox) -> None:
    prove_by_certificate(config, sandbox)

    assert heavy("-c", config, "poll") == ALWAYS_IN_A_POLL | HTTP | {"cryptography"}


def test_a_poll_with_a_secret_in_the_keyring_loads_the_vault(config: Path, sandbox: Sandbox) -> None:
    config.write_text(config.read_text().replace(f"file:{config.parent}/password", "keyring:acme"))
    subprocess.run(
        [sys.executable, "-m", "mailsluice", "-c", config, "secret", "set", "acme"],
        input="canary",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE,
        env=surroundings(),
    )

    assert heavy("-c", config, "poll") == ALWAYS_IN_A_POLL | VAULT


BUILD = """
import sys
from contextlib import suppress
from pathlib import Path
from mailsluice.config.load import load
from mailsluice.app import Service
from mailsluice.errors import ServerError
with Service(load(Path(sys.argv[1]))) as service:
    service.start()
    before = set(sys.modules)
    mailbox = service.config.mailboxes["inbox"]
    service.preview(mailbox)
    with suppress(ServerError):
        service.preview(mailbox.model_copy(update={"address": "nobody@acme.example"}))
    print(*sorted(name for name in set(sys.modules) - before if "." not in name or "mailsluice" in name))
"""


@pytest.mark.parametrize("proof", ["secret", "certificate"])
def test_a_service_has_loaded_all_it_needs_before_the_first_poll(
    config: Path, sandbox: Sandbox, proof: str
) -> None:
    if proof == "secret":
        ask_entra(config, sandbox, f"file:{config.parent}/secret")
    else:
        prove_by_certificate(config, sandbox)
    ended = subprocess.run(
        [sys.executable, "-c", BUILD, config],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        env=surroundings(),
    )

    begun, loaded = ended.stdout.splitlines()
    assert "ledger begun" in begun
    assert loaded == ""
    assert sandbox.entra.token_requests == 1
