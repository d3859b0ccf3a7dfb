"""Tenants in each of Microsoft's clouds, and one app registration for several tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Answer, Fault, Refuse, Sandbox, mail
from mailsluice_sandbox.tokens import AUDIENCES, Cloud
from support.program import Ended, run_program

MAILBOX = "a@acme.example"
CLOUDS = [*AUDIENCES]


def poll(site: Site) -> Ended:
    return run_program("-c", site.config, "poll", "--json")


def audiences(sandbox: Sandbox) -> set[str]:
    """The audiences of all tokens that were given."""
    return {jwt.decode(token, options={"verify_signature": False})["aud"] for token in sandbox.entra.issued}


def in_cloud(folder: Path, sandbox: Sandbox, cloud: str) -> Site:
    sandbox.mailbox(MAILBOX).deliver(mail.note(1))
    site = Site(folder, sandbox)
    site.configure("a")
    text = site.config.read_text()
    site.config.write_text(text.replace('kind = "entra"\n', f'kind = "entra"\ncloud = "{cloud}"\n'))
    return site


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_poll_asks_for_the_scope_of_its_cloud(tmp_path: Path, cloud: Cloud) -> None:
    with Sandbox(cloud=cloud) as sandbox:
        site = in_cloud(tmp_path, sandbox, cloud)
        assert poll(site).code == 0
        assert site.stored("a") == [mail.note(1)]
        assert audiences(sandbox) == {AUDIENCES[cloud]}


@pytest.mark.parametrize(("cloud", "mistaken"), list(zip(CLOUDS, CLOUDS[1:] + CLOUDS[:1], strict=True)))
def test_a_tenant_of_one_cloud_gives_no_token_for_another(
    tmp_path: Path, cloud: Cloud, mistaken: str
) -> None:
    with Sandbox(cloud=cloud) as sandbox:
        ended = poll(in_cloud(tmp_path, sandbox, mistaken))
        assert ended.code == 77
        assert "AADSTS500011" in ended.stdout


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_machine_asks_for_the_audience_of_its_cloud(tmp_path: Path, cloud: Cloud) -> None:
    with Sandbox(cloud=cloud) as sandbox:
        site = in_cloud(tmp_path, sandbox, cloud)
        machine = sandbox.machine()
        section, others = site.config.read_text().split("[defaults]")
        needless = ("tenant_id", "client_", "authority", "ca_file")
        lines = [line for line in section.splitlines() if not line.startswith(needless)]
        section = "\n".join(lines).replace('kind = "entra"', 'kind = "entra"\nflow = "managed-identity"')
        site.config.write_text(f"{section}\n[defaults]{others}")
        ended = run_program("-c", site.config, "poll", "--json", environment=machine.vm)
        assert ended.code == 0
        assert machine.requests[0]["resource"] == AUDIENCES[cloud]


class Offices:
    """Two tenants, north and south, and the one app that reads the mail of both."""

    def __init__(self, folder: Path, north: Sandbox, south: Sandbox) -> None:
        self.tenants = {"north": north, "south": south}
        south.consent(north)
        self._folder = folder
        secret = folder / "secret"
        secret.write_text(north.client_secret)
        secret.chmod(0o600)
        self.config = folder / "mailsluice.toml"
        self.config.write_text(
            f'[service]\nstate_dir = "{folder}/state"\n'
            + "".join(self._section(name, sandbox) for name, sandbox in self.tenants.items())
        )

    def _section(self, name: str, sandbox: Sandbox) -> str:
        address = f"invoices@{name}.example"
        sandbox.mailbox(address).deliver(mail.note(1))
        return f"""
[credentials.{name}]
kind = "entra"
tenant_id = "{sandbox.tenant_id}"
client_id = "{self.tenants["north"].client_id}"
client_secret = "file:{self._folder}/secret"
authority = "{sandbox.authority}"
ca_file = "{sandbox.ca_file}"
[mailboxes.{name}]
address = "{address}"
credential = "{name}"
host = "localhost"
port = {sandbox.pop3_port}
ca_file = "{sandbox.ca_file}"
sink = {{ kind = "spool", path = "{self._folder}/{name}" }}
"""

    def poll(self) -> dict[str, str]:
        """The outcome of each mailbox."""
        reports = json.loads(run_program("-c", self.config, "poll", "--json").stdout)
        return {report["mailbox"]: report["outcome"] for report in reports}

    def stored(self, name: str) -> int:
        return len(list((self._folder / name).glob("*.eml")))


@pytest.fixture
def offices(tmp_path: Path) -> Iterator[Offices]:
    with Sandbox() as north, Sandbox() as south:
        yield Offices(tmp_path, north, south)


class TestOneAppForTwoTenants:
    def test_each_tenant_gives_a_token_of_its_own(self, offices: Offices) -> None:
        assert set(offices.poll().values()) == {"ok"}
        for name, sandbox in offices.tenants.items():
            assert offices.stored(name) == 1
            (token,) = sandbox.entra.issued
            claims = jwt.decode(token, options={"verify_signature": False})
            assert claims["tid"] == sandbox.tenant_id
            assert claims["appid"] == offices.tenants["north"].client_id

    @pytest.mark.parametrize(("refusing", "other"), [("north", "south"), ("south", "north")])
    @pytest.mark.parametrize("when", ["TOKEN", "LOGIN"])
    def test_a_refusal_by_one_does_not_touch_the_other(
        self, offices: Offices, refusing: str, other: str, when: str
    ) -> None:
        fault = Fault("TOKEN", Refuse("no")) if when == "TOKEN" else Fault("LOGIN", Refuse("no"))
        offices.tenants[refusing].faults.add(fault)
        outcomes = offices.poll()
        assert outcomes[other] == "ok"
        assert outcomes[refusing] != "ok"
        assert (offices.stored(other), offices.stored(refusing)) == (1, 0)
        assert offices.tenants[other].entra.token_requests == 1

    def test_one_that_limits_requests_does_not_slow_the_other(self, offices: Offices) -> None:
        limit = Answer(429, b'{"error": "throttled"}', {"Retry-After": "600"})
        offices.tenants["north"].faults.add(Fault("TOKEN", limit))
        assert offices.poll() == {"north": "token-unavailable", "south": "ok"}
