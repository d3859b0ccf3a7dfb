"""The refresh token grant (RFC 6749 §6): a person signed in once, and we ask in that person's name.

Owns the order of the steps by which a refresh token is replaced. Must never hand out an access token before
the refresh token that came with it is saved durably, nor ask while another one does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msal

from mailsluice.auth.signing.sign_ins import SignIns
from mailsluice.auth.sources.entra import Answer, Request, answered, token_in, unavailable
from mailsluice.auth.sources.refusal import remedy_for
from mailsluice.auth.sources.source import LONGEST, Token, problem
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenUnavailable
from mailsluice.net.https import ProviderHttp

PATIENCE = LONGEST / 3
"""Seconds to wait for another process that asks with this sign-in."""
REQUEST = LONGEST - PATIENCE
"""Seconds for the request itself."""


class DelegatedSource:
    """The tokens of a person who signed in for `[credentials.NAME]` (a `TokenSource`).

    `http` makes the client for one request, which must not take longer than REQUEST. `note_end` is told when
    the sign-in ends, if it is not used again.
    """

    def __init__(
        self,
        name: str,
        credential: EntraCredential,
        sign_ins: SignIns,
        http: Callable[[], ProviderHttp],
        clock: Clock,
        *,
        note_end: Callable[[datetime], None],
    ) -> None:
        self._name = name
        self._credential = credential
        self._sign_ins = sign_ins
        self._http = http
        self._clock = clock
        self._note_end = note_end

    def ask(self) -> Token:
        """A new token. Raises SecretError, TokenRefused, TokenUnavailable.

        The order of the steps is explained in docs/adr/0027-refresh-tokens.md.
        """
        name, credential = self._name, self._credential
        with self._sign_ins.held(name, PATIENCE):
            sign_in = self._sign_ins.made_for(name, credential)
            # Before the request: what we cannot save, we must not ask for.
            self._sign_ins.prove_writable(name)
            request = _refreshing(name, credential, sign_in.refresh_token)
            answer = answered(credential, request, self._http)
            if "refresh_token" in answer:
                following = refresh_token_in(answer, credential)
                sign_in = sign_in.followed_by(following, self._clock.now())
                self._sign_ins.put(name, sign_in)
            self._note_end(sign_in.ends)
        return token_in(answer, credential)

    def unavailable(self, why: str) -> TokenUnavailable:
        """The error that says why the provider could not be asked."""
        return unavailable(self._credential, why)


def public_client(credential: EntraCredential, http: ProviderHttp) -> msal.PublicClientApplication:
    """The application without a secret of its own (RFC 6749 §2.1), for one request."""
    return msal.PublicClientApplication(
        credential.client_id,
        authority=credential.authority,
        http_client=http,
        # Otherwise msal asks Microsoft about each authority it does not know, and after each error.
        instance_discovery=False,
        # Otherwise MSAL_FORCE_REGION in the environment chooses the endpoint.
        azure_region=False,
    )


def refresh_token_in(answer: Answer, credential: EntraCredential) -> str:
    """The refresh token in an answer. Raises TokenUnavailable if it has none that can be used."""
    value = answer.get("refresh_token")
    value = value if isinstance(value, str) else ""
    if wrong := problem(value):
        raise unavailable(credential, f"its answer has no usable refresh token: {wrong}")
    return value


def _refreshing(name: str, credential: EntraCredential, refresh_token: str) -> Request:
    def send(http: ProviderHttp) -> Answer:
        http.expect("refresh_token")
        application = public_client(credential, http)
        answer: Answer = application.acquire_token_by_refresh_token(refresh_token, [credential.scope])
        return answer

    return Request(send, hidden=(refresh_token,), remedy=remedy_for(name, credential))
