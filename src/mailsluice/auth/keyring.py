"""The keyring: what `keyring:NAME` in a configuration stands for.

Owns the choice of a backend, and the translation of its errors. The backend is always our sealed vault. What
the keyring library would detect, or the environment names, is not used. Must never keep a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyring.errors import KeyringError, PasswordDeleteError

from mailsluice import invocation
from mailsluice.auth.vault import SealedVault, VaultError
from mailsluice.errors import SecretError
from mailsluice.files.rights import is_denied

SERVICE = "mailsluice"
"""The service under which the keyring knows this program's secrets."""


class Keyring:
    """The secrets in `state_dir`, by name. Every method raises SecretError.

    The vault is called directly, not through the functions of keyring. These know one backend in a process,
    and there are two while a reload moves the state directory.
    """

    def __init__(self, state_dir: Path) -> None:
        self._vault = SealedVault(state_dir)

    def get(self, name: str) -> str | None:
        """The secret of that name, or None where there is none."""
        with _translated(f"keyring:{name}"):
            return self._vault.get_password(SERVICE, name)

    def store(self, name: str, secret: str) -> None:
        """Store a secret. It replaces one of the same name."""
        with _translated(f"keyring:{name}"):
            self._vault.set_password(SERVICE, name, secret)

    def delete(self, name: str) -> None:
        """Delete a secret."""
        with _translated(f"keyring:{name}"):
            self._vault.delete_password(SERVICE, name)

    def names(self) -> list[str]:
        """The names of all secrets, sorted."""
        with _translated("keyring"):
            return self._vault.names(SERVICE)

    def files(self) -> dict[str, bytes]:
        """The files for a backup: their octets by file name."""
        with _translated("keyring"):
            return self._vault.files()


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    try:
        yield
    except VaultError as exc:
        denied = isinstance(exc.__cause__, OSError) and is_denied(exc.__cause__)
        raise SecretError(f"{subject}: {exc}", remedy=exc.remedy, denied=denied) from exc
    except PasswordDeleteError as exc:
        remedy = f"`{invocation.command('secret', 'list')}` shows the names"
        raise SecretError(f"{subject}: {exc}", remedy=remedy) from exc
    except KeyringError as exc:
        raise SecretError(f"{subject}: the keyring failed: {exc}") from exc
