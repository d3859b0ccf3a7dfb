"""The systemd credentials: secrets that systemd hands to a unit (systemd.exec(5), LoadCredentialEncrypted=).

Owns where they are, and the words for one that is not there. They are read-only: systemd decrypts them when
it starts the unit. Must never write one.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NoReturn

from mailsluice.auth.text import without_line_end
from mailsluice.errors import SecretError

DIRECTORY = Path("/etc/mailsluice")
"""Where the commands of this module put encrypted credentials. Any other place will do."""

_NOT_HERE = "systemd provides no credentials here"


def credential(name: str) -> str:
    """The secret that systemd provides by this name, without one line end. Raises SecretError."""
    try:
        return without_line_end(octets_of_credential(name).decode())
    except UnicodeDecodeError:
        # Without the cause, because that contains the octets of the secret.
        raise SecretError("the secret is not UTF-8 text", remedy=loading(name)) from None


def octets_of_credential(name: str) -> bytes:
    """What systemd provides by this name, unchanged. Raises SecretError."""
    if Path(name).name != name or name == "..":
        raise SecretError("a credential's name is a plain file name", remedy=loading(name))
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise SecretError(_NOT_HERE, remedy=f"{loading(name)}; only the unit's own processes can read it")
    try:
        return (Path(directory) / name).read_bytes()
    except OSError as exc:
        raise SecretError(str(exc.strerror), remedy=loading(name)) from exc


def loading(name: str) -> str:
    """What to do so that the unit has this credential."""
    return f"give the unit LoadCredentialEncrypted={name}:FILE"


def encrypting(name: str, source: str) -> str:
    """The command for root that encrypts `source`, a file or `-`, so that systemd can provide it."""
    return shlex.join(["systemd-creds", "encrypt", f"--name={name}", source, str(encrypted(name))])


def encrypted(name: str) -> Path:
    """The file that `encrypting` makes."""
    return DIRECTORY / f"{name}.cred"


class SystemdKeyring:
    """The unit's credentials as a keyring that nobody can write. Every method raises SecretError."""

    def get_password(self, _service: str, username: str) -> str | None:
        """The secret of that name; never None: that there is none is an error with a remedy of its own."""
        return credential(username)

    def set_password(self, _service: str, username: str, _password: str) -> NoReturn:
        """Say how it is set."""
        raise SecretError(
            "systemd provides the secrets (keyring.backend), and nothing else can set one",
            remedy=f"as root: `systemd-ask-password -n | {encrypting(username, '-')}`, "
            f"then give the unit LoadCredentialEncrypted={username}:{encrypted(username)}, "
            "and restart it",
        )

    def delete_password(self, _service: str, username: str) -> NoReturn:
        """Say how it is deleted."""
        raise SecretError(
            "systemd provides the secrets (keyring.backend), and nothing else can delete one",
            remedy=f"remove LoadCredentialEncrypted={username}:… from the unit, and its file, and restart it",
        )

    def names(self, _service: str) -> list[str]:
        """The names of the unit's credentials, sorted."""
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise SecretError(
                _NOT_HERE,
                remedy="the unit's settings name its credentials: `systemctl cat mailsluice`",
            )
        try:
            return sorted(path.name for path in Path(directory).iterdir())
        except OSError as exc:
            raise SecretError(f"{directory}: {exc.strerror}", remedy=f"look at {directory} (ls -ld)") from exc
