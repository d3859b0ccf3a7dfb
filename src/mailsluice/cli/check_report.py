"""The report for support: what somebody who helps needs to know, and no secret.

Owns what is in it. Must never contain a secret, a token, or a message. Everything passes `obs.clean` last.
"""

from __future__ import annotations

import os
import platform
import ssl
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from mailsluice import __version__
from mailsluice.checking.findings import Finding
from mailsluice.checking.steps import Line
from mailsluice.cli import check_text
from mailsluice.clock import SystemClock
from mailsluice.config.models import Config
from mailsluice.config.section import Section
from mailsluice.obs.clean import presentable
from mailsluice.status.presence import look
from mailsluice.system.users import user_name

_PACKAGES = ("msal", "requests", "cryptography", "keyring", "apscheduler", "pydantic")
_VARIABLES = (
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""Variables of the environment that may change what mailsluice does."""
_PROGRAMS = {"command", "assertion_command"}
"""Keys whose values are programs with their arguments."""


def support_report(config: Config, lines: Sequence[Line], found: Sequence[Finding]) -> str:
    """The whole report."""
    return presentable("\n".join(_sections(config, lines, found)))


def _sections(config: Config, lines: Sequence[Line], found: Sequence[Finding]) -> Iterator[str]:
    yield f"mailsluice {__version__}, {SystemClock().now():%Y-%m-%d %H:%M:%S} UTC"
    yield f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {platform.platform()}"
    yield f"packages: {', '.join(f'{name} {_version(name)}' for name in _PACKAGES)}"
    yield f"user {user_name(os.geteuid())}, program {sys.executable}"
    yield f"variables: {', '.join(name for name in _VARIABLES if os.environ.get(name)) or 'none'}"
    yield f"daemon: {look(config.service.state_dir)}"
    yield "\nCONFIGURATION (secrets are references)"
    yield from _settings("service", config.service)
    yield from _settings("keyring", config.keyring)
    for kind, sections in (("credentials", config.credentials), ("mailboxes", config.mailboxes)):
        for name, section in sections.items():
            yield from _settings(f"{kind}.{name}", section)
    yield "\nSTEPS"
    shown = check_text.Lines(config, [one.mailbox for one in found])
    yield from (shown.plain(line) for line in lines)
    yield "\nFINDINGS"
    yield from check_text.conclusion(found, lines)
    yield "\nWHAT THE LEDGER KNOWS"
    for one in found:
        yield f"{one.mailbox.name}: {one.last or 'nothing'}"


def _settings(name: str, section: Section) -> Iterator[str]:
    """What the files set in this section. A secret is never in it: only a reference to one."""
    for key in type(section).model_fields:
        if key in section.model_fields_set:
            value = getattr(section, key)
            if key in _PROGRAMS and value:  # an argument may be a secret, of any form
                value = f"{value[0]} with {len(value) - 1} arguments"
            yield f"{name}: {key} is {value}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
