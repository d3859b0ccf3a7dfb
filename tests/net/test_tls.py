"""The one rule for TLS, at every server that the program talks to: the mail server's and the provider's."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from auth.hand_clock import HandClock
from mailsluice.net.adapter import timed_tls
from mailsluice.net.authorities import Authorities
from mailsluice.net.deadlines import Deadline
from mailsluice.net.proxy import no_proxy
from mailsluice.net.tls import tls_settings

Settings = Callable[[Path | None], ssl.SSLContext]


def of_the_mail_server(ca_file: Path | None) -> ssl.SSLContext:
    return Authorities().context(ca_file)


def of_the_provider(ca_file: Path | None) -> ssl.SSLContext:
    return timed_tls(ca_file, Deadline(HandClock(), 60), no_proxy)


@pytest.fixture(params=[of_the_mail_server, of_the_provider])
def settings(request: pytest.FixtureRequest) -> Settings:
    made: Settings = request.param
    return made


def test_nothing_older_than_tls_1_2_is_spoken(settings: Settings, ca_file: Path) -> None:
    assert settings(ca_file).minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_certificate_is_required_and_its_name_is_checked_by_subject_alt_name(
    settings: Settings, ca_file: Path
) -> None:
    made = settings(ca_file)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert not made.hostname_checks_common_name


def test_a_ca_file_is_trusted_alone(settings: Settings, ca_file: Path) -> None:
    assert len(settings(ca_file).get_ca_certs()) == 1


def test_the_systems_authorities_are_trusted_where_no_ca_file_is_given(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca_file: Path
) -> None:
    trustme.CA(organization_name="The system's").cert_pem.write_to_path(str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert "The system's" in str(settings(None).get_ca_certs())
    assert "The system's" not in str(settings(ca_file).get_ca_certs())


def test_session_keys_are_written_nowhere(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca_file: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert settings(ca_file).keylog_filename is None
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_is_of_no_use_is_an_error_of_the_system(tmp_path: Path, content: bytes | None) -> None:
    useless = tmp_path / "useless.pem"
    if content is not None:
        useless.write_bytes(content)
    with pytest.raises(OSError, match=r".+"):
        tls_settings(useless, ssl.SSLContext)
