"""The sections `[credentials.NAME]`: the ways in, once read.

Owns the keys of each kind of credential, and which of them go together. The example and the JSON schema are
generated from them. Must never read a file, nor repeat a value in an error: any value may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mailsluice.config.section import Section
from mailsluice.config.types import (
    AbsolutePath,
    Authority,
    Command,
    Day,
    Identifier,
    Scope,
    Secret,
    Tenant,
    Variables,
)

Cloud = Literal["worldwide", "gcc-high", "dod", "china"]

HOSTS: Mapping[Cloud, str] = {
    "worldwide": "outlook.office365.com",
    "gcc-high": "outlook.office365.us",
    "dod": "outlook-dod.office365.us",
    "china": "partner.outlook.cn",
}
"""The POP3 host of Exchange Online in each cloud. The scope for an app's tokens is this host's `.default`."""

LOGIN_HOSTS: Mapping[Cloud, str] = {
    "worldwide": "login.microsoftonline.com",
    "gcc-high": "login.microsoftonline.us",
    "dod": "login.microsoftonline.us",
    "china": "login.partner.microsoftonline.cn",
}
"""The host of Entra ID in each cloud. GCC High and DoD have one together."""

DELEGATED_HOSTS: Mapping[Cloud, str] = {**HOSTS, "worldwide": "outlook.office.com"}
"""The host in the scope of a person's tokens. It differs from the POP3 host in the worldwide cloud only."""


class Way(Enum):
    """How a credential of kind `entra` proves who asks for a token. The value is the key that chooses it."""

    SECRET = "client_secret"  # noqa: S105  a key's name
    CERTIFICATE = "certificate"
    ASSERTION = "assertion"
    ASSERTION_COMMAND = "assertion_command"
    MANAGED_IDENTITY = 'flow = "managed-identity"'
    DEVICE_CODE = 'flow = "device-code"'
    BROWSER = 'flow = "browser"'

    @property
    def is_delegated(self) -> bool:
        """Whether a person signed in. Otherwise the application, or the machine, asks for itself."""
        return self in {Way.DEVICE_CODE, Way.BROWSER}


_FLOWS: Mapping[str, Way] = {
    "managed-identity": Way.MANAGED_IDENTITY,
    "device-code": Way.DEVICE_CODE,
    "browser": Way.BROWSER,
}
_KEYS = tuple(way for way in Way if way not in _FLOWS.values())
_OF_A_PROVIDER = ("tenant_id", "authority", "ca_file")
"""The keys that say whom to ask for a token. A machine asks its own service, which none of them changes."""
_ONE_WAY = (
    "write one of client_secret, certificate, assertion, assertion_command, or flow "
    '("device-code", "browser" or "managed-identity")'
)


def _authority(data: dict[str, Any]) -> str:
    # A managed identity has no tenant of its own here: the machine knows it, and no authority is asked.
    return f"https://{LOGIN_HOSTS[data['cloud']]}/{data['tenant_id'] or 'organizations'}"


def _scope(data: dict[str, Any]) -> str:
    if data["flow"] in {"device-code", "browser"}:
        return f"https://{DELEGATED_HOSTS[data['cloud']]}/POP.AccessAsUser.All"
    return f"https://{HOSTS[data['cloud']]}/.default"


class EntraCredential(Section):
    """An app registration in Microsoft Entra ID. One can serve many mailboxes."""

    kind: Literal["entra"] = Field(
        default="entra", description="An app registration in Microsoft Entra ID.", examples=["entra"]
    )
    flow: Literal["device-code", "browser", "managed-identity"] | None = Field(
        default=None,
        description="Without a client secret: device-code or browser (a person signs in once, with "
        "`mailsluice login`), or managed-identity (this machine has an identity in Azure).",
        examples=["device-code", "browser", "managed-identity"],
    )
    tenant_id: Tenant | None = Field(
        default=None,
        validate_default=True,
        description="The directory (tenant) ID, or one of its domains.",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    client_id: Identifier | None = Field(
        default=None,
        validate_default=True,
        description="The application (client) ID.",
        examples=["11111111-1111-1111-1111-111111111111"],
    )
    client_secret: Secret | None = Field(
        default=None,
        description="Where the client secret is: keyring:NAME, file:PATH, env:NAME or credential:NAME.",
        examples=["keyring:acme"],
    )
    expires: Day | None = Field(
        default=None,
        description="The day on which the client secret ends, to be warned of it.",
        examples=[date(2027, 5, 1)],
    )
    certificate: Secret | None = Field(
        default=None,
        description="Instead of a client secret: where the certificate and its key are (PEM, or PFX).",
        examples=["keyring:acme-cert", "file:/etc/mailsluice/acme.pfx"],
    )
    certificate_password: Secret | None = Field(
        default=None,
        description="Where the password of the certificate's key is, if it has one.",
        examples=["keyring:acme-cert-password"],
    )
    assertion: Secret | None = Field(
        default=None,
        description="Instead of a client secret: a file with a token of another identity provider "
        "(workload identity federation). It is read again for each request.",
        examples=["file:/run/secrets/azure/tokens/azure-identity-token"],
    )
    assertion_command: Command | None = Field(
        default=None,
        description="Instead of a client secret: a program that prints such a token, and its arguments.",
        examples=[["/usr/local/bin/assertion"]],
    )
    cloud: Cloud = Field(
        default="worldwide",
        description="worldwide (and GCC), gcc-high, dod or china.",
        examples=["worldwide"],
    )
    authority: Authority = Field(
        default_factory=_authority,
        description="The identity provider's address, if it is not the one of the cloud.",
        examples=["https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000"],
    )
    scope: Scope = Field(
        default_factory=_scope,
        description="The scope of the tokens, if it is not the one of the cloud.",
        examples=["https://outlook.office365.com/.default"],
    )
    ca_file: AbsolutePath | None = Field(
        default=None,
        description="Certificates (PEM) to trust for the identity provider, instead of the usual ones.",
        examples=["/etc/mailsluice/ca.pem"],
    )

    @field_validator("tenant_id", "client_id")
    @classmethod
    def _is_there(cls, value: str | None, info: ValidationInfo) -> str | None:
        # `flow` has been read by now: it stands before. A wrong one has a mistake of its own.
        if value is None and info.data.get("flow") != "managed-identity":
            key = str(info.field_name)
            raise ValueError(
                f'is missing; write it like {key} = "{(cls.model_fields[key].examples or [""])[0]}"'
            )
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = self._ways()
        if len(ways) != 1:
            if not ways:
                raise ValueError(f"has no way to get a token; {_ONE_WAY}")
            raise ValueError(f"{' and '.join(f'`{way.value}`' for way in ways)} exclude each other; keep one")
        if self.expires is not None and self.way is not Way.SECRET:
            raise ValueError("`expires` is for `client_secret` alone; remove it: other ends are read")
        if self.certificate_password is not None and self.way is not Way.CERTIFICATE:
            raise ValueError("`certificate_password` is for `certificate` alone; remove it")
        self._refuse_without_effect()
        return self

    def _refuse_without_effect(self) -> None:
        """Raise ValueError for what is written and would do nothing: who wrote it believes that it works."""
        needless = [key for key in _OF_A_PROVIDER if key in self.model_fields_set]
        if self.way is Way.MANAGED_IDENTITY and needless:
            keys = " and ".join(f"`{key}`" for key in needless)
            raise ValueError(
                f"remove {keys}: this machine gives the tokens of its identity, whatever they say"
            )
        if any("{address}" in word for word in self.assertion_command or ()):
            raise ValueError(
                "`assertion_command` is for the application and not for one mailbox, so {address} is not "
                "replaced in it; remove {address}"
            )

    def _ways(self) -> list[Way]:
        chosen = [way for way in _KEYS if getattr(self, way.value) is not None]
        return [*chosen, *([_FLOWS[self.flow]] if self.flow else [])]

    @property
    def way(self) -> Way:
        """How it proves who asks."""
        return self._ways()[0]

    @property
    def default_host(self) -> str | None:
        """The POP3 server of a mailbox without `host`."""
        return HOSTS[self.cloud]


class CommandCredential(Section):
    """A program that prints an access token."""

    kind: Literal["command"] = Field(
        default="command", description="A program that prints an access token.", examples=["command"]
    )
    command: Command = Field(
        description="The program and its arguments. {address} is replaced by the mailbox's address.",
        examples=[["/usr/local/bin/token", "{address}"]],
    )
    environment: Variables = Field(
        default=(),
        description="Variables that the program gets besides PATH, HOME and LANG. "
        "mailsluice passes on its own values of them.",
        examples=[["HTTPS_PROXY"]],
    )

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that the program gets from our environment. Its PATH is not ours."""
        return ("HOME", "LANG", *self.environment)

    @property
    def default_host(self) -> str | None:
        """The POP3 server of a mailbox without `host`."""
        return HOSTS["worldwide"]


class PasswordCredential(Section):
    """A password, for servers that still accept one. Exchange Online does not."""

    kind: Literal["password"] = Field(
        default="password",
        description="A password, for servers that still accept one; never for Exchange Online.",
        examples=["password"],
    )
    password: Secret = Field(
        description="Where the password is: keyring:NAME, file:PATH, env:NAME or credential:NAME.",
        examples=["keyring:old"],
    )

    @property
    def default_host(self) -> str | None:
        """None: a mailbox with a password must name its server."""
        return None


Credential = Annotated[EntraCredential | CommandCredential | PasswordCredential, Field(discriminator="kind")]
