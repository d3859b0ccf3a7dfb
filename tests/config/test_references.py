from __future__ import annotations

from pathlib import Path

from mailsluice.config.load import load
from mailsluice.config.references import references


def test_every_secret_of_every_section_is_found_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mailsluice.toml"
    file.write_text(
        '[credentials.app]\nkind = "entra"\ntenant_id = "contoso"\nclient_id = "app"\n'
        'certificate = "keyring:acme-cert"\ncertificate_password = "env:PASSWORD"\n'
        '[credentials.old]\nkind = "password"\npassword = "file:/secret"\n'
        '[credentials.program]\nkind = "command"\ncommand = ["/bin/token"]\n'
    )
    assert {str(found): str(found.ref) for found in references(load(file))} == {
        "credentials.app.certificate": "keyring:acme-cert",
        "credentials.app.certificate_password": "env:PASSWORD",
        "credentials.old.password": "file:/secret",
    }
