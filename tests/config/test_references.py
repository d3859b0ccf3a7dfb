from __future__ import annotations

from pathlib import Path

from mailsluice.config.load import load
from mailsluice.config.references import references


def test_every_secret_of_every_section_is_found_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "mailsluice.toml"
    file.write_text(
        '[service]\nproxy = "http://me@proxy.example"\nproxy_password = "keyring:proxy"\n'
        '[credentials.app]\nkind = "entra"\ntenant_id = "contoso"\nclient_id = "app"\n'
        'certificate = "keyring:acme-cert"\ncertificate_password = "env:PASSWORD"\n'
        '[credentials.old]\nkind = "password"\npassword = "file:/secret"\n'
        '[credentials.program]\nkind = "command"\ncommand = ["/bin/token"]\n'
        '[mailboxes.m]\naddress = "m@acme.example"\ncredential = "app"\n'
        'sink = { kind = "spool", path = "/spool" }\n'
        'proxy = "http://me@other.example"\nproxy_password = "keyring:other"\n'
    )
    found = list(references(load(file)))
    assert {str(each): str(each.ref) for each in found} == {
        "service.proxy_password": "keyring:proxy",
        "credentials.app.certificate": "keyring:acme-cert",
        "credentials.app.certificate_password": "env:PASSWORD",
        "credentials.old.password": "file:/secret",
        "mailboxes.m.proxy_password": "keyring:other",
    }
    assert set(found[0].credentials) == {"app", "old", "program"}
    assert found[-1].credentials == ("app",)
