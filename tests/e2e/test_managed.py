"""`mailsluice poll` on a machine in Azure: without a secret, with the variables that it finds there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Answer, Fault, Machine, Sandbox, mail
from support.program import PATIENCE, PROGRAM, Ended, run_program, surroundings
from support.skipping import skip_or_fail

TOKENS = "/var/opt/azcmagent/tokens"


@pytest.fixture
def machine(sandbox: Sandbox, tmp_path: Path) -> Machine:
    keys = tmp_path / "keys"
    keys.mkdir()
    return sandbox.machine(keys)


@pytest.fixture
def site(site: Site, sandbox: Sandbox) -> Site:
    """A mailbox with one message, and a credential of the machine."""
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")
    use_machine(site)
    return site


def use_machine(site: Site, keys: str = "") -> None:
    credential = f'[credentials.entra]\nkind = "entra"\nflow = "managed-identity"\n{keys}'
    text = site.config.read_text()
    site.config.write_text(
        re.sub(r"\[credentials\.entra\].*?(?=\[defaults\])", credential, text, flags=re.DOTALL)
    )


def poll(site: Site, variables: Mapping[str, str]) -> Ended:
    return run_program("-c", site.config, "poll", "--json", environment=dict(variables))


def poll_with_agent(site: Site, machine: Machine, keys: Path) -> Ended:
    """Poll where the agent's directory is at its place: in a mount namespace of its own."""
    place = f"mount -t tmpfs tmpfs /var/opt && mkdir -p {TOKENS} && mount --bind {shlex.quote(str(keys))} {TOKENS}"
    words = ["unshare", "--mount", "sh", "-c", f'{place} && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        skip_or_fail("cannot put the agent's directory at its place")
    ended = subprocess.run(
        [*words, PROGRAM, "-c", site.config, "poll", "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=surroundings(**machine.arc),
    )
    print(ended.stdout, ended.stderr)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def detail(ended: Ended) -> str:
    return str(json.loads(ended.stdout)[0]["detail"])


@pytest.mark.parametrize("place", ["vm", "app_service"])
def test_the_first_message_is_stored_by_the_machines_own_identity(
    site: Site, machine: Machine, place: str
) -> None:
    assert poll(site, getattr(machine, place)).code == 0
    assert site.stored("a") == [mail.note(1)]


@pytest.mark.parametrize("place", ["vm", "app_service"])
def test_the_first_message_is_stored_by_an_identity_that_was_assigned(
    site: Site, machine: Machine, place: str
) -> None:
    machine.system_assigned = None
    machine.assign()
    use_machine(site, f'client_id = "{machine.assign()}"\n')
    assert poll(site, getattr(machine, place)).code == 0
    assert site.stored("a") == [mail.note(1)]


def test_the_first_message_is_stored_with_azure_arc(site: Site, machine: Machine) -> None:
    assert poll_with_agent(site, machine, site.folder / "keys").code == 0
    assert site.stored("a") == [mail.note(1)]


def test_a_proxy_in_the_environment_does_not_stand_between(site: Site, machine: Machine) -> None:
    proxies = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    assert poll(site, {**machine.vm, **proxies}).code == 0


def test_a_machine_without_an_identity_is_77_and_told_to_get_one(site: Site, machine: Machine) -> None:
    machine.system_assigned = None
    ended = poll(site, machine.vm)
    assert ended.code == 77
    assert "Identity not found" in detail(ended)
    assert "give this machine a system-assigned identity" in detail(ended)


def test_a_service_that_is_being_updated_is_75(site: Site, sandbox: Sandbox, machine: Machine) -> None:
    sandbox.faults.add(Fault("IDENTITY", Answer(410)))
    ended = poll(site, machine.vm)
    assert ended.code == 75
    assert "AZURE_POD_IDENTITY_AUTHORITY_HOST" in detail(ended)
    assert poll(site, machine.vm).code == 0


def test_an_endpoint_on_another_machine_is_77_and_gets_no_secret(site: Site, machine: Machine) -> None:
    elsewhere = {**machine.app_service, "IDENTITY_ENDPOINT": "http://203.0.113.7:8081/msi/token"}
    ended = poll(site, elsewhere)
    assert ended.code == 77
    assert "nothing was sent" in detail(ended)
