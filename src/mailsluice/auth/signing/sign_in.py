"""Signing in: a person proves to the identity provider who they are, and lets us ask in their name.

Owns the two flows, by a device code (RFC 8628) and by a browser on this machine (RFC 8252, with PKCE), and
how long we wait for the person. Must never save anything, and never show a code that only we may know.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from mailsluice.auth.signing.redirect import Redirect
from mailsluice.auth.signing.sign_ins import SignIn, sign_in_again
from mailsluice.auth.sources.delegated import public_client, refresh_token_in
from mailsluice.auth.sources.entra import Answer, Request, answered, unavailable
from mailsluice.auth.sources.refusal import remedy_for
from mailsluice.clock import Clock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenRefused, TokenUnavailable
from mailsluice.net.deadlines import Deadline
from mailsluice.net.https import ProviderHttp

BROWSER_PATIENCE = 300.0
"""Seconds for a person to sign in with the browser."""

_LONGEST_CODE_LIFE = 3600
_LONGEST_INTERVAL = 60.0
_SLOW_DOWN = 5.0
"""Seconds by which the interval grows if the provider says so (RFC 8628 §3.5)."""
_WAITING = ("authorization_pending", "slow_down")
_LONGEST_NAME = 200


class Person(Protocol):
    """The person at the terminal, who is told what to do."""

    def enter(self, code: DeviceCode) -> None:
        """Tell the person where to enter which code."""
        ...

    def open(self, address: str, port: int) -> None:
        """Tell the person to open this address, which is https, in a browser that reaches this local port."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A code that a person enters at an address, within so many seconds."""

    code: str
    address: str
    seconds: float


class Signing:
    """One attempt to sign in for `[credentials.NAME]`. `pause` waits for so many seconds.

    Its methods return the sign-in, which is not saved yet. They raise TokenRefused if the person or the
    provider refuses, or if the time is up, and TokenUnavailable if the provider cannot be asked. A
    KeyboardInterrupt may come at any moment.
    """

    def __init__(
        self,
        name: str,
        credential: EntraCredential,
        http: Callable[[], ProviderHttp],
        clock: Clock,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._credential = credential
        self._http = http
        self._clock = clock
        self._pause = pause

    def by_device_code(self, person: Person) -> SignIn:
        """Let the person sign in anywhere, by a code. A network that fails for a while ends nothing."""
        flow = self._ask(self._begin_device_code)
        code, interval = _device_code(flow, self._credential), _number(flow.get("interval"), 5)
        person.enter(code)
        deadline = Deadline(self._clock, code.seconds)
        failure: TokenUnavailable | None = None
        wait = interval
        while True:
            self._pause(min(wait, _LONGEST_INTERVAL))
            if deadline.is_over:
                raise failure or self._too_late("the code expired before anybody signed in with it")
            try:
                answer = self._ask(self._redeem_device_code(flow), flow["device_code"])
            except TokenUnavailable as exc:
                failure, wait = exc, max(wait * 2, exc.retry_after)
                continue
            if "waiting" not in answer:
                return self._signed_in(answer)
            failure = None
            interval += _SLOW_DOWN if answer["waiting"] == "slow_down" else 0
            wait = interval

    def by_browser(self, person: Person, patience: float = BROWSER_PATIENCE) -> SignIn:
        """Let the person sign in with a browser of this machine, within `patience` seconds."""
        with self._redirect() as redirect:
            flow: dict[str, Any] = dict(self._ask(self._begin_browser(redirect)))
            if not str(flow["auth_uri"]).startswith("https://"):
                raise unavailable(self._credential, "it names an address that is not https")
            person.open(flow["auth_uri"], redirect.port)
            response = redirect.answer(patience)
        if response is None:
            minutes = f"{patience / 60:.0f} minutes"
            raise self._too_late(f"no browser came back with a sign-in within {minutes}")
        return self._signed_in(self._ask(self._redeem_browser(flow, response), response.get("code", "")))

    def _redirect(self) -> Redirect:
        try:
            return Redirect(secrets.token_urlsafe(32))
        except OSError as exc:
            raise TokenUnavailable(
                f"no browser could come back: this machine gives no port on 127.0.0.1: {exc.strerror}",
                remedy=f"without a browser here, {sign_in_again(self._name)}",
            ) from exc

    def _ask(self, send: Callable[[ProviderHttp], Answer], *hidden: str) -> Answer:
        def sent(http: ProviderHttp) -> Answer:
            try:
                return send(http)
            except RuntimeError:
                # msal's, about an ID token. Without the cause, which shows the token.
                raise ValueError from None

        remedy = remedy_for(self._name, self._credential, is_signing_in=True)
        request = Request(sent, tuple(filter(None, hidden)), remedy)
        return answered(self._credential, request, self._http)

    def _begin_device_code(self, http: ProviderHttp) -> Answer:
        http.expect("device_code", "user_code", "verification_uri", "interval")
        application = public_client(self._credential, http)
        if not application.authority.device_authorization_endpoint:
            raise TokenRefused(
                f"{self._credential.authority} offers no device codes",
                remedy=f"with a browser, {sign_in_again(self._name, '--browser')}",
            )
        flow: Answer = application.initiate_device_flow([self._credential.scope])
        return flow

    def _redeem_device_code(self, flow: Answer) -> Callable[[ProviderHttp], Answer]:
        def send(http: ProviderHttp) -> Answer:
            http.expect("refresh_token", "id_token")
            # msal would wait by itself, without our deadline. So it gets a flow of its own for each try.
            once = {"device_code": flow["device_code"], "interval": 1}
            answer: Answer = public_client(self._credential, http).acquire_token_by_device_flow(
                once, exit_condition=lambda _: True
            )
            error = answer.get("error")
            return {"waiting": error} if error in _WAITING else answer

        return send

    def _begin_browser(self, redirect: Redirect) -> Callable[[ProviderHttp], Answer]:
        def send(http: ProviderHttp) -> Answer:
            flow: Answer = public_client(self._credential, http).initiate_auth_code_flow(
                [self._credential.scope],
                redirect_uri=redirect.uri,
                state=redirect.state,
                # Otherwise the code would be in the address, and so in the browser's history.
                response_mode="form_post",
                # Otherwise whoever is signed in there already is taken: often an administrator.
                prompt="select_account",
            )
            return flow

        return send

    def _redeem_browser(
        self, flow: dict[str, Any], response: dict[str, str]
    ) -> Callable[[ProviderHttp], Answer]:
        def send(http: ProviderHttp) -> Answer:
            http.expect("refresh_token", "id_token")
            answer: Answer = public_client(self._credential, http).acquire_token_by_auth_code_flow(
                flow, response
            )
            return answer

        return send

    def _signed_in(self, answer: Answer) -> SignIn:
        if not answer.get("refresh_token"):
            raise TokenRefused(
                f"{self._credential.authority} gave no refresh token, so this sign-in would end within hours",
                remedy=f"allow the application the scope offline_access; then {sign_in_again(self._name)}",
            )
        refresh_token = refresh_token_in(answer, self._credential)
        return SignIn.to(self._credential, _account(answer), refresh_token, self._clock.now())

    def _too_late(self, what: str) -> TokenRefused:
        return TokenRefused(f"credentials.{self._name}: {what}", remedy=sign_in_again(self._name))


def _device_code(flow: Answer, credential: EntraCredential) -> DeviceCode:
    """What a person is shown of the provider's answer. Raises TokenUnavailable if that cannot be shown."""
    code, address = flow.get("user_code"), flow.get("verification_uri")
    if not (_is_shown(code) and _is_shown(address) and address.startswith("https://")):
        raise unavailable(credential, "its answer has no code and https address that a person could use")
    if not isinstance(flow.get("device_code"), str):
        raise unavailable(credential, "its answer has no device code")
    return DeviceCode(code, address, min(_number(flow.get("expires_in"), 900), _LONGEST_CODE_LIFE))


def _is_shown(text: object) -> TypeGuard[str]:
    """Whether a person can be shown this text, as one word."""
    return isinstance(text, str) and 0 < len(text) <= _LONGEST_NAME and text.isprintable() and " " not in text


def _number(value: object, otherwise: float) -> float:
    """A number of seconds that is above zero, or else another one."""
    return float(value) if isinstance(value, (int, float)) and 0 < value < 10**6 else otherwise


def _account(answer: Answer) -> str:
    """The name of who signed in, as the provider says it. It is only for people: nothing depends on it."""
    claims = answer.get("id_token_claims")
    claims = claims if isinstance(claims, dict) else {}
    names = (claims.get(key) for key in ("preferred_username", "upn", "email", "sub"))
    name = next((name for name in names if isinstance(name, str) and name), "somebody without a name")
    return "".join(c if c.isprintable() else "?" for c in name)[:_LONGEST_NAME]
