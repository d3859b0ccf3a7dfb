"""What Entra ID says when it refuses: status, error and text for each AADSTS number.

Owns the texts, in Entra's words as far as public reports show them, because clients and people search them.
Must never decide when one is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EXCHANGE_ONLINE = "00000002-0000-0ff1-ce00-000000000000"
"""Office 365 Exchange Online, as refusals name it."""
_ELSEWHERE = (
    " This can happen if the application has not been installed by the administrator of the tenant or "
    "consented to by any user in the tenant. "
)


@dataclass(frozen=True, slots=True)
class Wording:
    """A refusal. `text` has places for values in braces."""

    status: int
    error: str
    text: str
    suberror: str = ""


WORDINGS: Mapping[int, Wording] = {
    7000215: Wording(
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
        "value, not the client secret ID, for a secret added to app '{app}'.",
    ),
    7000222: Wording(
        401,
        "invalid_client",
        "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new "
        "keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for "
        "added security: https://aka.ms/certCreds.",
    ),
    7000218: Wording(
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    700016: Wording(
        400,
        "unauthorized_client",
        "Application with identifier '{app}' was not found in the directory '{tenant}'."
        + _ELSEWHERE
        + "You may have sent your authentication request to the wrong tenant.",
    ),
    7000112: Wording(400, "unauthorized_client", "Application '{app}'({name}) is disabled."),
    90002: Wording(
        400,
        "invalid_tenant",
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
        "the correct cloud. Check with your subscription administrator, this may happen if there are no "
        "active subscriptions for the tenant.",
    ),
    70003: Wording(400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant}'."),
    1002012: Wording(
        400,
        "invalid_scope",
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
        "with /.default suffixed to the resource identifier (application ID URI).",
    ),
    500011: Wording(
        400,
        "invalid_resource",
        "The resource principal named {resource} was not found in the tenant named {tenant}."
        + _ELSEWHERE
        + "You might have sent your authentication request to the wrong tenant.",
    ),
    53003: Wording(
        400,
        "invalid_grant",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token "
        "issuance.",
        "message_only",
    ),
    50076: Wording(
        400,
        "invalid_grant",
        "Due to a configuration change made by your administrator, or because you moved to a new location, "
        f"you must use multi-factor authentication to access '{EXCHANGE_ONLINE}'.",
        "basic_action",
    ),
    50057: Wording(400, "invalid_grant", "The user account is disabled."),
    700082: Wording(
        400,
        "invalid_grant",
        "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive "
        "for 90.00:00:00.",
        "bad_token",
    ),
    50173: Wording(
        400,
        "invalid_grant",
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user "
        "might have changed or reset their password. The grant was issued on '{issued}' and the "
        "TokensValidFrom date (before which tokens are not valid) for this user is '{now}'.",
        "bad_token",
    ),
    65001: Wording(
        400,
        "invalid_grant",
        "The user or administrator has not consented to use the application with ID '{app}' named '{name}'. "
        "Send an interactive authorization request for this user and resource.",
        "consent_required",
    ),
    70011: Wording(
        400,
        "invalid_scope",
        "The provided request must include a 'scope' input parameter. The provided value for the input "
        "parameter 'scope' is not valid. The scope {scope} is not valid.",
    ),
}
