"""The facts: everything that a judgement may use beside the error itself.

Owns these values. Must never find one out: whoever asks for a judgement brings what is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from mailsluice.config.credentials import Cloud, Credential, EntraCredential, PasswordCredential, Way
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.claims import Claims


class Door(Enum):
    """A protocol by which a mailbox can be opened. The value is its name for people."""

    POP = "POP"
    IMAP = "IMAP"
    SMTP = "SMTP"

    @property
    def role(self) -> str:
        """The application permission that opens it."""
        return "SMTP.SendAsApp" if self is Door.SMTP else f"{self.value}.AccessAsApp"

    @property
    def scope(self) -> str:
        """The delegated permission that opens it."""
        return "SMTP.Send" if self is Door.SMTP else f"{self.value}.AccessAsUser.All"


@dataclass(frozen=True, slots=True)
class Access:
    """How a credential gets in, as the configuration says it. `way` is None unless it is of kind `entra`.

    `proof` is where its client secret, certificate or assertion is.
    """

    credential: str
    way: Way | None = None
    tenant: str = ""
    client: str = ""
    cloud: Cloud = "worldwide"
    authority: str = ""
    takes_password: bool = False
    proof: SecretRef | None = None

    @classmethod
    def of(cls, name: str, credential: Credential) -> Access:
        """That of `[credentials.NAME]`."""
        if isinstance(credential, EntraCredential):
            return cls(
                name,
                credential.way,
                credential.tenant_id or "",
                credential.client_id or "",
                credential.cloud,
                credential.authority,
                proof=credential.client_secret or credential.certificate or credential.assertion,
            )
        return cls(name, takes_password=isinstance(credential, PasswordCredential))


@dataclass(frozen=True, slots=True)
class History:
    """What former polls tell. `let_in` is when this mailbox was last polled well; None for never.

    Whoever knows that the mailbox had another credential at that time leaves `let_in` out: it tells nothing
    about this one.

    `sibling` is another mailbox of the credential whose latest poll or check went well, at `sibling_let_in`;
    empty if there is none. `refused` is how many of the others were not let in, when they were last tried.
    """

    now: datetime
    let_in: datetime | None = None
    sibling: str = ""
    sibling_let_in: datetime | None = None
    refused: int = 0

    def was_let_in_within(self, time: timedelta) -> bool:
        """Whether this mailbox was polled well in the last `time`.

        A poll in the future counts if it is as near: the clock was set back since, and nobody knows by how
        much.
        """
        return self.let_in is not None and abs(self.now - self.let_in) <= time


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. None, or empty, is not known.

    `mailbox` is the address and `section` its section's name. `claims` are those of the token that was used.
    `secret_is_id`: whether the client secret has the form of an ID. `clock_ahead` is by how many seconds our
    clock is ahead of the provider's. `found_in` is the other cloud where the tenant was found, and
    `found_nowhere` that no other cloud has it. `issuer` is who signed the certificate that was not accepted.
    `others_reached`: whether any other server could be reached meanwhile. `of_proxy` is what to do about a
    proxy that failed. `unused_proxy` tells of a proxy in the environment that is not used. `doors` says for
    other protocols whether they let this mailbox in: IMAP opened it, SMTP accepted the credential. `host`
    and `port` are the server's.
    """

    access: Access | None = None
    mailbox: str = ""
    section: str = ""
    host: str = ""
    port: int | None = None
    door: Door = Door.POP
    claims: Claims | None = None
    history: History | None = None
    secret_is_id: bool | None = None
    clock_ahead: float | None = None
    found_in: Cloud | None = None
    found_nowhere: bool = False
    issuer: str = ""
    others_reached: bool | None = None
    of_proxy: str = ""
    unused_proxy: str = ""
    doors: Mapping[Door, bool] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_person(self) -> bool:
        """Whether a person's sign-in is used."""
        way = self.access.way if self.access else None
        return way.is_delegated if way else bool(self.claims and self.claims.is_of_person)
