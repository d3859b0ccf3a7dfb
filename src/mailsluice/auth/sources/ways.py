"""The ways in: which source gives the tokens of a credential of kind `entra`.

Owns the choice. Must never ask for a token. Whoever imports this imports msal and requests, which take time
and memory: so it is imported when a token is needed that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mailsluice.auth.sources.assertion import kept_assertion, printed_assertion
from mailsluice.auth.sources.client import by_assertion, by_certificate, by_secret
from mailsluice.auth.sources.entra import EntraSource, Request
from mailsluice.auth.sources.means import Means
from mailsluice.auth.sources.program import DEADLINE, LAST_WAIT, Program
from mailsluice.auth.sources.source import LONGEST, TokenSource
from mailsluice.config.credentials import EntraCredential, Way
from mailsluice.config.types import SecretRef
from mailsluice.errors import Bug
from mailsluice.net.https import ProviderHttp


def entra_source(name: str, credential: EntraCredential, means: Means) -> TokenSource:
    """The source of this credential's tokens. `name` is its section's. Raises SecretError."""
    http = http_for(credential, means)
    match credential.way:
        case Way.SECRET if credential.client_secret:
            secret = means.secrets.reader(credential.client_secret)
            return EntraSource(credential, lambda: by_secret(name, credential, secret()), http)
        case Way.CERTIFICATE if credential.certificate:
            prepare = _by_certificate(name, credential, credential.certificate, means)
            return EntraSource(credential, prepare, http)
        case Way.ASSERTION if credential.assertion:
            kept = kept_assertion(credential.assertion, means.secrets, means.clock)
            return EntraSource(credential, lambda: by_assertion(name, credential, kept()), http)
        case Way.ASSERTION_COMMAND if credential.assertion_command:
            program = Program("assertion command", credential.assertion_command, variables=("HOME", "LANG"))
            printed = printed_assertion(program, means.clock)
            # The time that the program may take is not left for the provider.
            http = http_for(credential, means, LONGEST - DEADLINE - LAST_WAIT)
            return EntraSource(credential, lambda: by_assertion(name, credential, printed()), http)
        case Way.MANAGED_IDENTITY:
            from mailsluice.auth.sources.managed import ManagedSource  # noqa: PLC0415  only for this way

            return ManagedSource(credential, means.clock)
        case Way.DEVICE_CODE | Way.BROWSER:
            # They need the vault, which other ways in do without.
            from mailsluice.auth.signing.sign_ins import SignIns  # noqa: PLC0415
            from mailsluice.auth.sources.delegated import REQUEST, DelegatedSource  # noqa: PLC0415

            sign_ins = SignIns(means.secrets.state_dir)
            return DelegatedSource(
                name,
                credential,
                sign_ins,
                http_for(credential, means, REQUEST),
                means.clock,
                note_end=partial(means.note_end, name, credential),
            )
        case way:
            raise Bug(f"credentials.{name}: no source for {way.value}")


def _by_certificate(
    name: str, credential: EntraCredential, ref: SecretRef, means: Means
) -> Callable[[], Request]:
    from mailsluice.auth.sources.certificate import (  # noqa: PLC0415  cryptography: only for certificates
        certificate_reader,
        valid,
    )

    read = certificate_reader(ref, credential.certificate_password, means.secrets)

    def prepare() -> Request:
        certificate = valid(read(), ref, means.clock.now())
        means.note_end(name, credential, certificate.end)
        return by_certificate(name, credential, certificate.key, certificate.public)

    return prepare


def http_for(
    credential: EntraCredential, means: Means, deadline: float = LONGEST
) -> Callable[[], ProviderHttp]:
    """What makes the HTTP client for one request, which must end within `deadline` seconds."""
    limit = min(deadline, means.longest)
    return partial(ProviderHttp, credential.ca_file, means.clock, limit, find_route=means.find_route)
