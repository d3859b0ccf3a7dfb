"""Tokens of the machine itself: a managed identity in Azure.

Owns which service gives them, and what its answers mean. Must never keep a token, and never show the value of
a variable: some are secrets. The environment chooses the service, so each error says which one it chose, and
by which variables.

The library msal asks. It would remember tokens and errors, so each request has a client of its own. Its
errors have whole answers in their text, so they are never shown: what matters is raised in `net.metadata`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msal
from msal import managed_identity as library

from mailsluice.auth.sources.source import Token, problem
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenRefused, TokenUnavailable
from mailsluice.net import metadata
from mailsluice.net.https import NotAnswered, Refused
from mailsluice.net.metadata import NEARBY, PLATFORM, Busy, MetadataHttp, Networks, NotNearby
from mailsluice.obs.clean import printable
from mailsluice.system.users import user_name

_LONGEST_LIFE = 86_400.0
"""Seconds that such a token lives at most (Microsoft's FAQ of managed identities). App Service says when it
ends by the clock: ours may be wrong."""
_MOST_CHARACTERS = 300
_VARIABLES = (
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZUREPS_HOST_ENVIRONMENT",
)
"""The variables by which msal chooses the service."""
_SINCE = "if this was done just now, wait some minutes"


@dataclass(frozen=True, slots=True)
class _Service:
    """A service that gives tokens to machines. `variable` has its address, in one of `networks`.

    `reach` is what to do if it cannot be asked, `busy` if it has no token now. `networks` is empty if
    mailsluice does not ask it.
    """

    name: str
    variable: str = ""
    networks: Networks = ()
    reach: str = ""
    busy: str = "wait: this passes by itself within minutes"


_SERVICES: Mapping[object, _Service] = {
    library.APP_SERVICE: _Service(
        "Azure App Service",
        "IDENTITY_ENDPOINT",
        PLATFORM,
        "check in Azure that the app still has its identity, then restart the app",
        busy="if this does not pass within minutes, check `scope`, `cloud`, and in Azure the app's identity",
    ),
    library.AZURE_ARC: _Service(
        "the Azure Arc agent",
        "IDENTITY_ENDPOINT",
        NEARBY,
        "check that the agent runs and is connected: `azcmagent show`",
    ),
    library.DEFAULT_TO_VM: _Service(
        "Azure's metadata service",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        NEARBY,
        "this machine is not in Azure, or 169.254.169.254 is blocked: by a firewall, or by IPAddressDeny= in "
        "the unit; in App Service and with Azure Arc, start mailsluice with all variables, which sudo drops",
    ),
    library.SERVICE_FABRIC: _Service("Azure Service Fabric"),
    library.MACHINE_LEARNING: _Service("Azure Machine Learning"),
    library.CLOUD_SHELL: _Service("Azure Cloud Shell"),
}


class ManagedSource:
    """The tokens of this machine's identity (a `TokenSource`): its own, or the one with `client_id`.

    A token takes at most `deadline` seconds, and a connection `connect` of them.
    """

    def __init__(
        self,
        credential: EntraCredential,
        clock: Clock,
        deadline: float = metadata.DEADLINE,
        connect: float = metadata.CONNECT,
    ) -> None:
        self._client_id = credential.client_id
        self._resource = credential.scope.removesuffix("/.default")
        self._clock = clock
        self._limits = (deadline, connect)

    def ask(self) -> Token:
        """A new token. Raises TokenRefused, TokenUnavailable."""
        service = _service()
        if not service.networks:
            raise TokenRefused(
                f"mailsluice cannot get a token of a managed identity from {_named(service)}",
                remedy="run it on a VM, in App Service or with Azure Arc, or use another way in; if this is "
                "not where it runs, unset these variables",
            )
        try:
            answer = self._answer(service)
        except NotAnswered as exc:
            raise self._not_answered(service, exc) from None
        except Refused as exc:
            raise self._refused(service, exc.answer) from None
        except NotNearby:
            raise TokenRefused(
                f"the address of {_named(service)} is not one that Azure has on a machine; nothing was sent",
                remedy=f"correct or unset {service.variable}: it is http:// and an address of this machine "
                "or of its link",
            ) from None
        except msal.ManagedIdentityError:
            raise self._unconfirmed(service) from None
        except OSError as exc:
            raise self._without_key(service, exc) from None
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            # msal does not check the answer before it uses it. Without the cause: it may contain the answer.
            raise self._unavailable(service, "its answer makes no sense") from None
        return self._token(service, answer)

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why the machine's service could not be asked."""
        return self._unavailable(_service(), why)

    def _answer(self, service: _Service) -> Mapping[str, Any]:
        identity: Any = msal.SystemAssignedManagedIdentity()
        if self._client_id:
            identity = msal.UserAssignedManagedIdentity(client_id=self._client_id)
        http = MetadataHttp(service.networks, self._clock, *self._limits)
        answer: Mapping[str, Any] = msal.ManagedIdentityClient(
            identity, http_client=http
        ).acquire_token_for_client(resource=self._resource)
        return answer

    def _token(self, service: _Service, answer: Mapping[str, Any]) -> Token:
        value = answer.get("access_token")
        value = value if isinstance(value, str) else ""
        if wrong := problem(value):
            raise self._unavailable(service, f"its answer has no usable token: {wrong}")
        # msal has made a number of it. Without one, the token is used once.
        lifetime = answer.get("expires_in")
        seconds = lifetime if isinstance(lifetime, int) else 0
        return Token(value, float(min(max(seconds, 0), _LONGEST_LIFE)))

    def _unavailable(self, service: _Service, why: str) -> TokenUnavailable:
        return TokenUnavailable(f"no token from {_named(service)}: {why}", remedy=service.reach)

    def _not_answered(self, service: _Service, error: NotAnswered) -> TokenUnavailable:
        return TokenUnavailable(
            f"no token from {_named(service)}: {error}",
            remedy=service.busy if isinstance(error, Busy) else service.reach,
            retry_after=error.retry_after,
        )

    def _refused(self, service: _Service, answer: Mapping[str, Any]) -> TokenRefused:
        said = ": ".join(filter(None, (_line(answer["error"]), _line(answer["error_description"]))))
        return TokenRefused(
            f"{_named(service)} refused a token to {self._identity}: {said}",
            remedy=self._remedy(said),
            said=said,
        )

    @property
    def _identity(self) -> str:
        return f"the identity {self._client_id}" if self._client_id else "the machine's identity"

    def _remedy(self, said: str) -> str:
        """What to do about a refusal with these words. Nothing else depends on them: they may change."""
        words = said.lower()
        if "multiple user assigned" in words:
            return "this machine has several identities: write the client ID of one as `client_id`"
        if "invalid_resource" in words or "aadsts500" in words:
            return "check `scope` and `cloud`: the tenant of this machine must have Exchange Online there"
        if self._client_id:
            return f"check `client_id`, and in Azure that this machine has that identity; {_SINCE}"
        return (
            "in Azure, give this machine a system-assigned identity, or write the client ID of its "
            f"user-assigned one as `client_id`; {_SINCE}"
        )

    def _unconfirmed(self, service: _Service) -> TokenRefused | TokenUnavailable:
        """Azure Arc gave a token of the machine's own identity where another one was asked for."""
        if not self._client_id:
            return self._unavailable(service, "its answer makes no sense")
        return TokenRefused(
            f"{_named(service)} did not give a token of {self._identity}",
            remedy="remove `client_id` to use the machine's own identity, or update the agent",
        )

    def _without_key(self, service: _Service, error: OSError) -> TokenRefused | TokenUnavailable:
        """The file in which the agent of Azure Arc proves that we may ask cannot be read."""
        why = f"its key cannot be read: {error.strerror}"
        if not isinstance(error, PermissionError):
            return self._unavailable(service, why)
        return TokenRefused(
            f"no token from {_named(service)}: {why}",
            remedy=f"`usermod --append --groups himds {user_name(os.geteuid())}`, then restart mailsluice",
            denied=True,
        )


def _service() -> _Service:
    """The service that msal chooses in this environment."""
    return _SERVICES[library.get_managed_identity_source()]


def _named(service: _Service) -> str:
    """The service, and why it is this one."""
    found = [name for name in _VARIABLES if name in os.environ]
    return f"{service.name} (variables that are set: {', '.join(found) or 'none'})"


def _line(text: object) -> str:
    """The first line of a foreign text, without Entra's ids, and of bounded length."""
    lines = str(text).partition(" Trace ID:")[0].splitlines() or [""]
    return printable(lines[0])[:_MOST_CHARACTERS].strip()
