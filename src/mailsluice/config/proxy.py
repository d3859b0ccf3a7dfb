"""The proxy settings: what `proxy` may look like, and what its address says.

Owns the syntax. Must never repeat a value in an error: it may have a password in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import PlainValidator, WithJsonSchema

from mailsluice.config.types import parse_host

RIGHT = '"http://proxy.acme.example:3128"'
_PORT = 80
"""The port of a URL without one (RFC 9110 §4.2.1)."""
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_VISIBLE = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where an HTTP proxy is. `password` is set only if it was read from the environment."""

    host: str
    port: int
    user: str = ""
    password: str | None = field(default=None, repr=False)


def parse_address(text: str) -> ProxyAddress:
    """The address in `http://[user[:password]@]host[:port]`. Raises ValueError that says what is right."""
    if not _VISIBLE.fullmatch(text):
        raise ValueError(f"has spaces or characters that no URL has; write it like {RIGHT}")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"is not a URL; write it like {RIGHT}") from None
    _check_scheme(url, text)
    if url.path not in {"", "/"} or url.query or url.fragment or not url.hostname or port == 0:
        raise ValueError(f"must be host and port alone; write it like {RIGHT}")
    user, password = unquote(url.username or ""), url.password and unquote(url.password)
    if _CONTROLS.search(user) or ":" in user:  # RFC 7617 §2: a colon ends the user
        raise ValueError("has a user with a colon or control characters, which no proxy can be told")
    try:
        host = parse_host(url.hostname)
    except ValueError:
        raise ValueError(f"must have a host name or an IP address; write it like {RIGHT}") from None
    return ProxyAddress(host, port or _PORT, user, password)


def _check_scheme(url: SplitResult, text: str) -> None:
    if "://" not in text:
        raise ValueError(f"has no scheme; write it like {RIGHT}")
    if url.scheme == "https":
        raise ValueError(
            f"is an https address, but TLS begins behind a proxy; write its http address, like {RIGHT}"
        )
    if url.scheme.startswith("socks"):
        raise ValueError(f"is a SOCKS proxy, which mailsluice cannot use; write an HTTP proxy, like {RIGHT}")
    if url.scheme != "http":
        raise ValueError(f"must begin with http://; write it like {RIGHT}")


def parse_proxy(value: object) -> ProxyAddress | Literal["environment", "none"]:
    """A proxy's URL without a password, `environment` or `none`."""
    if isinstance(value, ProxyAddress) or (isinstance(value, str) and value in {"environment", "none"}):
        return value  # type: ignore[return-value]
    if not isinstance(value, str):
        raise ValueError(f'must be a string: {RIGHT}, "environment" or "none"')  # noqa: TRY004  as in `types`
    address = parse_address(value)
    if address.password is not None:
        raise ValueError(
            "has a password in it, which must not stand in this file; leave only the user there, and "
            'write beside it proxy_password = "keyring:proxy"'
        )
    return address


def check_password(proxy: object, has_password: bool) -> None:  # noqa: FBT001  the one thing about it
    """Raise ValueError unless `proxy_password` is there exactly if the address has a user."""
    has_user = isinstance(proxy, ProxyAddress) and bool(proxy.user)
    if has_user and not has_password:
        raise ValueError('`proxy` has a user, so write its password: proxy_password = "keyring:proxy"')
    if has_password and not has_user:
        raise ValueError(
            "`proxy_password` is for the user in `proxy`; write USER@ before the host there, or remove it"
        )


ProxySetting = Annotated[
    ProxyAddress | Literal["environment", "none"],
    PlainValidator(parse_proxy),
    WithJsonSchema({"type": "string", "pattern": "^(http://[^/]+/?|environment|none)$"}),
]
