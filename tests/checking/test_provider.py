"""Where the identity provider is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailsluice.checking.provider import endpoint_of
from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from support.checks import means_of

TOML = """
service = {{ state_dir = "{folder}/state", proxy = "http://proxy.acme.example:3128" }}
[credentials.acme]
kind = "entra"
tenant_id = "acme.example"
client_id = "c"
client_secret = "keyring:acme"
{authority}
[mailboxes.a]
address = "a@acme.example"
credential = "acme"
sink = {{ kind = "spool", path = "{folder}/a" }}
"""


@pytest.mark.parametrize(
    ("authority", "where"),
    [
        ("", "login.microsoftonline.com:443"),
        ('cloud = "china"', "login.partner.microsoftonline.cn:443"),
        ('authority = "https://id.acme.example:8443/acme"', "id.acme.example:8443"),
    ],
)
def test_it_is_at_the_authority_on_the_route_of_the_service(
    tmp_path: Path, authority: str, where: str
) -> None:
    path = tmp_path / "mailsluice.toml"
    path.write_text(TOML.format(folder=tmp_path, authority=authority))
    config = load(path)
    credential = config.credentials["acme"]
    assert isinstance(credential, EntraCredential)

    endpoint = endpoint_of(credential, means_of(config))

    assert str(endpoint) == f"{where} (through the proxy http://proxy.acme.example:3128 (service.proxy))"
