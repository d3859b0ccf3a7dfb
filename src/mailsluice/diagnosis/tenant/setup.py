"""The setup: what a configuration says about one credential and all that it opens.

Owns which of it matters to who sets up a tenant. Must never read a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from mailsluice.config.credentials import HOSTS, LOGIN_HOSTS, Cloud, EntraCredential, Way
from mailsluice.config.models import Config
from mailsluice.config.proxy import ProxySetting
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.facts import Access

EXAMPLE = "acme"
"""What a credential is called where none is configured."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that must be reached: `proxy` is through what, and `use` is what for."""

    host: str
    port: int
    proxy: ProxySetting
    use: str

    @property
    def through(self) -> str:
        """Through what it is reached, in words."""
        if isinstance(self.proxy, str):
            return "directly" if self.proxy == "none" else "the proxy that the environment names"
        return f"{self.proxy.host}:{self.proxy.port}"


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known. Empty is not known.

    `mailboxes` are the addresses that the credential opens. `servers` are those that this machine must reach.
    `proof` is where the certificate or the client secret is kept.
    """

    access: Access | None = None
    mailboxes: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    proof: SecretRef | None = None

    @classmethod
    def of(cls, config: Config, name: str) -> Self:
        """That of `[credentials.NAME]` in this configuration."""
        credential = config.credentials[name]
        access = Access.of(name, credential)
        mailboxes = [box for box in config.mailboxes.values() if box.credential == name]
        proof = None
        servers = []
        if isinstance(credential, EntraCredential):
            proof = credential.certificate or credential.client_secret
        if access.way is Way.MANAGED_IDENTITY:
            servers.append(Server("169.254.169.254", 80, "none", "tokens, if it is a virtual machine"))
        elif access.authority:
            url = urlsplit(access.authority)
            servers.append(Server(url.hostname or "", url.port or 443, config.service.proxy, "tokens"))
        servers += [
            Server(box.host, box.port, box.proxy or config.service.proxy, "mail") for box in mailboxes
        ]
        addresses = dict.fromkeys(box.address for box in mailboxes)
        return cls(access, tuple(addresses), tuple(dict.fromkeys(servers)), proof)

    @property
    def name(self) -> str:
        """The name of the credential's section."""
        return self.access.credential if self.access else EXAMPLE

    @property
    def cloud(self) -> Cloud:
        """The cloud of the tenant."""
        return self.access.cloud if self.access else "worldwide"

    @property
    def way(self) -> Way | None:
        """How it proves who asks; None if that is not known, or is not our business."""
        return self.access.way if self.access else None

    def reached(self) -> Iterator[Server]:
        """The servers that this machine must reach; those of the cloud if no mailbox is known."""
        yield from self.servers
        if not self.servers:
            yield Server(LOGIN_HOSTS[self.cloud], 443, "none", "tokens")
        if not any(server.use == "mail" for server in self.servers):
            yield Server(HOSTS[self.cloud], 995, "none", "mail")
