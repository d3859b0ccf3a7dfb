"""Locales whose encoding is not UTF-8."""

from __future__ import annotations

import os

import pytest

from e2e.conftest import Site
from mailsluice_sandbox import Sandbox, mail
from support.program import run_program

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""What Python makes of it is as with any locale that is not UTF-8, and every machine has it."""


@pytest.mark.parametrize("environment", [{}, ASCII], ids=["utf-8", "another encoding"])
def test_a_path_has_the_same_octets_in_every_locale(
    site: Site, sandbox: Sandbox, environment: dict[str, str]
) -> None:
    sandbox.mailbox("a@acme.example").deliver(mail.note(1))
    site.configure("a")
    config = site.folder / "Büro.toml"
    config.write_bytes(site.config.read_text().replace(str(site.spool("a")), f"{site.folder}/Büro").encode())

    ended = run_program("-c", config, "poll", environment=environment)

    assert (ended.code, ended.stderr.count("Traceback")) == (0, 0)
    stored = os.listdir(  # noqa: PTH208  octets, and no path that a locale has a say in
        os.fsencode(site.folder) + "/Büro".encode()
    )
    assert len([name for name in stored if name.endswith(b".eml")]) == 1
