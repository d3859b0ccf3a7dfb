"""The remedies: what an administrator can do about the most common refusals of Entra ID.

Owns the table of AADSTS numbers (Microsoft's *Entra authentication and authorization error codes*). Must
never decide what the program does: the numbers are for people, and Microsoft says that they may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mailsluice.config.credentials import Way

_RENEW = "create a new client secret in the app registration and store its Value"
_TENANT = "check `tenant_id`, and `cloud`: a national cloud has an authority of its own"
_CONSENT = (
    "in the app registration, add the application permission POP.AccessAsApp of Office 365 Exchange Online "
    "and grant admin consent"
)
_CLIENT = "check `client_id` and `tenant_id`: the application must exist in that tenant, or have its consent"
_ENABLE = "enable the application in Enterprise applications"
_SCOPE = "remove `scope`, or set it to one resource with /.default at its end"
_UPLOAD = (
    "upload the certificate, without its key, to the app registration (Certificates & secrets), or configure "
    "the one that is there; a new upload takes some minutes"
)
_CLOCK = (
    "set this machine's clock (see timedatectl): by the provider's clock the assertion is not valid now; "
    "if another program writes the assertion, see whether that still runs"
)
_FEDERATED = (
    "make issuer, subject and audience of the federated credential in the app registration the same as those "
    "of the assertion, with the same large and small letters; a new one takes some minutes"
)
_POLICY = "exclude the application, or this network, from the Conditional Access policy that blocks it"

_REMEDIES: Mapping[str, str] = {
    "7000215": "use the Value of the client secret, not its ID; if it was the Value, " + _RENEW,
    "7000222": "the client secret has expired: " + _RENEW,
    "7000218": "the provider saw no client secret: check `client_secret`",
    "700027": _UPLOAD,
    "50012": _UPLOAD,
    "700030": _UPLOAD,
    "700024": _CLOCK,
    "50013": _CLOCK,
    "500133": _CLOCK,
    "70021": _FEDERATED,
    "700211": _FEDERATED,  # what 70021 became: no such issuer, audience, subject
    "700212": _FEDERATED,
    "700213": _FEDERATED,
    "7002137": _FEDERATED,
    "7002138": _FEDERATED,
    "700016": _CLIENT,
    "7000229": _CLIENT,
    "7000112": _ENABLE,
    "70001": _CLIENT,
    "90002": _TENANT,
    "900023": _TENANT,
    "90038": _TENANT,
    "900382": _TENANT,
    "900432": _TENANT,
    "50194": "set `tenant_id` to the tenant's own, not to `common` or `organizations`",
    "500011": "check `scope` and `cloud`, and that this tenant has Exchange Online",
    "650052": "subscribe this tenant to Exchange Online, or enable its subscription",
    "650056": _CONSENT,
    "650057": _CONSENT,
    "65001": _CONSENT,
    "90094": _CONSENT,
    "70011": _SCOPE,
    "28002": _SCOPE,
    "1002012": _SCOPE,
    "50196": "the same request came too often: let only one mailsluice use this application, and wait",
    "53003": _POLICY,
    "53000": _POLICY,
    "530032": _POLICY,
}
_PROOFS: Mapping[Way, str] = {
    Way.SECRET: "`client_secret`",
    Way.CERTIFICATE: "the certificate",
    Way.ASSERTION: "the federated credential",
    Way.ASSERTION_COMMAND: "the federated credential",
}
"""What an administrator compares with the app registration, besides the two ids."""
_PERSON_CONSENT = (
    "in the app registration, add the delegated permission POP.AccessAsUser.All of Office 365 Exchange "
    "Online, and grant admin consent if people may not consent themselves"
)
_PERSON_REMEDIES: Mapping[str, str] = {
    "7000218": "in the app registration, under Authentication, allow public client flows",
    "50011": "in the app registration, add the platform Mobile and desktop applications with the redirect "
    "URI http://localhost",
    "50105": "assign this person to the application in Enterprise applications",
    "50057": "enable the account of this person, or let another one sign in",
    "65001": _PERSON_CONSENT,
    "65004": _PERSON_CONSENT,
    "650056": _PERSON_CONSENT,
    "650057": _PERSON_CONSENT,
    "90094": _PERSON_CONSENT,
    "70011": "remove `scope`: the one of the cloud is right",
    "28002": "remove `scope`: the one of the cloud is right",
    "50194": "set `tenant_id` to the tenant's own, not to `common`",
}
"""What differs if a person asks, and not the application itself."""
_PERSON_POLICIES = ("53003", "53000", "530032")
_PERSON_ERRORS = (
    "invalid_grant",
    "interaction_required",
    "expired_token",
    "bad_verification_code",
    "authorization_declined",
    "access_denied",
)
"""The errors that a new sign-in may end: RFC 6749 §5.2, RFC 8628 §3.5, OpenID Connect Core §3.1.2.6."""


def remedy(description: str, way: Way) -> str:
    """What to do about a refusal with this `error_description` of who asked in this way."""
    found = re.search(r"AADSTS(\d+)", description)
    return (_REMEDIES.get(found[1]) if found else None) or _general(way)


def _general(way: Way) -> str:
    proof = f", `client_id` and {_PROOFS[way]}" if way in _PROOFS else " and `client_id`"
    return f"check `tenant_id`{proof} against the app registration"


def remedy_for_person(said: str, *, sign_in: str) -> str:
    """What to do about a refusal in the name of a person. `said` is the error and its description.

    `sign_in` says how to sign in again.
    """
    found = re.search(r"AADSTS(\d+)", said)
    number = found[1] if found else ""
    if number in _PERSON_REMEDIES:
        return f"{_PERSON_REMEDIES[number]}; then {sign_in}"
    if number in _PERSON_POLICIES:
        return f"{_POLICY}, or meet its conditions (it may block device codes alone); then {sign_in}"
    if number not in _REMEDIES and said.startswith(_PERSON_ERRORS):
        return sign_in
    return _REMEDIES.get(number, "check `tenant_id` and `client_id` against the app registration")
