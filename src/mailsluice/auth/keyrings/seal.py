"""The seal: what this program encrypts before it writes it to a disk.

Owns the key, and where it comes from: from systemd, or else from a file in the state directory. Must never
write a key that systemd provides to a disk.

What is sealed is encrypted with AES-256-GCM, and bound to what it is. So nobody can change it, or put it in
another place, unnoticed. A key file beside what it seals protects copies of that alone: whoever may read the
whole state directory has both.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailsluice.files.private import read_private, replace_private

KEY = "vault.key"
"""The name of the key file in the state directory."""
KEY_CREDENTIAL = "mailsluice-vault-key"
"""The systemd credential with the key, if the unit has one: 32 random octets."""
VAULT = "secrets.vault"
"""The name of the sealed vault in the state directory. Its key is this one, too."""
LOCK = "secrets.lock"
"""The name of the lock file for the vault and the key."""

_VERSION = 1
_KEY_OCTETS = 32
_NONCE_OCTETS = 12


class SealError(Exception):
    """The key cannot be used. `remedy` is what to do about it."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class NotSealed(Exception):
    """It was not sealed with this key for this place, or it was changed since."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key. `origin` is the file that it came from."""

    octets: bytes = field(repr=False)
    origin: Path

    @property
    def id(self) -> str:
        """A name for the key, from which nobody can compute the key."""
        return hashlib.sha256(b"mailsluice vault key" + self.octets).hexdigest()[:16]

    def seal(self, content: str, *place: str) -> bytes:
        """The content, sealed for this place."""
        nonce = os.urandom(_NONCE_OCTETS)
        return nonce + AESGCM(self.octets).encrypt(nonce, content.encode(), _binding(place))

    def unseal(self, blob: bytes, *place: str) -> str:
        """What was sealed for this place. Raises NotSealed."""
        nonce, sealed = blob[:_NONCE_OCTETS], blob[_NONCE_OCTETS:]
        try:
            return AESGCM(self.octets).decrypt(nonce, sealed, _binding(place)).decode()
        except (InvalidTag, ValueError):
            raise NotSealed from None


def read_key(state_dir: Path, owners: Collection[int]) -> Key:
    """The key of a state directory. The file may belong to one of `owners`.

    Raises FileNotFoundError if there is none, OSError, FileError, SealError.
    """
    provided = os.environ.get("CREDENTIALS_DIRECTORY")
    if provided and (Path(provided) / KEY_CREDENTIAL).exists():
        path = Path(provided) / KEY_CREDENTIAL
        return _key(path, path.read_bytes())
    return read_key_file(state_dir, owners)


def read_key_file(state_dir: Path, owners: Collection[int]) -> Key:
    """The key in the file of a state directory, even if systemd provides another one. Raises as above."""
    path = state_dir / KEY
    return _key(path, read_private(path, owners=owners))


def _key(path: Path, octets: bytes) -> Key:
    if len(octets) != _KEY_OCTETS:
        raise SealError(
            f"{path} is not a key: it has {len(octets)} octets instead of {_KEY_OCTETS}",
            remedy="restore the key from a backup, or from where it was made",
        )
    return Key(octets, path)


def first_key(state_dir: Path, owners: Collection[int]) -> Key:
    """The key of a state directory; a key file is made if there is no key. Hold the lock. Raises as above."""
    try:
        return read_key(state_dir, owners)
    except FileNotFoundError:
        replace_private(state_dir / KEY, os.urandom(_KEY_OCTETS))
        return read_key(state_dir, owners)  # read again: what is used is what is on the disk


def _binding(place: tuple[str, ...]) -> bytes:
    """The additional data of AES-GCM: what is moved to another place cannot be decrypted."""
    return json.dumps([_VERSION, *place]).encode()
