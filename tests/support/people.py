"""People at a browser, as the tests play them: they open what they are shown, and press the button."""

from __future__ import annotations

import html
import re
from pathlib import Path

import requests


def open_address(address: str, ca_file: Path) -> int:
    """Open a page to sign in, and send its form; the status that the browser gets in the end."""
    with requests.Session() as browser:
        browser.trust_env = False
        page = browser.get(address, verify=str(ca_file), timeout=10).text
        action = re.search('action="([^"]*)"', page)
        assert action is not None, page
        fields = {
            name: html.unescape(value) for name, value in re.findall('name="(.*?)" value="(.*?)"', page)
        }
        return browser.post(html.unescape(action[1]), data=fields, timeout=10).status_code
