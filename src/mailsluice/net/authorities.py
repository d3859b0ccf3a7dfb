"""The authorities: TLS settings that many sessions share.

Owns when certificates are read, and when they are read again. After `forget`, it must never trust a
certificate that was removed from the disk.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailsluice.errors import Phase, ServerUntrusted
from mailsluice.net.tls import tls_settings

_Signature = tuple[tuple[int, ...], ...]
"""The device, inode, size and time of change of each file that was read."""


@dataclass(frozen=True, slots=True)
class _Read:
    context: ssl.SSLContext
    signature: _Signature


class Authorities:
    """TLS settings, made once for each `ca_file`; None stands for the system's. Safe among threads.

    They are shared, because it takes some 20 ms to read the system's authorities. `context` and `renewed`
    raise ServerUntrusted if `ca_file` cannot be read.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: dict[Path | None, _Read] = {}

    def context(self, ca_file: Path | None) -> ssl.SSLContext:
        """The settings for this file. It is read only once, so they may be older than the file."""
        with self._lock:
            if ca_file not in self._read:
                self._read[ca_file] = _read(ca_file)
            return self._read[ca_file].context

    def renewed(self, ca_file: Path | None, untrusting: ssl.SSLContext) -> ssl.SSLContext | None:
        """The settings to try after `untrusting` did not trust a server. None if the files are unchanged.

        This is soon enough: a new authority is on the disk before any server shows a certificate of it.
        """
        with self._lock:
            # Another thread may have read the files again already: then its settings are the ones to try.
            held = self._read.get(ca_file)
            if held is None or (held.context is untrusting and held.signature != _signature(ca_file)):
                held = self._read[ca_file] = _read(ca_file)
            return None if held.context is untrusting else held.context

    def forget(self) -> None:
        """Read everything again when it is next needed. A removed certificate is trusted no longer."""
        with self._lock:
            self._read.clear()


def _read(ca_file: Path | None) -> _Read:
    signature = _signature(ca_file)  # before it is read: a later change is then noticed
    try:
        return _Read(tls_settings(ca_file, ssl.SSLContext), signature)
    except OSError as exc:
        raise ServerUntrusted(
            f"no certificate authorities can be read from {ca_file}: {exc.strerror or exc}",
            phase=Phase.TLS,
            remedy="make ca_file a readable file of PEM certificates",
        ) from exc


def _signature(ca_file: Path | None) -> _Signature:
    found = []
    for path in _system_places() if ca_file is None else (ca_file,):
        with suppress(OSError):
            status = Path(path).stat()
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _system_places() -> Iterator[str]:
    """The file and the directories in which OpenSSL looks for the system's authorities."""
    paths = ssl.get_default_verify_paths()
    yield os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile)
    yield from os.environ.get(paths.openssl_capath_env, paths.openssl_capath).split(os.pathsep)
