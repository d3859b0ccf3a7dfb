"""The clouds: which of Microsoft's clouds has a tenant, if the configured one does not know it.

Owns what the public discovery documents say about that (OpenID Connect Discovery 1.0 §4). Must never send a
secret: only the tenant's name goes out, and only to Microsoft's login hosts.

Who answers tells nothing. The login hosts also answer for tenants of other clouds: that of China for tenants
of the worldwide cloud, and those of the worldwide cloud and of the US government for each other's. So the
document itself decides: its issuer is on the login host of the tenant's own cloud.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from mailsluice.checking.means import Means
from mailsluice.clock import Clock
from mailsluice.config.credentials import LOGIN_HOSTS, Cloud, EntraCredential
from mailsluice.errors import SecretError
from mailsluice.net.https import ProviderHttp, Refused
from mailsluice.net.proxy import FindRoute, no_proxy

DEADLINE = 8.0
"""Seconds that each login host has. An answer takes less than one, and a firewall may drop the packets."""

_UNKNOWN = re.compile(r"AADSTS(90002|900021|900023)\b")
"""How a login host says that it knows no such tenant."""

_DOD = "DOD"
"""The `tenant_region_sub_scope` of a DoD tenant. That of GCC High is DODCON, and of GCC it is GCC."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found: the other cloud that has the tenant, if any. `nowhere`: surely none has it."""

    cloud: Cloud | None = None
    nowhere: bool = False


def found_in(credential: EntraCredential, means: Means) -> Searched:
    """See `search`; for a check."""
    return search(credential, clock=means.clock, find_route=means.proxies.to_provider)


def search(
    credential: EntraCredential,
    *,
    clock: Clock,
    find_route: FindRoute = no_proxy,
    login_hosts: Mapping[Cloud, str] | None = None,
) -> Searched:
    """The other cloud that has the credential's tenant.

    To be called after the provider has refused the tenant as unknown. It asks every login host but the
    credential's own, and takes DEADLINE for each at most, besides the look-up of its name. None also if two
    clouds have a tenant of this name: a domain may be in both. Raises nothing.
    """
    login_hosts = login_hosts or LOGIN_HOSTS
    if credential.tenant_id is None:
        return Searched()
    own = urlsplit(credential.authority).netloc
    others = dict.fromkeys(host for host in login_hosts.values() if host != own)
    documents = [_document(host, credential, clock, find_route) for host in others]
    found = {_cloud(document, login_hosts) for document in documents if document}
    found -= {None, credential.cloud}
    if len(found) == 1:
        return Searched(found.pop())
    return Searched(nowhere=not found and None not in documents)


def _document(
    host: str, credential: EntraCredential, clock: Clock, find_route: FindRoute
) -> Mapping[str, Any] | None:
    """The tenant's discovery document; empty if this host knows no such tenant; None if it does not tell."""
    try:
        with closing(ProviderHttp(credential.ca_file, clock, DEADLINE, find_route)) as http:
            answer = http.get(f"https://{host}/{credential.tenant_id}/v2.0/.well-known/openid-configuration")
    except Refused as refused:
        return {} if _UNKNOWN.search(str(refused.answer.get("error_description"))) else None
    except (requests.RequestException, SecretError):
        return None
    document: Mapping[str, Any] = json.loads(answer.text)
    return document


def _cloud(document: Mapping[str, Any], login_hosts: Mapping[Cloud, str]) -> Cloud | None:
    """The cloud whose tenant this document describes."""
    try:
        issuer = urlsplit(str(document.get("issuer"))).netloc.lower()
    except ValueError:
        return None
    clouds: list[Cloud] = [cloud for cloud, host in login_hosts.items() if host == issuer]
    if "dod" in clouds and document.get("tenant_region_sub_scope") == _DOD:
        return "dod"
    return clouds[0] if clouds else None
