"""People who sign in at Entra ID, and let the app act in their name: by a device code, or in a browser.

Owns the codes, and the refresh tokens. Must never ask for a password: whoever the test names has signed in.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from mailsluice.clock import Clock
from mailsluice_sandbox.entra import Entra
from mailsluice_sandbox.reply import HttpReply
from mailsluice_sandbox.tokens import PERSON_SCOPE
from mailsluice_sandbox.wording import WORDINGS, Wording

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(slots=True)
class _Grant:
    """What one sign-in has brought: the refresh tokens that were not used yet, and those that were."""

    person: str
    scopes: frozenset[str]
    unused: dict[str, datetime] = field(default_factory=dict)
    used: dict[str, datetime] = field(default_factory=dict)
    revoked: str = ""


@dataclass(slots=True)
class _Asked:
    """A device code: until when it is good, and what became of it."""

    ends: datetime
    scopes: frozenset[str]
    asked: int = 0
    person: str = ""
    declined: bool = False


@dataclass(frozen=True, slots=True)
class _Code:
    """An authorization code, and what it was given for."""

    person: str
    scopes: frozenset[str]
    redirect_uri: str
    challenge: str
    nonce: str


class SignIns:
    """The people of the tenant. Safe to use from any thread.

    `strict`: a refresh token is good for one use; the second use revokes the whole sign-in (RFC 9700
    §4.14.2). Otherwise old ones stay good, as at Entra ID. `lifetime` is that of a refresh token, `life` that
    of a device code, and `interval` the seconds between two tries of a client with one. `slow_down`: so many
    tries are too soon. `in_browser` is who signs in there; if it is empty, that person declines.
    `gives_refresh_tokens`: whether the app may stay signed in. `refusals` has the AADSTS number with which a
    person gets no token any more, not even after signing in again: 53003 if a Conditional Access policy
    blocks that, 50057 if the account is disabled.
    """

    def __init__(self, entra: Entra, clock: Clock) -> None:
        self.strict = False
        self.lifetime = timedelta(days=90)
        self.life = timedelta(minutes=15)
        self.interval = 1
        self.slow_down = 0
        self.in_browser = ""
        self.gives_refresh_tokens = True
        self.refusals: dict[str, int] = {}
        self._entra = entra
        self._clock = clock
        self._lock = threading.Lock()
        self._people: dict[str, str] = {}
        self._asked: dict[str, _Asked] = {}
        self._secret: dict[str, str] = {}
        self._codes: dict[str, _Code] = {}
        self._grants: list[_Grant] = []
        entra.pages["POST", "oauth2/v2.0/devicecode"] = self._device_code
        entra.pages["GET", "oauth2/v2.0/authorize"] = self._authorize
        entra.grants |= {
            DEVICE_CODE: self._by_device_code,
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
        }

    @property
    def waiting(self) -> tuple[str, ...]:
        """The codes that somebody may enter now."""
        with self._lock:
            return tuple(
                code for code, asked in self._asked.items() if not asked.person and not asked.declined
            )

    @property
    def revoked(self) -> int:
        """How many sign-ins were revoked."""
        with self._lock:
            return sum(bool(grant.revoked) for grant in self._grants)

    def tries(self, code: str) -> int:
        """How often a client asked whether somebody has entered this code."""
        with self._lock:
            return self._asked[code].asked

    def approve(self, code: str, person: str) -> None:
        """Let this person enter the code, and agree."""
        with self._lock:
            self._asked[code].person = person

    def decline(self, code: str) -> None:
        """Let somebody enter the code, and not agree."""
        with self._lock:
            self._asked[code].declined = True

    def expire(self, code: str) -> None:
        """The code is too old from now on."""
        with self._lock:
            self._asked[code].ends = self._clock.now()

    def sign_in(self, person: str, scope: str = PERSON_SCOPE) -> str:
        """A refresh token of a person who signed in, for tests that begin after that."""
        with self._lock:
            grant = _Grant(person, frozenset({scope, "offline_access"}))
            self._grants.append(grant)
            return self._refresh_token(grant)

    def revoke(self, person: str, why: str = "50173") -> None:
        """End every sign-in of this person, until the next one. `why` is the number of the refusal.

        It is 50173 after a new password, 700082 after 90 days without use, 50076 if MFA is demanded now.
        """
        with self._lock:
            for grant in self._grants:
                if grant.person == person:
                    grant.revoked = why

    def _device_code(self, form: Mapping[str, str]) -> HttpReply:
        if mistake := self._mistake(form):
            return mistake
        letters = "".join(secrets.choice(_LETTERS) for _ in range(9))
        secret = f"canary-device-{secrets.token_urlsafe(16)}"
        with self._lock:
            ends = self._clock.now() + self.life
            self._asked[letters] = _Asked(ends, frozenset(form["scope"].split()))
            self._secret[secret] = letters
        address = "https://microsoft.com/devicelogin"
        return HttpReply.of(
            200,
            {
                "device_code": secret,
                "user_code": letters,
                "verification_uri": address,
                "expires_in": int(self.life.total_seconds()),
                "interval": self.interval,
                "message": f"To sign in, open {address} and enter the code {letters} to authenticate.",
            },
        )

    def _by_device_code(self, form: Mapping[str, str]) -> HttpReply:
        with self._lock:
            asked = self._asked.get(self._secret.get(form.get("device_code", ""), ""))
            if asked is None:
                return self._refusal("bad_verification_code", 70018, "The device code is not known.")
            asked.asked += 1
            if asked.declined:
                return self._refusal("authorization_declined", 70000, "The person declined.")
            if self._clock.now() >= asked.ends:
                return self._refusal("expired_token", 70020, "The device code has expired.")
            if self.slow_down:
                self.slow_down -= 1
                return HttpReply.of(400, {"error": "slow_down"})
            if not asked.person:
                return self._refusal("authorization_pending", 70016, "Nobody has entered the code yet.")
            del self._secret[form["device_code"]]
            return self._begun(_Grant(asked.person, asked.scopes))

    def _authorize(self, form: Mapping[str, str]) -> HttpReply:
        """Where the browser is sent: the person signs in, and a form takes the browser back to the app."""
        if mistake := self._mistake(form):
            return mistake
        uri = form.get("redirect_uri", "")
        is_loopback = urlsplit(uri).scheme == "http" and urlsplit(uri).hostname == "localhost"
        if not is_loopback or form.get("code_challenge_method") != "S256":
            return self._refusal("invalid_request", 50011, "The redirect URI does not match, or no PKCE.")
        fields = {"state": form.get("state", "")}
        if self.in_browser:
            code = f"canary-code-{secrets.token_urlsafe(16)}"
            scopes = frozenset(form["scope"].split())
            with self._lock:
                self._codes[code] = _Code(
                    self.in_browser, scopes, uri, form["code_challenge"], form.get("nonce", "")
                )
            fields["code"] = code
        else:
            fields |= {
                "error": "access_denied",
                "error_description": "AADSTS65004: User declined to consent.",
            }
        if form.get("response_mode") != "form_post":
            return HttpReply(302, b"", {"Location": f"{uri}?{urlencode(fields)}"})
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">'
            for name, value in fields.items()
        )
        page = f'<form method="post" action="{html.escape(uri)}">{inputs}</form>'
        return HttpReply(200, page.encode(), {"Content-Type": "text/html"})

    def _by_code(self, form: Mapping[str, str]) -> HttpReply:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
            if code is None or code.redirect_uri != form.get("redirect_uri"):
                return self._refusal("invalid_grant", 70000, "The code is not valid.")
            if code.challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                return self._refusal("invalid_grant", 501481, "The Code_Verifier does not match.")
            return self._begun(_Grant(code.person, code.scopes), nonce=code.nonce)

    def _by_refresh_token(self, form: Mapping[str, str]) -> HttpReply:
        token = form.get("refresh_token", "")
        if mistake := self._mistake(form):
            return mistake
        with self._lock:
            known = [grant for grant in self._grants if token in grant.unused or token in grant.used]
            if not known:
                return self._refusal("invalid_grant", 9002313, "The refresh token is malformed.")
            (grant,) = known
            if token in grant.used and self.strict:
                grant.revoked = grant.revoked or "50173"
            issued = (grant.unused | grant.used)[token]
            if grant.revoked:
                return self._refuse(int(grant.revoked), issued)
            if self._clock.now() >= issued + self.lifetime:
                return self._refuse(700082, issued)
            if grant.person in self.refusals:
                return self._refuse(self.refusals[grant.person], issued)
            grant.used[token] = issued
            grant.unused.pop(token, None)
            return self._tokens(grant, audience=_resource(form["scope"].split()))

    def _mistake(self, form: Mapping[str, str]) -> HttpReply | None:
        app, asked = self._entra.app, form.get("scope", "").split()
        if form.get("client_id") != app.client_id:
            return self._entra.refuse(700016, app=form.get("client_id", ""))
        if app.disabled:
            return self._entra.refuse(7000112)
        if _resource(asked) not in self._entra.tokens.delegated:
            return self._entra.refuse(70011, scope=form.get("scope", ""))
        if not _permissions(asked) <= {*app.scopes, ".default"}:
            return self._entra.refuse(65001)
        return None

    def _begun(self, grant: _Grant, *, nonce: str = "") -> HttpReply:
        if grant.person in self.refusals:
            return self._refuse(self.refusals[grant.person], self._clock.now())
        self._grants.append(grant)
        return self._tokens(grant, audience=_resource(grant.scopes), nonce=nonce)

    def _tokens(self, grant: _Grant, *, audience: str, nonce: str = "") -> HttpReply:
        lifetime = self._entra.lifetime
        object_id = self._people.setdefault(grant.person, str(uuid.uuid4()))
        token = self._entra.tokens.mint_for(grant.person, object_id, lifetime=lifetime, audience=audience)
        self._entra.note_issued(token)
        answer: dict[str, object] = {
            "token_type": "Bearer",
            "scope": " ".join(f"{audience}/{scope}" for scope in self._entra.app.scopes),
            "expires_in": int(lifetime.total_seconds()),
            "access_token": token,
            "id_token": self._id_token(grant.person, object_id, nonce),
        }
        if self.gives_refresh_tokens and "offline_access" in grant.scopes:
            answer["refresh_token"] = self._refresh_token(grant)
        return HttpReply.of(200, answer)

    def _refresh_token(self, grant: _Grant) -> str:
        token = f"canary-refresh-{secrets.token_urlsafe(300)}"
        grant.unused[token] = self._clock.now()
        return token

    def _id_token(self, person: str, object_id: str, nonce: str) -> str:
        """Unsigned: the client has it from us directly (OpenID Connect Core §3.1.3.7)."""
        claims = {"sub": object_id, "oid": object_id, "preferred_username": person, "nonce": nonce or None}
        return ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({"alg": "none"}, {k: v for k, v in claims.items() if v}, "")
        )

    def _refuse(self, number: int, issued: datetime) -> HttpReply:
        if number not in WORDINGS:
            return self._refusal("invalid_grant", number, "The grant was revoked.")
        return self._entra.refuse(number, issued=_moment(issued), now=_moment(self._clock.now()))

    def _refusal(self, error: str, number: int, what: str) -> HttpReply:
        return self._entra.refusal(number, Wording(400, error, ""), what)


def _resource(scopes: Iterable[str]) -> str:
    """For what a token is asked; empty if that is nothing, or more than one thing."""
    resources = {scope.rpartition("/")[0] for scope in scopes if "://" in scope}
    return resources.pop() if len(resources) == 1 else ""


def _permissions(scopes: Iterable[str]) -> set[str]:
    return {scope.rpartition("/")[2] for scope in scopes if "://" in scope}


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f0Z}"
