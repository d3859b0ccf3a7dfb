"""An application that proves itself by a certificate or an assertion: configuration, command, the first message."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.conftest import Site, wait_until
from mailsluice.clock import SystemClock
from mailsluice_sandbox import Sandbox, SandboxMailbox, mail
from mailsluice_sandbox.assertions import Federated
from support.program import PROGRAM, Daemon, Ended, run_program
from support.proofs import ISSUER, PASSWORD, SUBJECT, assertion, ec_key, pair, rsa_key, written
from support.reach import run_in_shell
from support.remedies import commands

OWN, NEW = pair(), pair(rsa_key(1), name="renewed")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def box(sandbox: Sandbox) -> SandboxMailbox:
    """A mailbox with one message; the certificate is uploaded, and the other provider is trusted."""
    sandbox.entra.assertions.certificates.append(OWN.certificate)
    sandbox.entra.assertions.federated.append(Federated(ISSUER, SUBJECT, rsa_key(1).public_key()))
    box = sandbox.mailbox("a@acme.example")
    box.deliver(mail.note(1))
    return box


def configure(site: Site, *keys: str) -> None:
    """The credential has these keys instead of a client secret."""
    site.configure("a")
    secret = f'client_secret = "file:{site.folder}/secret"'
    text = site.config.read_text()
    assert secret in text
    site.config.write_text(text.replace(secret, "\n".join(keys)))


def poll(site: Site) -> Ended:
    return run_program("-c", site.config, "poll", "--json")


def detail(ended: Ended) -> str:
    return str(json.loads(ended.stdout)[0]["detail"])


def is_stored(site: Site) -> bool:
    return site.stored("a") == [mail.note(1)]


def test_a_certificate_in_the_keyring(site: Site) -> None:
    configure(site, 'certificate = "keyring:acme-cert"')
    assert run_program("-c", site.config, "secret", "set", "acme-cert", stdin=OWN.pem().decode()).code == 0
    assert poll(site).code == 0
    assert is_stored(site)


def test_a_pfx_in_a_file_with_its_password_in_the_keyring(site: Site) -> None:
    path = written(site.folder / "acme.pfx", OWN.pfx(PASSWORD))
    configure(site, f'certificate = "file:{path}"', 'certificate_password = "keyring:acme-cert-password"')
    assert run_program("-c", site.config, "secret", "set", "acme-cert-password", stdin=PASSWORD).code == 0
    assert poll(site).code == 0
    assert is_stored(site)


def test_a_pfx_in_the_keyring(site: Site) -> None:
    path = written(site.folder / "acme.pfx", OWN.pfx())
    configure(site, 'certificate = "keyring:acme-cert"')
    set_it = shlex.join([str(PROGRAM), "-c", str(site.config), "secret", "set", "acme-cert"])
    assert "stored as base64" in run_in_shell(f"{set_it} < {path}").stdout
    assert poll(site).code == 0
    assert is_stored(site)


def test_an_assertion_in_a_file_as_kubernetes_projects_it(site: Site) -> None:
    (site.folder / "..1").mkdir()
    written(site.folder / "..1" / "token", assertion(datetime.now(UTC) + HOUR), 0o640)
    (site.folder / "..data").symlink_to("..1")
    (site.folder / "token").symlink_to("..data/token")
    configure(site, f'assertion = "file:{site.folder}/token"')
    assert poll(site).code == 0
    assert is_stored(site)


def test_an_assertion_that_a_program_prints(site: Site) -> None:
    path = written(site.folder / "token", assertion(datetime.now(UTC) + HOUR))
    configure(site, f'assertion_command = ["/bin/cat", "{path}"]')
    assert poll(site).code == 0
    assert is_stored(site)


@pytest.mark.parametrize(
    ("octets", "password", "told"),
    [
        (OWN.pfx(PASSWORD), "canary-wrong", "does not open it"),
        (OWN.pfx(PASSWORD), "", "locked by a password"),
        (OWN.pem(), PASSWORD, "it has no password"),
        (OWN.public_pem, "", "but not its private key"),
        (OWN.key_pem(), "", "but no certificate"),
        (OWN.key_pem() + NEW.public_pem, "", "do not belong together"),
        (OWN.pem() + NEW.pem(), "", "it has 2 private keys"),
        (pair(ec_key()).pem(), "", "Entra ID takes RSA keys"),
        (pair(end=datetime.now(UTC) - HOUR).pem(), "", "the certificate ended on "),
        (pair(begin=datetime.now(UTC) + HOUR).pem(), "", "is valid only from "),
        (b"", "", "it is empty"),
        (b"\x89PNG", "", "neither PEM text nor a PFX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "octets",
)
def test_a_certificate_that_cannot_be_used_is_78_and_one_sentence(
    site: Site, box: SandboxMailbox, octets: bytes, password: str, told: str
) -> None:
    path = written(site.folder / "acme", octets)
    word = f'certificate_password = "file:{written(site.folder / "word", password)}"' if password else ""
    configure(site, f'certificate = "file:{path}"', word)
    ended = poll(site)
    assert ended.code == 78
    assert told in detail(ended)
    assert str(path) in detail(ended)
    assert site.sandbox.entra.token_requests == 0
    assert len(box.remaining()) == 1


def test_a_certificate_that_was_typed_at_a_prompt_is_stored_from_a_file_as_told(site: Site) -> None:
    """A prompt reads one line, and this has many."""
    configure(site, 'certificate = "keyring:acme-cert"')
    first_line = OWN.pem().decode().partition("\n")[0]
    assert run_program("-c", site.config, "secret", "set", "acme-cert", stdin=first_line).code == 0
    ended = poll(site)
    assert ended.code == 78
    (told,) = commands(detail(ended))
    path = written(site.folder / "acme.pem", OWN.pem())
    assert run_in_shell(told.replace("FILE", str(path))).code == 0
    assert poll(site).code == 0
    assert is_stored(site)


def test_a_certificate_file_that_others_can_read_is_78_and_the_remedy_works(site: Site) -> None:
    path = written(site.folder / "acme.pem", OWN.pem(), 0o644)
    configure(site, f'certificate = "file:{path}"')
    ended = poll(site)
    assert ended.code == 78
    assert run_in_shell(detail(ended).rpartition("; ")[2]).code == 0
    assert poll(site).code == 0
    assert is_stored(site)


@pytest.mark.parametrize(
    ("key", "code"), [('assertion = "file:{}"', 78), ('assertion_command = ["/bin/cat", "{}"]', 77)]
)
@pytest.mark.parametrize(
    ("content", "told"),
    [("", "is empty"), ("canary", "is not a JWT"), (assertion(datetime.now(UTC) - HOUR), "ended at ")],
    ids=["empty", "no JWT", "stale"],
)
def test_an_assertion_that_cannot_be_used_is_one_sentence(
    site: Site, box: SandboxMailbox, key: str, code: int, content: str, told: str
) -> None:
    path = written(site.folder / "token", content)
    configure(site, key.format(path))
    ended = poll(site)
    assert ended.code == code
    assert told in detail(ended)
    assert site.sandbox.entra.token_requests == 0
    assert len(box.remaining()) == 1


def test_an_old_certificate_after_the_new_one_was_uploaded_is_77_and_what_to_do(
    site: Site, sandbox: Sandbox
) -> None:
    configure(site, 'certificate = "keyring:acme-cert"')
    run_program("-c", site.config, "secret", "set", "acme-cert", stdin=OWN.pem().decode())
    sandbox.entra.assertions.certificates[:] = [NEW.certificate]
    ended = poll(site)
    assert ended.code == 77
    assert "AADSTS700027" in detail(ended)
    assert "upload the certificate, without its key" in detail(ended)
    run_program("-c", site.config, "secret", "set", "acme-cert", stdin=NEW.pem().decode())
    assert poll(site).code == 0
    assert is_stored(site)


class OffClock(SystemClock):
    """The provider's clock, if ours is wrong by as much."""

    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


class TestClock:
    @pytest.fixture(params=[10, -10], ids=["ours is slow", "ours is fast"])
    def sandbox(self, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
        with Sandbox(clock=OffClock(timedelta(minutes=request.param, seconds=1))) as sandbox:
            yield sandbox

    def test_one_that_is_ten_minutes_off_is_told_as_such(self, site: Site) -> None:
        configure(site, f'certificate = "file:{written(site.folder / "acme.pem", OWN.pem())}"')
        ended = poll(site)
        assert ended.code == 77
        assert "AADSTS700024: Client assertion is not within its valid time range" in detail(ended)
        assert "this machine's clock is wrong" in detail(ended)
        assert "program that writes the assertion" not in detail(ended)


class TestDaemon:
    """The certificate's file is replaced while it runs. Every six seconds it needs a new token."""

    @pytest.fixture
    def path(self, site: Site, sandbox: Sandbox) -> Path:
        sandbox.entra.lifetime = timedelta(seconds=8)
        path = written(site.folder / "acme.pem", OWN.pem())
        configure(site, f'certificate = "file:{path}"')
        return path

    @pytest.fixture(autouse=True)
    def daemon(self, site: Site, path: Path) -> Iterator[None]:
        assert path.exists()
        with Daemon(site.config, log=site.log) as daemon:
            wait_until(lambda: is_stored(site), "the first message")
            yield
            assert daemon.stop() == 0

    def test_one_that_is_renamed_into_place_is_used_for_the_next_token(
        self, site: Site, sandbox: Sandbox, box: SandboxMailbox, path: Path
    ) -> None:
        assertions = sandbox.entra.assertions
        assertions.certificates.append(NEW.certificate)
        written(path.with_name("new"), NEW.pem()).rename(path)
        wait_until(
            lambda: len({header["x5t#S256"] for header, _ in assertions.accepted}) == 2, "the new one signs"
        )
        box.deliver(mail.note(2))
        wait_until(lambda: len(site.stored("a")) == 2, "the second message")
        assert "secret-error" not in site.log.read_text()
        assert "AADSTS" not in site.log.read_text()

    def test_one_that_is_half_written_is_told_and_the_next_poll_works(
        self, site: Site, sandbox: Sandbox, box: SandboxMailbox, path: Path
    ) -> None:
        sandbox.entra.assertions.certificates.append(NEW.certificate)
        written(path, NEW.pem()[:-100])
        wait_until(lambda: "it ends in the middle" in site.log.read_text(), "half a file was told")
        written(path, NEW.pem())
        box.deliver(mail.note(2))
        wait_until(lambda: len(site.stored("a")) == 2, "the second message")
