"""The numbers of Entra ID (AADSTS), and what may be the cause of each, the commonest first.

Owns this table (Microsoft's *Entra authentication and authorization error codes*, facts §2.3). The numbers
decide nothing but words: Microsoft says that they may change. Must never have a word of its own for a cause.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailsluice.diagnosis.causes import Cause

_CONSENT = (Cause.NO_CONSENT,), (Cause.NO_PERSON_CONSENT,)
_TENANT = (Cause.UNKNOWN_TENANT, Cause.WRONG_CLOUD), ()
_CLOUD = (Cause.WRONG_CLOUD, Cause.UNKNOWN_TENANT), ()
_CLIENT = (Cause.UNKNOWN_CLIENT, Cause.WRONG_CLOUD), ()
_CERTIFICATE = (Cause.CERTIFICATE_NOT_UPLOADED, Cause.CERTIFICATE_EXPIRED, Cause.FEDERATION), ()
_TIME = (Cause.CLOCK, Cause.ASSERTION_OLD), ()
_ASSERTION = (Cause.CLOCK, Cause.ASSERTION_OLD, Cause.CERTIFICATE_NOT_UPLOADED, Cause.FEDERATION), ()
_SECRET = (Cause.SECRET_ID, Cause.WRONG_SECRET), ()
_PROOF = (*_SECRET[0], *_CERTIFICATE[0]), ()
"""Entra ID says these of a client secret, of a certificate and of an assertion: the way tells which it is."""
_COMMON = (Cause.COMMON_AUTHORITY,), ()
_MALFORMED = (Cause.BAD_REQUEST,), ()
_BUSY = (Cause.PROVIDER_BUSY,), ()
_UNFINISHED = (Cause.SIGN_IN_UNFINISHED,), ()
_UNKNOWN_PERSON = (Cause.PERSON_UNKNOWN,), ()
_LOCKED_PERSON = (Cause.PERSON_LOCKED,), ()
_FEDERATED = (Cause.FEDERATION,), ()
_SCOPE = (Cause.WRONG_SCOPE,), ()
_POLICY = (Cause.POLICY,), (Cause.PERSON_POLICY,)
_MFA = (Cause.MFA,), ()
_ENDED = (Cause.SIGN_IN_ENDED,), ()
NUMBERS: Mapping[str, tuple[tuple[Cause, ...], tuple[Cause, ...]]] = {
    "90002": _TENANT,
    "900021": _TENANT,
    "900023": _TENANT,
    "90038": _CLOUD,
    "900382": _CLOUD,
    "900432": _CLOUD,
    "700016": _CLIENT,
    "7000229": _CLIENT,
    "700011": _CLIENT,
    "70001": ((Cause.APP_DISABLED, Cause.UNKNOWN_CLIENT), ()),
    "7000112": ((Cause.APP_DISABLED,), ()),
    "50194": _COMMON,
    "9001023": _COMMON,
    "90124": _COMMON,
    "90130": _COMMON,
    "50001": ((Cause.NO_EXCHANGE, Cause.WRONG_CLOUD), ()),
    "500011": ((Cause.NO_EXCHANGE, Cause.WRONG_CLOUD), ()),
    "650052": ((Cause.NO_EXCHANGE,), ()),
    "9002313": _MALFORMED,
    "900144": _MALFORMED,
    "90014": _MALFORMED,
    "7000215": _SECRET,
    "70002": _PROOF,
    "7000222": ((Cause.SECRET_EXPIRED,), ()),
    "7000218": ((Cause.NO_PROOF,), (Cause.NO_PUBLIC_FLOWS,)),
    "700025": ((Cause.PUBLIC_CLIENT,), ()),
    "700027": _CERTIFICATE,
    "50012": _PROOF,
    "700030": _CERTIFICATE,
    "700024": _TIME,
    "50013": _ASSERTION,
    "50027": ((Cause.FEDERATION, Cause.ASSERTION_OLD, Cause.CLOCK), ()),
    "500133": _TIME,
    "70021": _FEDERATED,
    "700211": _FEDERATED,  # what 70021 became: no such issuer, audience, subject
    "700212": _FEDERATED,
    "700213": _FEDERATED,
    "7002137": _FEDERATED,
    "7002138": _FEDERATED,
    "650056": _CONSENT,
    "650057": _CONSENT,
    "65001": _CONSENT,
    "90094": _CONSENT,
    "90095": _CONSENT,
    "65004": ((Cause.NO_PERSON_CONSENT,), ()),
    "65005": _CONSENT,
    "70011": _SCOPE,
    "700022": _SCOPE,
    "700023": _SCOPE,
    "28002": _SCOPE,
    "28003": _SCOPE,
    "1002012": _SCOPE,
    "53003": _POLICY,
    "53000": _POLICY,
    "53001": _POLICY,
    "53002": _POLICY,
    "53011": _POLICY,  # too great a risk: a policy of Identity Protection, in the same log
    "530032": _POLICY,
    "530035": ((Cause.SECURITY_DEFAULTS,), ()),
    "50131": _POLICY,
    "50072": _MFA,
    "50074": _MFA,
    "50078": _MFA,
    "50076": _MFA,
    "50079": _MFA,
    "50158": _MFA,
    "53004": _MFA,
    "700020": _ENDED,
    "70000": _ENDED,
    "70008": _ENDED,
    "700082": _ENDED,
    "70043": _ENDED,
    "50173": _ENDED,
    "50133": _ENDED,
    "50132": _ENDED,
    "50089": _ENDED,
    "70016": _UNFINISHED,
    "70018": _UNFINISHED,
    "70019": _UNFINISHED,
    "50020": _UNKNOWN_PERSON,
    "50034": _UNKNOWN_PERSON,
    "51004": _UNKNOWN_PERSON,
    "50053": _LOCKED_PERSON,
    "50055": _LOCKED_PERSON,
    "50126": _LOCKED_PERSON,
    "50144": _LOCKED_PERSON,
    "50057": ((Cause.PERSON_DISABLED,), ()),
    "50105": ((Cause.PERSON_NOT_ASSIGNED,), ()),
    "50011": ((Cause.NO_REDIRECT,), ()),
    "50196": ((Cause.ASKED_TOO_OFTEN,), ()),
    "50033": _BUSY,
    "90006": _BUSY,
    "90012": _BUSY,
    "90024": _BUSY,
    "90033": _BUSY,
    "90055": _BUSY,
}
"""Causes by number, if an application asks, and if a person does where they differ (facts §2.3)."""
