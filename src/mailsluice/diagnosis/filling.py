"""The filling: what stands for the `{names}` in the texts of causes and commands.

Owns how a value is spelled: in a sentence as it is, in PowerShell quoted. Must never leave a name open: what
is not known is a word in angle brackets, which nobody takes for a value.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping

from mailsluice import invocation
from mailsluice.config.credentials import HOSTS, Way
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.facts import Access, Door, Facts
from mailsluice.obs.clean import printable

_LOOKED_AT: Mapping[Door, str] = {
    Door.POP: "PopEnabled",
    Door.IMAP: "ImapEnabled",
    Door.SMTP: "SmtpClientAuthenticationDisabled",
}
_OFF: Mapping[Door, str] = {
    Door.POP: "PopEnabled : False",
    Door.IMAP: "ImapEnabled : False",
    Door.SMTP: "SmtpClientAuthenticationDisabled : True; or nothing after the colon, if Get-TransportConfig "
    "says True",
}
_SWITCHES: Mapping[Door, str] = {
    Door.POP: "-PopEnabled $true",
    Door.IMAP: "-ImapEnabled $true",
    Door.SMTP: "-SmtpClientAuthenticationDisabled $false",
}
"""What Get-CASMailbox shows of each protocol, and what Set-CASMailbox is told to switch it on."""
_UNKNOWN: Mapping[str, str] = {
    "tenant": "Directory (tenant) ID",
    "client": "Application (client) ID",
    "object_id": "Object ID of the Enterprise application",
    "grantee": "Object ID of the Enterprise application",
}
_QUOTES = "'\u2018\u2019\u201a\u201b"
"""What PowerShell takes for a single quote (about_Quoting_Rules). Doubled, it is a character of the text."""
_FEW = 60.0
"""Seconds. A clock that is wrong by less is good enough."""


class _Value(str):
    """A text that can be filled in: with the format `ps` quoted for PowerShell, with `sh` for a shell."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if spec == "ps":
            return quoted(self)
        return shlex.quote(self) if spec == "sh" else str(self)


class _Values(dict[str, _Value]):
    """The values by name; of one that is not known, what it would be, in brackets."""

    def __missing__(self, name: str) -> _Value:
        return _Value(f"<{_UNKNOWN.get(name, name.replace('_', ' '))}>")


def quoted(text: str) -> str:
    """The text as PowerShell reads it: nothing in it is a command, a variable or an end."""
    return "'" + "".join(mark * 2 if mark in _QUOTES else mark for mark in printable(text)) + "'"


def literal(text: str) -> str:
    """The text so that it stands as it is in what is filled in."""
    return text.replace("{", "{{").replace("}", "}}")


def filled(text: str, facts: Facts) -> str:
    """The text with everything that is known in it."""
    values = _values(facts)
    if "{sign_in}" in text:  # this and the next look for our program on PATH
        values["sign_in"] = _Value(printable(_sign_in(facts)))
    if "{place}" in text:
        values["place"] = _Value(printable(_place(facts.access)))
    return string.Formatter().vformat(text, (), values)


def _values(facts: Facts) -> _Values:
    access, claims, door = facts.access, facts.claims, facts.door
    cloud = access.cloud if access else "worldwide"
    known = {
        "mailbox": facts.mailbox,
        "section": facts.section,
        "host": facts.host,
        "server": f"{facts.host}:{facts.port}" if facts.host and facts.port else facts.host,
        "door": door.value,
        "role": door.role,
        "scope": door.scope,
        "cloud": cloud,
        "other_cloud": _other_cloud(facts),
        "connect": PLACES[cloud].connect,
        "portal": PLACES[cloud].portal,
        "right_scope": f"https://{HOSTS[cloud]}/.default",
        # A managed identity and a token command have neither in the configuration, but the token has both.
        "tenant": (access.tenant if access else "") or (claims.tenant if claims else ""),
        "client": (access.client if access else "") or (claims.application if claims else ""),
        "credential": access.credential if access else "",
        "object_id": claims.object_id if claims else "",
        "audience": claims.audience if claims else "",
        "person": claims.person if claims else "",
        "has": claims.permits if claims else "",
        "who": _who(facts),
        "grantee": _grantee(facts),
        "look_door": _LOOKED_AT[door],
        "off": _OFF[door],
        "switch": _SWITCHES[door],
        "of_credential": _of_credential(access),
        "permissions": "the app registration's API permissions",
    }
    filled_in = _Values({name: _Value(printable(value)) for name, value in known.items() if value})
    filled_in.setdefault("audience", _Value("another service"))
    filled_in.setdefault("has", _Value("other permissions"))
    if facts.is_person:
        filled_in.setdefault("grantee", _Value("<user principal name of the person>"))
    filled_in["graph"] = _Value(PLACES[cloud].graph_option)
    filled_in["token_tenant"] = _Value(f": of {printable(claims.tenant)}" if claims and claims.tenant else "")
    filled_in["public"] = _Value(printable(_public(access)))
    filled_in["of_proxy"] = _Value(printable(facts.of_proxy or "see what the error says about the proxy"))
    filled_in["unused_proxy"] = _Value(f"; {printable(facts.unused_proxy)}" if facts.unused_proxy else "")
    filled_in["clock"] = _Value(_clock(facts.clock_ahead))
    filled_in["issuer"] = _Value(f", which is {printable(facts.issuer)}" if facts.issuer else "")
    return filled_in


def _who(facts: Facts) -> str:
    if not facts.is_person:
        return "the application"
    return (facts.claims.person if facts.claims else "") or "the person who signed in"


def _grantee(facts: Facts) -> str:
    """Whom Add-MailboxPermission has to name: a person, or the object id of the service principal."""
    if facts.claims is None:
        return ""
    return facts.claims.person if facts.is_person else facts.claims.object_id


def _sign_in(facts: Facts) -> str:
    command = invocation.command("login", facts.access.credential) if facts.access else ""
    return f"sign in: `{command}`" if command else "sign in again"


def _of_credential(access: Access | None) -> str:
    return f"of [credentials.{access.credential}]" if access and access.credential else "of the credential"


def _place(access: Access | None) -> str:
    """Where a new secret has to be put, as the end of "store it"."""
    if access is None or access.proof is None:
        return ""
    name = access.proof.name
    match access.proof.scheme:
        case "keyring":
            return f" with `{invocation.command('secret', 'set', name)}`"
        case "file":
            return f" in {name}"
        case "env":
            return f" in the variable {name}"
        case "credential":
            return f" in the credential {name} of the unit"


def _public(access: Access | None) -> str:
    """How the certificate comes without its key, if both are in a file."""
    if access is None or access.way is not Way.CERTIFICATE or access.proof is None:
        return ""
    if access.proof.scheme != "file":
        return ""
    return f" (`openssl x509 -in {shlex.quote(access.proof.name)} -out mailsluice.cer` writes it)"


def _other_cloud(facts: Facts) -> str:
    found = facts.found_in
    return f'"{found}"' if found else f"the one where the tenant is ({', '.join(HOSTS)})"


def _clock(ahead: float | None) -> str:
    if ahead is None or abs(ahead) < _FEW:
        return ""
    for seconds, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if abs(ahead) >= 2 * seconds:
            return f": it is {abs(ahead) / seconds:.0f} {unit} {'fast' if ahead > 0 else 'slow'}"
    return f": it is {abs(ahead):.0f} seconds {'fast' if ahead > 0 else 'slow'}"
