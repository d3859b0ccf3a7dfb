"""A browser at the identity provider: it keeps cookies, follows redirects, and presses the button of a form.

Owns what a browser does between the address that a program shows and the redirect back to this machine. Must
never import mailsluice.
"""

from __future__ import annotations

import html
import re

import requests

from peers.oidc import Oidc


def sent_back(oidc: Oidc, address: str) -> tuple[str, dict[str, str]]:
    """Where the provider sends the browser back to, and what it has to say there (`form_post`)."""
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(address, verify=str(oidc.ca_file), timeout=10).text
    action = re.search(r'action="([^"]*)"', page)
    assert action is not None, page
    fields = re.findall(r'name="([^"]*)" value="([^"]*)"', page)
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in fields}


def sign_in(oidc: Oidc, address: str) -> None:
    """Open the address that a program shows, and go back to this machine."""
    action, fields = sent_back(oidc, address)
    with requests.Session() as browser:
        browser.trust_env = False
        browser.post(action, data=fields, timeout=10).raise_for_status()
