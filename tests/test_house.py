"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def _id(path: Path) -> str:
    """`sandbox/demo.py` for a module of the sandbox, and `sink/names.py` for one of the program."""
    if SOURCE not in path.parents:
        return str(path.relative_to(ROOT))
    return str(path.relative_to(SOURCE)).removeprefix("mailsluice/").removeprefix("mailsluice_")


@pytest.mark.parametrize("module", MODULES + BENCHMARKS + TESTS, ids=_id)
def test_a_module_fits_in_400_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES + BENCHMARKS + TESTS, ids=_id)
def test_a_function_fits_in_50_lines(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 50, node.name


ELSEWHERE = {
    "diagnosis/clouds.py": "diagnosis/tenant/test_manual.py",
    "diagnosis/tenant/ways.py": "diagnosis/tenant/test_guide.py",
    "auth/keyrings/secret_service.py": "peers/test_secret_service.py",
    "auth/sources/late.py": "auth/test_credentials.py",
    "auth/sources/means.py": "auth/sources/test_proofs.py",
    "auth/sources/ways.py": "auth/test_credentials.py",
    "auth/tokens/held.py": "auth/tokens/test_cache_refusals.py",
    "auth/sources/program.py": "auth/sources/test_command_trust.py",
    "__main__.py": "cli/test_main.py",
    "cli/choice.py": "cli/test_quarantine.py",
    "status/held.py": "cli/test_status.py",
    "cli/run.py": "e2e/test_daemon.py",
    "cli/sink.py": "e2e/test_sink.py",
    "cli/seen.py": "e2e/test_seen.py",
    "checking/knocking/response.py": "checking/knocking/test_imap.py",
    "checking/knocking/dialogue.py": "checking/knocking/test_smtp.py",
    "config/files.py": "config/test_include.py",
    "config/mailboxes.py": "config/test_load.py",
    "config/mistakes.py": "config/test_load.py",
    "app.py": "daemon/test_app.py",
    "checking/means.py": "checking/test_run.py",
    "checking/tried.py": "checking/test_findings.py",
    "sandbox/demo.py": "e2e/test_demo.py",
    "daemon.py": "daemon/test_daemon.py",
    "net/argument.py": "pop3/test_commands.py",
    "net/translation.py": "net/test_connection.py",
    "net/connections.py": "net/test_connection.py",
    "net/endpoint.py": "net/test_connection_proxy.py",
    "system/users.py": "files/test_trust.py",
    "pop3/exchange.py": "pop3/test_client.py",
    "pop3/events.py": "pop3/test_protocol.py",
    "sandbox/connection.py": "sandbox/test_dialogue.py",
    "sandbox/pop3.py": "sandbox/test_sandbox.py",
    "sandbox/reply.py": "sandbox/test_entra.py",
    "sandbox/sasl.py": "sandbox/test_dialogue.py",
    "sandbox/server.py": "sandbox/test_sandbox.py",
    "sandbox/tokens.py": "sandbox/test_entra.py",
    "policy/reason.py": "policy/test_plan.py",
    "policy/retrying.py": "policy/test_plan.py",
    "policy/sameness.py": "policy/test_plan.py",
    "failure.py": "session/test_quarantine.py",
    "polling/regular.py": "daemon/test_app_reload.py",
    "polling/notes.py": "daemon/test_app_status.py",
    "system/descriptors.py": "daemon/test_app.py",
    "system/signals.py": "daemon/test_app.py",
    "session/context.py": "session/test_run.py",
    "ledger/aliases.py": "contracts/test_aliases_contract.py",
    "ledger/failures.py": "contracts/test_failures_contract.py",
    "ledger/leases.py": "contracts/test_leases_contract.py",
    "ledger/lost.py": "contracts/test_lost_contract.py",
    "ledger/message_rows.py": "contracts/test_messages_contract.py",
    "ledger/messages.py": "contracts/test_messages_contract.py",
    "ledger/stagings.py": "contracts/test_stagings_contract.py",
    "report.py": "contracts/test_reports_contract.py",
    "session/feeding.py": "session/test_hold.py",
    "session/ports/durable.py": "contracts/test_sink_contract.py",
    "session/ports/messages.py": "contracts/test_messages_contract.py",
    "session/ports/state.py": "contracts/test_ledger_contract.py",
    "session/ports/wire.py": "contracts/test_client_contract.py",
    "session/questions.py": "session/test_late.py",
    "files/new_file.py": "sink/test_durable.py",
    "sink/form.py": "sink/test_spool.py",
    "sink/kind.py": "contracts/test_sink_contract.py",
    "files/error.py": "files/test_directory.py",
    "diagnosis/numbers.py": "diagnosis/test_symptoms.py",
    "diagnosis/reach.py": "diagnosis/test_causes.py",
}
"""Modules met only in company, and the tests that meet them."""


@pytest.mark.parametrize("module", [path for path in MODULES if path.name != "__init__.py"], ids=_id)
def test_a_module_has_a_test_of_its_name(module: Path) -> None:
    tests = ROOT / "tests"
    beside = (tests / _id(module)).parent
    own = list(beside.glob(f"test*_{module.stem}.py"))

    assert bool(own) != (_id(module) in ELSEWHERE)
    assert own or (tests / ELSEWHERE[_id(module)]).exists()


@pytest.mark.parametrize("pins", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_pins_name_no_address(pins: Path) -> None:
    lines = [line for line in pins.read_text().splitlines() if not line.startswith("#")]

    assert not [line for line in lines if "://" in line or "index" in line]


def test_the_lock_of_the_identity_provider_names_no_address_to_fetch_from() -> None:
    """The key `resolved` would be one. The addresses of those who ask for donations are in the packages."""
    lock = json.loads((ROOT / "tests" / "peers" / "oidc" / "package-lock.json").read_text())

    assert all(package["integrity"] for name, package in lock["packages"].items() if name)
    assert not [package for package in lock["packages"].values() if {"resolved", "funding"} & set(package)]


def test_every_test_that_a_document_names_is_there() -> None:
    named = {
        found
        for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
        for found in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", document.read_text())
    }

    assert named
    assert not [
        (file, test)
        for file, test in sorted(named)
        if not re.search(rf"def {test}\(" if test else "", (ROOT / file).read_text())
    ]
