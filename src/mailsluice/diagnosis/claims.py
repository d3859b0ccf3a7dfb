"""The claims of an access token, decoded for diagnosis only.

Owns which claims are looked at, and what is made of hostile ones. Must never decide by a claim what is
fetched or whom to trust: nothing is verified, and Microsoft says that a client must not depend on a token's
content. Must never keep the token.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailsluice.obs.clean import printable

_LONGEST = 64 * 1024
_MOST, _LONGEST_WORD = 500, 200
"""Words of a claim that are kept: no real one may be lost, because a missing one proves something."""
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of itself. A claim that is missing is empty; a time that is missing is None.

    `audience` is for whom the token is. `roles` are an application's permissions, `scopes` those that a
    person gave. `object_id` is that of the service principal in the tenant, or the person's. `person` is the
    name with which a person signs in. `begins` is when it was issued: it does not know what changed later.
    """

    audience: str = ""
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    tenant: str = ""
    application: str = ""
    object_id: str = ""
    person: str = ""
    ends: datetime | None = None
    begins: datetime | None = None

    @property
    def is_of_person(self) -> bool:
        """Whether it acts in a person's name."""
        return bool(self.scopes or self.person)

    @property
    def permits(self) -> str:
        """Its permissions for people: the first ones, and how many more there are; empty for none."""
        permissions = self.roles or self.scopes
        more = f" and {len(permissions) - _SHOWN} more" if len(permissions) > _SHOWN else ""
        return ", ".join(permissions[:_SHOWN]) + more


def claims_in(token: str) -> Claims | None:
    """The claims of this token (RFC 7519 §3); None if it is no JWT whose claims can be read.

    Exchange Online's tokens can be read today. Microsoft may change that at any time.
    """
    parts = token.split(".")
    if len(token) > _LONGEST or len(parts) != 3:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None
    if not isinstance(said, Mapping):
        return None
    return Claims(
        audience=_word(said.get("aud")),
        roles=_words(said.get("roles")),
        scopes=_words(said.get("scp")),
        tenant=_word(said.get("tid")),
        application=_first(said, "appid", "azp"),  # v1.0, v2.0
        object_id=_word(said.get("oid")),
        person=_first(said, "upn", "preferred_username", "unique_name"),
        ends=_time(said.get("exp")),
        begins=_time(said.get("iat")),
    )


def _first(said: Mapping[str, object], *names: str) -> str:
    return next((word for name in names if (word := _word(said.get(name)))), "")


def _word(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:  # `aud` may be a list (RFC 7519 §4.1.3)
        value = value[0]
    return printable(value[:_LONGEST_WORD]) if isinstance(value, str) else ""


def _words(values: object) -> tuple[str, ...]:
    if isinstance(values, str):  # `scp` always is one (RFC 8693 §4.2); `roles` of other providers may be
        values = values.split()
    if not isinstance(values, list):
        return ()
    return tuple(word for value in values[:_MOST] if (word := _word(value)))


def _time(value: Any) -> datetime | None:
    if isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
