"""Files of secrets: whatever is in them, the very secret that was put in, or one error that does not tell it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fuzz.feed import Feed
from mailsluice.auth.keyrings.keyring import SERVICE
from mailsluice.auth.keyrings.seal import Key, _binding
from mailsluice.auth.secrets import Secrets
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError

SECRETS = {"acme": "canary-one", "old": "canary-two"}
KEY = bytes(range(32))


@cache
def vault() -> bytes:
    """A right one, always the same."""
    entries = []
    for number, (name, secret) in enumerate(SECRETS.items()):
        nonce = bytes([number]) * 12
        sealed = nonce + AESGCM(KEY).encrypt(nonce, secret.encode(), _binding((SERVICE, name)))
        entries.append({"service": SERVICE, "name": name, "sealed": base64.b64encode(sealed).decode()})
    return json.dumps({"version": 1, "key": Key(KEY, Path("/")).id, "entries": entries}).encode()


SEEDS = (
    b"\x00" + vault(),
    b"\x00" + vault().replace(b'"version": 1', b'"version": 2'),
    b"\x00" + vault().replace(b'"acme"', b'"old"', 1),
    b"\x00" + json.dumps(json.loads(vault())).encode("utf-16"),
    b'\x00{"version": [[1]], "key": "\\u001b", "entries": []}',
    b"\x01" + KEY,
    b"\x01" + KEY + b"\n",
    b"\x02canary-word\r\n",
    b"\x02\xff\xfe",
)
WORDS = (
    b'"version":',
    b'"key":',
    b'"entries":',
    b'"sealed":',
    b'"name":',
    b"\\u001b",
    b"\\ud800",
    b"true",
    b"1.0",
    b"null",
    b"[[[[",
    b"1e999",
    b'"acme"',
)


def check(data: bytes) -> None:
    feed = Feed(data)
    what = feed.octet() % 3
    content = feed.rest()
    with TemporaryDirectory() as folder:
        state = Path(folder)
        files = {
            "secrets.vault": content if what == 0 else vault(),
            "vault.key": content if what == 1 else KEY,
            "secret": content,
        }
        for name, octets in files.items():
            (state / name).touch(mode=0o600)
            (state / name).write_bytes(octets)
        if what == 2:
            _check_file(state / "secret", content)
        else:
            _check_vault(state)


def _check_file(path: Path, content: bytes) -> None:
    try:
        secret = Secrets(path.parent, "sealed").reader(SecretRef("file", str(path)))()
    except SecretError as error:
        _check_words(error)
        assert content in {b"", b"\n", b"\r\n"} or not _is_text(content)
    else:
        assert content in {secret.encode() + end for end in (b"", b"\n", b"\r\n")}


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_vault(state: Path) -> None:
    secrets = Secrets(state, "sealed")
    for name, secret in SECRETS.items():
        try:
            assert secrets.reader(SecretRef("keyring", name))() == secret
        except SecretError as error:
            _check_words(error)
    before = (state / "secrets.vault").read_bytes()
    try:
        names = secrets.names()
        assert names == sorted(set(names))
    except SecretError as error:
        _check_words(error)
        _check_left_alone(secrets, state, before)


def _check_left_alone(secrets: Secrets, state: Path, before: bytes) -> None:
    """A vault that cannot be read whole is never replaced."""
    changes: list[Callable[[], None]] = [
        lambda: secrets.store("new", "canary-new"),
        lambda: secrets.delete("acme"),
    ]
    for change in changes:
        try:
            change()
        except SecretError as error:
            _check_words(error)
    assert (state / "secrets.vault").read_bytes() == before


def _check_words(error: SecretError) -> None:
    assert "canary" not in f"{error} {error.remedy}"
    assert f"{error}{error.remedy}".isprintable()
    assert len(str(error)) < 1000
