"""The search for secrets finds them, wherever the suite could hide one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.secrecy import leaks, leaks_below


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


@pytest.mark.parametrize(
    "name", ["ledger.db", "ledger.db-wal", "x.json", "mailsluice.log", "log", "secrets.vault"]
)
def test_what_mailsluice_writes_is_searched_however_deep_it_lies(tmp_path: Path, name: str) -> None:
    below = tmp_path / "outer" / "inner"
    below.mkdir(parents=True)
    (below / name).write_bytes(b"\x00\xff before canary after")

    assert leaks_below(tmp_path) == [f"wrote a secret of the tests into outer/inner/{name}"]
    (below / name).unlink()  # this test, too, is searched


def test_what_tests_keep_for_themselves_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")

    assert leaks_below(tmp_path) == []


PRINTS = "import sys\ndef test_x({fixtures}):\n    print('cana' + 'ry', file=sys.{stream})\n    {then}\n"
RUNS = """\
import click
from click.testing import CliRunner
@click.command()
def command():
    click.echo("cana" + "ry", err={err})
def test_x():
    CliRunner({settings}).invoke(command)
"""
WRITES = "def test_x(tmp_path):\n    (tmp_path / '{name}').write_text('cana' + 'ry')\n"

LEAKING = {
    "printed": PRINTS.format(fixtures="", stream="stdout", then=""),
    "printed-as-error": PRINTS.format(fixtures="", stream="stderr", then=""),
    "read-by-capsys": PRINTS.format(fixtures="capsys", stream="stdout", then="capsys.readouterr()"),
    "read-by-capfd": PRINTS.format(fixtures="capfd", stream="stderr", then="capfd.readouterr()"),
    "read-by-capfdbinary": PRINTS.format(
        fixtures="capfdbinary", stream="stdout", then="capfdbinary.readouterr()"
    ),
    "run-by-click": RUNS.format(err=False, settings=""),
    "run-by-click-as-error": RUNS.format(err=True, settings=""),
    "written-into-a-log": WRITES.format(name="victim.log"),
    "written-into-the-ledger": WRITES.format(name="ledger.db"),
    "written-into-a-description": WRITES.format(name="message.json"),
}


def run_inside(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, tests: dict[str, str]
) -> pytest.RunResult:
    """Tests in a run of their own, under this suite's conftest.py."""
    folder = request.config.rootpath / "tests"
    pytester.makeconftest((folder / "conftest.py").read_text())
    pytester.makepyfile(**{f"test_{name.replace('-', '_')}": test for name, test in tests.items()})
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", f"pythonpath={folder}")


@pytest.mark.reads_secrets_back
def test_a_test_that_leaks_a_secret_fails(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run_inside(pytester, request, LEAKING)
    capfd.readouterr()  # what the inner run printed holds the secrets

    result.assert_outcomes(passed=len(LEAKING), errors=len(LEAKING))


@pytest.mark.reads_secrets_back
def test_a_test_that_reads_secrets_back_on_purpose_says_so(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    marked = {
        "marked": f"import pytest\npytestmark = pytest.mark.reads_secrets_back\n{LEAKING['read-by-capsys']}"
    }

    result = run_inside(pytester, request, marked)
    capfd.readouterr()

    result.assert_outcomes(passed=1)
