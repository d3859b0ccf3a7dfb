"""The keyring: what `keyring:NAME` in a configuration stands for.

Owns which backend there is for each word of the configuration, and the translation of their errors. What the
keyring library would detect, or its files and the environment name, is not used
(docs/adr/0029-pinned-keyrings.md). Must never keep a secret, and never use another backend than the one that
the configuration names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from keyring.errors import KeyringError, PasswordDeleteError

from mailsluice import invocation
from mailsluice.auth.keyrings.seal import KEY_CREDENTIAL, Key
from mailsluice.auth.keyrings.systemd import SystemdKeyring
from mailsluice.auth.keyrings.vault import SealedVault, VaultError
from mailsluice.config.models import Backend
from mailsluice.errors import SecretError
from mailsluice.files.rights import is_denied

SERVICE = "mailsluice"
"""The service under which the keyring knows this program's secrets."""


class _Backend(Protocol):
    """What the keyring library expects of a backend, as far as it is used, and the names."""

    def get_password(self, service: str, username: str, /) -> str | None: ...

    def set_password(self, service: str, username: str, password: str, /) -> None: ...

    def delete_password(self, service: str, username: str, /) -> None: ...

    def names(self, service: str, /) -> list[str]: ...


class Keyring:
    """The secrets in the backend that the configuration names, by name. Every method raises SecretError.

    The backend is called directly, not through the functions of keyring. These know one backend in a process,
    and there are two while a reload moves the state directory, or changes the backend.
    """

    def __init__(self, state_dir: Path, backend: Backend) -> None:
        self._vault = SealedVault(state_dir)
        self._backend: _Backend
        self._test: Callable[[], None] = _nothing
        match backend:
            case "sealed":
                self._backend = self._vault
            case "systemd":
                self._backend = SystemdKeyring()
            case "secret-service":
                from mailsluice.auth.keyrings.secret_service import SecretServiceKeyring  # noqa: PLC0415  D-Bus

                service = SecretServiceKeyring()
                self._backend, self._test = service, service.test

    def get(self, name: str) -> str | None:
        """The secret of that name, or None where there is none."""
        with _translated(f"keyring:{name}"):
            return self._backend.get_password(SERVICE, name)

    def store(self, name: str, secret: str) -> None:
        """Store a secret. It replaces one of the same name."""
        with _translated(f"keyring:{name}"):
            self._backend.set_password(SERVICE, name, secret)

    def delete(self, name: str) -> None:
        """Delete a secret."""
        with _translated(f"keyring:{name}"):
            self._backend.delete_password(SERVICE, name)

    def names(self) -> list[str]:
        """The names of all secrets, sorted."""
        with _translated("keyring"):
            return [name for name in self._backend.names(SERVICE) if name != KEY_CREDENTIAL]

    def test(self) -> None:
        """Whether a keyring that another program keeps works: an entry is made, read and deleted.

        Nothing is done for the others: their files are looked at when a secret is read.
        """
        with _translated("keyring"):
            self._test()

    def key(self) -> Key | None:
        """The key that sealed files of the state directory need; None if there is none yet."""
        with _translated("keyring"):
            return self._vault.key()

    def make_key(self) -> bool:
        """Make that key, if there is none. Returns whether it was made."""
        with _translated("keyring"):
            return self._vault.make_key()

    def files(self) -> dict[str, bytes]:
        """The files for a backup: their octets by file name."""
        with _translated("keyring"):
            return self._vault.files()


def _nothing() -> None:
    pass


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except SecretError as exc:
        raise SecretError(f"{subject}: {exc}", remedy=exc.remedy, denied=exc.denied) from exc
    except VaultError as exc:
        denied = isinstance(exc.__cause__, OSError) and is_denied(exc.__cause__)
        raise SecretError(f"{subject}: {exc}", remedy=exc.remedy, denied=denied) from exc
    except PasswordDeleteError as exc:
        remedy = f"`{invocation.command('secret', 'list')}` shows the names"
        raise SecretError(f"{subject}: {exc}", remedy=remedy) from exc
    except KeyringError as exc:
        raise SecretError(f"{subject}: the keyring failed: {exc}") from exc
