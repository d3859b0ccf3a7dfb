"""The refusals: what an administrator can do if the identity provider gives no token.

Owns what is told of a refusal that the diagnosis does not know. Must never decide what the program does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from mailsluice import invocation
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.errors import TokenRefused, TokenUnavailable

Remedy = Callable[[TokenRefused], str]
"""What to do about a refusal."""

_PROOFS: Mapping[Way, str] = {
    Way.SECRET: "`client_secret`",
    Way.CERTIFICATE: "the certificate",
    Way.ASSERTION: "the federated credential",
    Way.ASSERTION_COMMAND: "the federated credential",
}
"""What an administrator compares with the app registration, besides the two ids."""


def remedy_for(
    name: str,
    credential: EntraCredential,
    *,
    secret_is_id: bool | None = None,
    is_signing_in: bool = False,
) -> Remedy:
    """What to do about each refusal of a token for `[credentials.NAME]`.

    `secret_is_id`: whether the client secret has the form of an ID; None if that is not known.
    `is_signing_in`: a person tries to sign in. Then `check` can tell nothing yet: it asks for no token.
    """

    def remedy(error: TokenRefused) -> str:
        # Only a refusal needs the diagnosis.
        from mailsluice.diagnosis.facts import Access, Facts  # noqa: PLC0415
        from mailsluice.diagnosis.judgement import judge  # noqa: PLC0415

        facts = Facts(
            access=Access.of(name, credential), secret_is_id=secret_is_id, clock_ahead=error.clock_ahead
        )
        check = "" if is_signing_in else f"`{invocation.command('check')}`"
        return judge(error, facts).sentence(facts, check=check) or _general(credential.way)

    return remedy


def way_remedy(credential: EntraCredential, error: TokenUnavailable) -> str:
    """What to do if the provider was not reached, by what stood in the way; else the error's own remedy."""
    from mailsluice.diagnosis.facts import Access, Facts  # noqa: PLC0415  as above
    from mailsluice.diagnosis.judgement import judge  # noqa: PLC0415

    at = urlsplit(credential.authority)
    facts = Facts(access=Access.of("", credential), host=at.hostname or "", port=at.port or 443)
    check = f"`{invocation.command('check')}`"
    return judge(error, facts).sentence(facts, check=check) or error.remedy


def _general(way: Way) -> str:
    proof = f", `client_id` and {_PROOFS[way]}" if way in _PROOFS else " and `client_id`"
    return f"check `tenant_id`{proof} against the app registration"
