from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from mailsluice import invocation
from mailsluice.auth.secrets import Secrets
from mailsluice.auth.sources.certificate import (
    Certificate,
    Unusable,
    certificate_end,
    certificate_in,
    certificate_reader,
    is_pfx,
    valid,
)
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from support.proofs import PASSWORD, Pair, ec_key, pair, rsa_key, written
from support.reach import run_in_shell

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OWN = pair()
OTHER = pair(rsa_key(1), name="another")
CA = pair(ec_key(), name="an authority")


def refused(octets: bytes, password: str | None = None) -> Unusable:
    with pytest.raises(Unusable) as caught:
        certificate_in(octets, password)
    assert "canary" not in f"{caught.value} {caught.value.remedy}"
    assert "PRIVATE" not in f"{caught.value} {caught.value.remedy}"
    return caught.value


def is_own(certificate: Certificate) -> bool:
    return (certificate.key, certificate.public) == (OWN.key_pem().decode(), OWN.public_pem.decode())


@pytest.mark.parametrize(
    "octets",
    [
        OWN.key_pem() + OWN.public_pem,
        OWN.public_pem + OWN.key_pem(),
        CA.public_pem + OWN.public_pem + OTHER.public_pem + OWN.key_pem(),
        b"Bag Attributes\r\n  friendlyName: acme\r\n" + OWN.pem().replace(b"\n", b"\r\n"),
        OWN.public_pem + OWN.key_pem(form=PrivateFormat.TraditionalOpenSSL),
        OWN.pfx(),
        OWN.pfx(chain=[OTHER.certificate, CA.certificate]),
        base64.b64encode(OWN.pfx()),
        base64.encodebytes(OWN.pfx()),
        b"\xef\xbb\xbf" + OWN.pem(),
    ],
    ids=[
        "key first",
        "key last",
        "chain",
        "attributes",
        "PKCS#1",
        "PFX",
        "PFX with chain",
        "base64",
        "lines",
        "BOM",
    ],
)
def test_the_certificate_that_fits_the_key_is_found_in_every_form(octets: bytes) -> None:
    assert is_own(certificate_in(octets, None))


@pytest.mark.parametrize(
    "octets",
    [
        OWN.pem(PASSWORD),
        OWN.public_pem + OWN.key_pem(PASSWORD, PrivateFormat.TraditionalOpenSSL),
        OWN.pfx(PASSWORD),
        base64.b64encode(OWN.pfx(PASSWORD)),
    ],
    ids=["PKCS#8", "traditional", "PFX", "base64"],
)
class TestLocked:
    def test_the_password_opens_it(self, octets: bytes) -> None:
        assert is_own(certificate_in(octets, PASSWORD))

    def test_a_wrong_password_is_told(self, octets: bytes) -> None:
        assert "the password of `certificate_password` does not open it" in str(
            refused(octets, "canary-wrong")
        )

    def test_a_missing_password_is_told(self, octets: bytes) -> None:
        error = refused(octets)
        assert "is locked by a password" in str(error)
        assert str(error).endswith(", and there is no `certificate_password`")
        assert "set `certificate_password`" in error.remedy


@pytest.mark.parametrize("octets", [OWN.pem(), OWN.pfx()], ids=["PEM", "PFX"])
def test_a_password_that_is_not_needed_is_told(octets: bytes) -> None:
    error = refused(octets, PASSWORD)
    assert str(error) == "it has no password, but `certificate_password` is set"
    assert error.remedy == "remove `certificate_password`"


def test_a_pfx_with_an_empty_password_has_none(tmp_path: Path) -> None:
    """As Windows exports one, and OpenSSL with `-passout pass:`."""
    octets = exported(tmp_path, "pass:")
    assert is_own(certificate_in(octets, None))


@pytest.mark.parametrize("options", [["-legacy"], ["-legacy", "-descert"], ["-macalg", "sha1"]], ids=" ".join)
def test_a_pfx_of_an_old_windows_is_opened(tmp_path: Path, options: list[str]) -> None:
    assert is_own(certificate_in(exported(tmp_path, f"pass:{PASSWORD}", *options), PASSWORD))


def exported(folder: Path, password: str, *options: str) -> bytes:
    """A PFX by OpenSSL."""
    source = written(folder / "own.pem", OWN.pem())
    command = ["openssl", "pkcs12", "-export", "-in", str(source), "-passout", password, *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"canary", "it is neither PEM text nor a PFX file"),
        (bytes(range(256)) * 16, "it is neither PEM text nor a PFX file"),
        (OWN.public_pem, "it has a certificate, but not its private key"),
        (OWN.key_pem(), "it has a private key, but no certificate"),
        (OWN.key_pem(PASSWORD) + OTHER.key_pem() + OWN.public_pem, "it has 2 private keys"),
        (OWN.key_pem() + OTHER.public_pem + CA.public_pem, "do not belong together"),
        (OWN.pem()[:-30], "it ends in the middle"),
        (OWN.pem()[:40], "it ends in the middle"),
        (OWN.pfx()[:-1], "it ends in the middle"),
        (OWN.pfx()[:300], "it ends in the middle"),
        (base64.b64encode(OWN.pfx())[:1001], "it ends in the middle"),
        (OWN.key_pem().replace(b"M", b"canary") + OWN.public_pem, "its private key is damaged"),
        (OWN.key_pem() + OWN.public_pem.replace(b"MII", b"canary"), "one of its certificates is damaged"),
        (b"-----BEGIN X509 CRL-----\nxx\n-----END X509 CRL-----", "neither a certificate nor a private key"),
        (
            CA.pem(),
            "its private key is one for elliptic curves, and Entra ID takes RSA keys of 2048 bits or more",
        ),
        (CA.pfx(), "its private key is one for elliptic curves, and Entra ID takes RSA"),
        (
            pair(rsa_key(0, 1024)).pem(),
            "its private key has 1024 bits, and Entra ID takes RSA keys of 2048 bits",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "octets",
)
def test_what_cannot_be_used_is_told_in_one_sentence(octets: bytes, told: str) -> None:
    error = refused(octets)
    assert told in str(error)
    assert "\n" not in f"{error}{error.remedy}"


def test_the_kind_of_another_key_is_told() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    odd = Pair(key, CA.certificate)
    assert "its private key is one for another algorithm, and Entra ID takes RSA" in str(
        refused(odd.key_pem() + CA.public_pem)
    )


def test_of_two_certificates_of_one_key_the_one_that_ends_last_is_taken() -> None:
    old, new = (
        pair(end=datetime.now(UTC) + timedelta(days=2)),
        pair(end=datetime.now(UTC) + timedelta(days=9)),
    )
    for octets in (old.pem() + new.public_pem, new.pem() + old.public_pem):
        assert certificate_in(octets, None).public == new.public_pem.decode()


def test_its_end_can_be_asked_for() -> None:
    assert certificate_end(OWN.pfx(PASSWORD), PASSWORD) == OWN.certificate.not_valid_after_utc


def test_a_certificate_shows_no_key_in_its_repr() -> None:
    assert "PRIVATE" not in repr(certificate_in(OWN.pem(), None))


@pytest.mark.parametrize(
    "octets", [OWN.pfx(), b"\x30\x80\x02\x01\x03\x30\x80"], ids=["OpenSSL", "indefinite"]
)
def test_a_pfx_is_known_by_its_beginning(octets: bytes) -> None:
    assert is_pfx(octets)


@pytest.mark.parametrize(
    "octets", [b"", b"canary", OWN.pem(), b"\x30\x82", b"\x89PNG\r\n\x1a\n"], ids=range(5)
)
def test_nothing_else_is_taken_for_a_pfx(octets: bytes) -> None:
    assert not is_pfx(octets)


@given(st.data())
def test_whatever_is_in_it_the_answer_is_a_certificate_or_why_there_is_none(data: st.DataObject) -> None:
    """Of a PFX only the beginning: it says itself how long it takes to open it."""
    octets = bytearray(data.draw(st.sampled_from([OWN.pem(), CA.pem(), b"\x30\x82\x01\x01\x02\x01\x03\x30"])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        certificate_in(bytes(octets), data.draw(st.sampled_from([None, "canary"])))
    except Unusable as exc:
        said = str(exc)
    else:
        said = ""
    assert not said or said.isprintable()


class TestTime:
    CERTIFICATE = certificate_in(pair(begin=NOW, end=NOW + timedelta(days=1)).pem(), None)
    REF = SecretRef("file", "/etc/acme.pem")

    def told(self, now: datetime) -> SecretError:
        with pytest.raises(SecretError) as caught:
            valid(self.CERTIFICATE, self.REF, now)
        return caught.value

    @pytest.mark.parametrize("after", [timedelta(), timedelta(days=1)])
    def test_it_is_valid_from_its_beginning_to_its_end(self, after: timedelta) -> None:
        assert valid(self.CERTIFICATE, self.REF, NOW + after) is self.CERTIFICATE

    def test_one_that_has_ended_is_told_with_its_end_and_our_clock(self) -> None:
        error = self.told(NOW + timedelta(days=2))
        assert str(error) == (
            "file:/etc/acme.pem: the certificate ended on 2026-06-02 12:00:00 UTC, "
            "and this machine's clock says 2026-06-03 12:00:00 UTC"
        )
        assert "upload" in error.remedy

    def test_one_that_is_not_yet_valid_is_told_with_our_clock_which_may_be_wrong(self) -> None:
        error = self.told(NOW - timedelta(minutes=10))
        assert str(error) == (
            "file:/etc/acme.pem: the certificate is valid only from 2026-06-01 12:00:00 UTC, "
            "and this machine's clock says 2026-06-01 11:50:00 UTC"
        )
        assert "clock" in error.remedy


class TestPlaces:
    @pytest.fixture
    def secrets(self, tmp_path: Path) -> Secrets:
        return Secrets(tmp_path / "state", "sealed")

    def test_a_renewed_file_is_read_at_once(self, secrets: Secrets, tmp_path: Path) -> None:
        path = written(tmp_path / "acme.pem", OTHER.pem())
        read = certificate_reader(SecretRef("file", str(path)), None, secrets)
        assert not is_own(read())
        written(tmp_path / "new", OWN.pem()).rename(path)
        assert is_own(read())

    @pytest.mark.parametrize("octets", [OWN.pem(PASSWORD), OWN.pfx(PASSWORD)], ids=["PEM", "PFX"])
    def test_a_file_a_systemd_credential_a_variable_and_the_keyring_may_have_it(
        self, secrets: Secrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes
    ) -> None:
        text = octets.decode() if b"-----" in octets else base64.b64encode(octets).decode()
        path = written(tmp_path / "acme", octets)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        monkeypatch.setenv("ACME", text)
        secrets.store("acme", text)
        secrets.store("password", PASSWORD)
        places = (("file", str(path)), ("credential", "acme"), ("env", "ACME"), ("keyring", "acme"))
        for scheme, name in places:
            ref = SecretRef(scheme, name)  # type: ignore[arg-type]
            assert is_own(certificate_reader(ref, SecretRef("keyring", "password"), secrets)())

    def test_a_file_that_others_can_read_is_refused_and_the_remedy_works(
        self, secrets: Secrets, tmp_path: Path
    ) -> None:
        path = written(tmp_path / "acme's.pfx", OWN.pfx(), 0o644)
        read = certificate_reader(SecretRef("file", str(path)), None, secrets)
        error = told(read)
        assert "can be used by others: its mode is 0644" in str(error)
        run_in_shell(error.remedy)
        assert is_own(read())

    def test_in_the_keyring_the_remedy_is_the_command_that_stores_a_file(self, secrets: Secrets) -> None:
        secrets.store("acme", "-----BEGIN")
        error = told(certificate_reader(SecretRef("keyring", "acme"), None, secrets))
        assert str(error) == "keyring:acme: it is neither PEM text nor a PFX file"
        assert f"`{invocation.command('secret', 'set', 'acme')} < FILE`" in error.remedy

    def test_a_missing_password_in_the_keyring_is_told_as_one(self, secrets: Secrets, tmp_path: Path) -> None:
        path = written(tmp_path / "acme.pfx", OWN.pfx(PASSWORD))
        error = told(certificate_reader(SecretRef("file", str(path)), SecretRef("keyring", "word"), secrets))
        assert str(error) == "keyring:word: the keyring has no secret of that name"

    def test_an_error_has_neither_key_nor_cause(self, secrets: Secrets, tmp_path: Path) -> None:
        path = written(tmp_path / "acme.pem", OWN.key_pem())
        error = told(certificate_reader(SecretRef("file", str(path)), None, secrets))
        assert str(error).startswith(f"file:{path}: it has a private key, but no certificate")
        assert error.__cause__ is None
        assert error.__suppress_context__


def told(read: Callable[[], Certificate]) -> SecretError:
    with pytest.raises(SecretError) as caught:
        read()
    assert caught.value.remedy
    assert "canary" not in f"{caught.value} {caught.value.remedy}"
    return caught.value
