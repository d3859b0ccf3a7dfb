"""The system's authorities, where the environment puts others in their place (SSL_CERT_FILE, SSL_CERT_DIR).

Owns what an administrator is told of that. Must never change which authorities are trusted: OpenSSL obeys
these variables, in every program (docs/adr/0028-the-environment.md).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailsluice.files.trust import Problem, doubts_of_obeyed, problem_of_obeyed

_REMEDY = "if this is not meant, unset {}; a `ca_file` in the configuration does not depend on it"


def trust_of_environment() -> Iterator[Problem]:
    """Warns of each variable that decides which authorities are trusted, and of what it names."""
    paths = ssl.get_default_verify_paths()
    for variable, usual in (
        (paths.openssl_cafile_env, paths.openssl_cafile),
        (paths.openssl_capath_env, paths.openssl_capath),
    ):
        named = os.environ.get(variable, "")
        if named and not _same(named, usual):
            yield from _warnings(variable, named)


def _warnings(variable: str, named: str) -> Iterator[Problem]:
    """A directory may be several, with colons between them (SSL_CTX_load_verify_locations(3))."""
    remedy = _REMEDY.format(variable)
    yield Problem(f"{variable} is set: servers are trusted by the certificates in {named}", remedy)
    for path in map(Path, filter(None, named.split(os.pathsep))):
        if not os.access(path, os.R_OK):
            yield Problem(f"{variable} names {path}, which cannot be read", remedy)
            continue
        with suppress(OSError):
            if problem := problem_of_obeyed(path):
                yield problem
            yield from doubts_of_obeyed(path)


def _same(named: str, usual: str) -> bool:
    with suppress(OSError):
        return Path(named).samefile(usual)
    return named == usual
