"""The Secret Service: a keyring that another program keeps and unlocks, such as gnome-keyring, over D-Bus.

Owns the deadline of each call, and the words for what goes wrong. The keyring library's backend does the
work. What that reads from the environment, and its waiting for ever, are replaced here. Must never ask a
person to unlock the keyring: nobody may be there, and each poll would ask again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import secretstorage
from jeepney import DBusErrorResponse, Message
from jeepney.bus import get_bus
from jeepney.io.blocking import DBusConnection, prep_socket
from keyring.backends import SecretService
from keyring.errors import InitError, KeyringError, KeyringLocked, PasswordDeleteError
from secretstorage.exceptions import SecretStorageException
from secretstorage.util import add_match_rules

from mailsluice import invocation
from mailsluice.auth.keyrings.vault import VaultError

DEADLINE = 10.0
"""Seconds for one call, from the connection to the answer."""

_SELF_TEST = "mailsluice self-test"
"""The service of the entry that the self-test makes and deletes: no secret's."""

_UNLOCK = (
    "unlock it for this user: sign in to the desktop, or without one: "
    "`systemd-ask-password -n | gnome-keyring-daemon --replace --unlock --components=secrets`"
)
_NO_BUS = (
    "start mailsluice where the user's D-Bus is: under systemd, set "
    "Environment=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/UID/bus; or start it with dbus-run-session"
)
_NOT_THERE = (
    "find out why the program that keeps the keyring does not run (gnome-keyring-daemon, for example), "
    "start it, and unlock it"
)


class _Connection(DBusConnection):  # type: ignore[misc]  # jeepney has no types
    """A connection to the user's D-Bus that is over at its deadline, however many answers it waits for."""

    def __init__(self, deadline: float) -> None:
        self._end = time.monotonic() + deadline
        sock = prep_socket(get_bus("SESSION"), timeout=deadline)
        sock.settimeout(deadline)  # a long secret may have to wait until it can be sent
        try:
            super().__init__(sock)
        except BaseException:
            sock.close()
            raise

    def receive(self, *, timeout: float | None = None) -> Message:
        """The next message. Raises TimeoutError at the deadline."""
        left = max(0.0, self._end - time.monotonic())
        return super().receive(timeout=left if timeout is None else min(timeout, left))


class _Backend(SecretService.Keyring):
    """The keyring library's backend, without its environment variables, its prompts and its waiting."""

    def __init__(self, deadline: float) -> None:
        # Not the base class's __init__: it lets KEYRING_PROPERTY_* in the environment set any attribute.
        self._deadline = deadline

    def get_preferred_collection(self) -> secretstorage.Collection:
        """The user's default keyring, unlocked, on a connection of its own. Closing that is the caller's."""
        connection = _Connection(self._deadline)
        try:
            add_match_rules(connection)
            collection = secretstorage.get_collection_by_alias(connection, "default")
            _refuse_if_locked(collection, "it")
        except BaseException:
            connection.close()
            raise
        return collection

    def unlock(self, item: secretstorage.Item) -> None:
        """Nothing: an entry that is locked by itself is refused. Raises KeyringLocked."""
        _refuse_if_locked(item, "the entry")

    def get_password(self, service: str, username: str) -> str | None:
        """The secret of the one entry of that name. Which of two would come is chance: both are refused."""
        collection = self.get_preferred_collection()
        with closing(collection.connection):
            items = list(collection.search_items({"service": service, "username": username}))
            if len(items) > 1:
                raise _of_another_program(service, username)
            for item in items:
                self.unlock(item)
                return bytes(item.get_secret()).decode()
        return None

    def names(self, service: str) -> list[str]:
        """The names of a service's entries, whichever program made them."""
        collection = self.get_preferred_collection()
        with closing(collection.connection):
            found = [item.get_attributes() for item in collection.search_items({"service": service})]
        return sorted({name for attributes in found if (name := attributes.get("username"))})


class SecretServiceKeyring:
    """The secrets of this user in the Secret Service. Every method raises KeyringError (`VaultError`).

    Each call makes connections of its own: so a keyring that was started again is found again. A connection
    is over after `deadline` seconds. To read a secret takes one, to store or to delete it up to three.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._backend = _Backend(deadline)

    def get_password(self, service: str, username: str) -> str | None:
        """The secret of that name, or None where there is none."""
        with self._explained():
            return self._backend.get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a secret, and read it back. It replaces one of the same name that this program stored."""
        with self._explained():
            self._backend.set_password(service, username, password)
            self._backend.get_password(service, username)

    def delete_password(self, service: str, username: str) -> None:
        """Delete a secret. Raises PasswordDeleteError if there is none of that name."""
        with self._explained():
            if username not in self._backend.names(service):
                raise PasswordDeleteError(f"there is no secret of the name {username!r}")
            self._backend.delete_password(service, username)
            if username in self._backend.names(service):
                raise _of_another_program(service, username)

    def names(self, service: str) -> list[str]:
        """The names of a service's secrets, sorted."""
        with self._explained():
            return self._backend.names(service)

    def test(self) -> None:
        """Store, read and delete an entry of its own."""
        name, value = f"test {secrets.token_hex(8)}", secrets.token_hex(16)
        self.set_password(_SELF_TEST, name, value)
        self.delete_password(_SELF_TEST, name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (VaultError, PasswordDeleteError):
            raise
        except UnicodeDecodeError:
            # Without the cause, because that contains the octets of the secret.
            what = "the entry in the Secret Service is not UTF-8 text"
            raise VaultError(what, remedy="store it again, as text") from None
        except KeyringLocked as exc:
            raise VaultError(f"the Secret Service's keyring: {exc}", remedy=_UNLOCK) from exc
        except TimeoutError as exc:
            what = f"the Secret Service has not answered within {self._deadline:.0f} seconds"
            raise VaultError(what, remedy=f"it may wait for a person at a prompt; {_UNLOCK}") from exc
        except secretstorage.ItemNotFoundException as exc:
            what = "the Secret Service has no default keyring"
            raise VaultError(what, remedy=f"make one, and {_UNLOCK}") from exc
        except (KeyError, RuntimeError, ValueError, OSError) as exc:
            # jeepney: no address in the environment, one that it cannot use, or nobody at that address.
            what = f"the user's D-Bus cannot be reached: {_reason(exc)}"
            raise VaultError(what, remedy=_NO_BUS) from exc
        except (SecretStorageException, InitError, DBusErrorResponse, KeyringError) as exc:
            raise VaultError(f"the Secret Service failed: {_reason(exc)}", remedy=_NOT_THERE) from exc


def _refuse_if_locked(thing: secretstorage.Collection | secretstorage.Item, what: str) -> None:
    if thing.is_locked():
        raise KeyringLocked(f"{what} is locked")


def _reason(exc: Exception) -> str:
    if isinstance(exc, KeyError):
        return f"{exc.args[0]} is not set"
    if isinstance(exc, DBusErrorResponse):  # its text is a representation of all that came
        return str(exc.name)
    return str(exc)


def _of_another_program(service: str, username: str) -> VaultError:
    again = invocation.command("secret", "set", username)
    return VaultError(
        f"the Secret Service has another entry of the name {username!r}, which another program made",
        remedy=f"remove it (`secret-tool clear service {service} username {username}`), then `{again}`",
    )
