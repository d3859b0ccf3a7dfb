"""The search for secrets finds them."""

from __future__ import annotations

import pytest

from support.secrecy import leaks


@pytest.mark.parametrize(
    "text",
    [
        "client_secret=canary-1",
        "token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL291dGxvb2sifQ.sig",
        "auth=Bearer abc",
        "dXNlcj1pbnZvaWNlc0BhY21lLmV4YW1wbGUBYXV0aD1CZWFyZXIg",
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
)
def test_each_kind_of_secret_is_found(text: str) -> None:
    assert leaks(f"before {text} after")


def test_a_clean_text_is_clean() -> None:
    assert leaks("mailbox=invoices outcome=ok stored=3 octets=25000000") == []


def test_a_test_that_prints_a_secret_fails(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    tests = request.config.rootpath / "tests"
    pytester.makeconftest((tests / "conftest.py").read_text())
    pytester.makepyfile("import sys\ndef test_x(): print('cana' + 'ry', file=sys.stderr)")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", f"pythonpath={tests}")
    capfd.readouterr()  # what the inner run printed holds the secret

    result.assert_outcomes(passed=1, errors=1)
