from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from mailsluice_sandbox import Sandbox, Tls


def connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        return context.wrap_socket(plain, server_hostname="localhost")


@pytest.fixture(scope="module")
def intercepted() -> Iterator[Sandbox]:
    with Sandbox(mail_tls=Tls.INTERCEPTED, login_tls=Tls.INTERCEPTED) as sandbox:
        yield sandbox


def discover(sandbox: Sandbox, ca_file: Path) -> int:
    with requests.Session() as session:
        session.trust_env = False
        url = f"{sandbox.authority}/v2.0/.well-known/openid-configuration"
        return session.get(url, verify=str(ca_file), timeout=10).status_code


def test_nobody_trusts_a_middlebox(intercepted: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(intercepted.ca_file))
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        connect(intercepted.pop3_port, context)
    with pytest.raises(requests.exceptions.SSLError):
        discover(intercepted, intercepted.ca_file)


def test_those_who_know_the_middlebox_trust_it(intercepted: Sandbox) -> None:
    context = ssl.create_default_context(cafile=str(intercepted.middlebox_ca_file))
    with connect(intercepted.pop3_port, context) as tls:
        certificate = tls.getpeercert()
    assert certificate is not None
    assert "Acme TLS Inspection CA" in str(certificate["issuer"])
    assert discover(intercepted, intercepted.middlebox_ca_file) == 200


def test_one_host_may_be_intercepted_and_the_other_not() -> None:
    with Sandbox(mail_tls=Tls.INTERCEPTED) as sandbox:
        assert discover(sandbox, sandbox.ca_file) == 200


def test_an_old_host_speaks_no_tls_1_2() -> None:
    with Sandbox(mail_tls=Tls.OLD) as sandbox:
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            connect(sandbox.pop3_port, context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_host_speaks_tls_1_1() -> None:
    with Sandbox(mail_tls=Tls.OLD) as sandbox:
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        with connect(sandbox.pop3_port, context) as tls:
            assert tls.version() == "TLSv1.1"


def test_a_certificate_may_have_ended() -> None:
    with Sandbox(mail_tls=Tls.EXPIRED) as sandbox:
        context = ssl.create_default_context(cafile=str(sandbox.ca_file))
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            connect(sandbox.pop3_port, context)
