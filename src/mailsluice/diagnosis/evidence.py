"""The evidence: what is known for or against each cause.

Owns the rules by which claims, former polls and other facts speak about a cause. Must never know what the
server said: `symptoms` has the causes that are possible at all.

A cause is ruled out only if it cannot be the one, and proved only if it would be refused for this alone. What
was true an hour ago makes a cause likely or unlikely, no more: administrators change things in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import IntEnum

from mailsluice.config.credentials import DELEGATED_HOSTS, HOSTS, Way
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.claims import Claims
from mailsluice.diagnosis.facts import Door, Facts, History

_JUST = timedelta(hours=4)
"""A mailbox that was let in so recently has probably the rights that it needs."""
_NOW = timedelta(minutes=30)
"""For so long what a sibling's poll showed is as good as now, for a mailbox that has failed for longer."""
_FRESH = timedelta(hours=24)
"""For so long what a sibling's poll showed counts for the whole credential."""
_SKEW, _BORNE = 60.0, 300.0
"""Seconds. A clock that is wrong by less than the first is right. Servers bear up to the second, about."""
_LEEWAY = timedelta(seconds=_BORNE)
_EXCHANGE = frozenset(
    (
        *HOSTS.values(),
        *DELEGATED_HOSTS.values(),
        "00000002-0000-0ff1-ce00-000000000000",
        "outlook.com",
        "ps.outlook.com",
        "webmail.apps.mil",
    )
)
"""What Exchange Online is called in `aud`: its application ID, or one of its names, in any cloud."""
_GRAPH = frozenset({"graph.microsoft.com", "graph.microsoft.us", "00000003-0000-0000-c000-000000000000"})
"""What Microsoft Graph is called in `aud`. Its tokens open no mailbox of any server."""
_MICROSOFT = re.compile(
    r"(.+\.)?(office365\.(com|us)|office\.com|outlook\.cn|microsoftonline\.(com|us|cn)|chinacloudapi\.cn)(:\d+)?"
)
"""Servers whose certificates are good: only something on the way can show another one."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LOGIN_CLOUDS = ({"worldwide"}, {"gcc-high", "dod"}, {"china"})
"""The clouds that have one identity provider, so that a tenant that is found there may be in any of them."""


class Weight(IntEnum):
    """What is known of a possible cause, from nothing speaks for it to it is the one."""

    RULED_OUT = 0
    """It cannot be this one."""
    UNLIKELY = 1
    OPEN = 2
    """Nothing is known of it."""
    LIKELY = 3
    PROVED = 4
    """It is this one, whatever else may be wrong."""


def weight(cause: Cause, facts: Facts) -> Weight:
    """What the facts say about this cause."""
    if cause in _OF_TOKENS and facts.access and facts.access.takes_password:
        return Weight.RULED_OUT  # there is no token
    rule = _RULES.get(cause)
    return rule(facts) if rule else Weight.OPEN


def _no_full_access(facts: Facts) -> Weight:
    claims = facts.claims
    # It is this person's own mailbox: Entra ID lets nobody else's mailbox have a name that a person signs in
    # with. If the names differ, it may still be: many people have another address than their sign-in name.
    if facts.is_person and claims and claims.person.lower() == facts.mailbox.lower() != "":
        return Weight.RULED_OUT
    if _opened_by_another_door(facts):
        return Weight.RULED_OUT
    return Weight.UNLIKELY if _worked(facts, _JUST) else Weight.OPEN


def _no_service_principal(facts: Facts) -> Weight:
    history = facts.history
    if facts.is_person or _opened_by_another_door(facts):
        return Weight.RULED_OUT
    if history is None:
        return Weight.OPEN
    if _sibling_gets_in(history, _FRESH):
        # Both worked until now, or the sibling's poll was long ago: somebody may have removed the service
        # principal since, and this mailbox may be the first to see that.
        certain = _sibling_gets_in(history, _NOW) and not _worked(facts, _JUST)
        return Weight.RULED_OUT if certain else Weight.UNLIKELY
    # If no mailbox of this credential gets in, what they share is likelier than what each has of its own: a
    # new application may have been configured since they worked.
    if _worked(facts, _FRESH):
        return Weight.OPEN if history.refused else Weight.UNLIKELY
    return Weight.LIKELY if history.refused else Weight.OPEN


def _door_off(facts: Facts) -> Weight:
    # Not proved: this door may be throttled alone, and the token may lack its permission.
    if _opened_by_another_door(facts):
        return Weight.LIKELY
    return Weight.UNLIKELY if _worked(facts, _JUST) else Weight.OPEN


def _no_mailbox(facts: Facts) -> Weight:
    if _opened_by_another_door(facts):
        return Weight.RULED_OUT
    # A mailbox can be renamed, moved to another tenant, or lose its licence.
    return Weight.UNLIKELY if facts.history and facts.history.let_in else Weight.OPEN


def _throttled(facts: Facts) -> Weight:
    history = facts.history
    if _worked(facts, _JUST):
        return Weight.LIKELY
    # After some hours it is not likely any more, because we ask less and less often: but it may be.
    return Weight.OPEN if history and (history.let_in or history.sibling) else Weight.UNLIKELY


def _no_consent(facts: Facts) -> Weight:
    if _is_machine(facts):
        return Weight.RULED_OUT  # `NO_ROLE` is the same for a managed identity
    return _no_permission(facts)


def _no_role(facts: Facts) -> Weight:
    if not _is_machine(facts):
        return Weight.RULED_OUT
    has_others = _other_permission_in(facts)
    return Weight.PROVED if has_others else _no_permission(facts)


def _no_permission(facts: Facts) -> Weight:
    claims = facts.claims
    if claims is None:
        return Weight.OPEN
    if facts.is_person or not _is_for_exchange(claims) or claims.roles or claims.scopes:
        return Weight.RULED_OUT
    if not claims.audience and facts.host and not _is_of_microsoft(facts):
        return Weight.OPEN  # others' servers have other permissions
    # Consent that was given since is no objection: this token is refused all the same.
    return Weight.PROVED


def _other_permission(facts: Facts) -> Weight:
    # Without claims `NO_CONSENT` stands for both, and for a managed identity `NO_ROLE` does.
    proved = _other_permission_in(facts) and not _is_machine(facts)
    return Weight.PROVED if proved else Weight.RULED_OUT


def _other_permission_in(facts: Facts) -> bool:
    claims = facts.claims
    if claims is None or facts.is_person or not _is_for_exchange(claims) or not claims.roles:
        return False
    return not _has(facts.door.role, claims.roles)


def _no_person_consent(facts: Facts) -> Weight:
    claims = facts.claims
    if claims is None:
        return Weight.OPEN
    given = not facts.is_person or not _is_for_exchange(claims) or _has(facts.door.scope, claims.scopes)
    return Weight.RULED_OUT if given else Weight.PROVED


def _wrong_resource(facts: Facts) -> Weight:
    if facts.claims is None or not facts.claims.audience:
        return Weight.UNLIKELY
    name = _name_in(facts.claims.audience)
    if _is_for_exchange(facts.claims) or name == facts.host.lower():
        return Weight.RULED_OUT
    # Exchange on one's own servers has other names, which nobody knows here.
    is_exchange_online = not facts.host or _is_of_microsoft(facts)
    return Weight.PROVED if name in _GRAPH or is_exchange_online else Weight.LIKELY


def _other_tenant(facts: Facts) -> Weight:
    access, claims = facts.access, facts.claims
    if claims is None or access is None or not claims.tenant or not _ID.fullmatch(access.tenant):
        return Weight.UNLIKELY  # nobody can tell which tenant a domain is, and a domain may have hyphens
    same = access.tenant.lower() == claims.tenant.lower()
    return Weight.RULED_OUT if same else Weight.PROVED


def _token_ended(facts: Facts) -> Weight:
    claims, history = facts.claims, facts.history
    if claims is None or claims.ends is None or history is None:
        return Weight.UNLIKELY
    if facts.clock_ahead is None:  # the time is only what this machine believes
        if claims.ends <= history.now:
            return Weight.LIKELY
        # A command may give the same token for ever; our own are dropped in time, by two clocks.
        is_ours = facts.access is not None and facts.access.way is not None
        is_young = claims.begins is not None and claims.begins <= history.now + _LEEWAY
        return Weight.RULED_OUT if is_ours and is_young else Weight.UNLIKELY
    ended_for = history.now - timedelta(seconds=facts.clock_ahead) - claims.ends
    if abs(ended_for) <= _LEEWAY:
        return Weight.OPEN  # servers may still accept it
    return Weight.PROVED if ended_for > _LEEWAY else Weight.RULED_OUT


def _clock(facts: Facts) -> Weight:
    if facts.clock_ahead is None:
        return Weight.OPEN
    if abs(facts.clock_ahead) < _SKEW:
        return Weight.RULED_OUT
    # Not proved: a clock may be wrong while something else is broken, too.
    return Weight.LIKELY if abs(facts.clock_ahead) >= _BORNE else Weight.OPEN


def _secret_id(facts: Facts) -> Weight:
    if facts.secret_is_id is None:
        return min(Weight.UNLIKELY, _BY_SECRET(facts))
    return Weight.PROVED if facts.secret_is_id else Weight.RULED_OUT


def _wrong_secret(facts: Facts) -> Weight:
    return _BY_SECRET(facts) if facts.secret_is_id is None else Weight.OPEN


def _unknown_tenant(facts: Facts) -> Weight:
    return Weight.RULED_OUT if facts.found_in else Weight.OPEN


def _wrong_cloud(facts: Facts) -> Weight:
    if facts.found_nowhere:
        return Weight.RULED_OUT
    if facts.found_in is None or facts.access is None:
        return Weight.OPEN
    here = any({facts.found_in, facts.access.cloud} <= clouds for clouds in _LOGIN_CLOUDS)
    return Weight.UNLIKELY if here else Weight.PROVED


def _no_network(facts: Facts) -> Weight:
    if facts.others_reached is None:
        return Weight.OPEN
    return Weight.RULED_OUT if facts.others_reached else Weight.LIKELY


def _intercepted(facts: Facts) -> Weight:
    return Weight.OPEN if not facts.host or _is_of_microsoft(facts) else Weight.UNLIKELY


def _fault_of_server(facts: Facts) -> Weight:
    return Weight.UNLIKELY if _is_of_microsoft(facts) else Weight.OPEN


def _password_retired(facts: Facts) -> Weight:
    if facts.access and not facts.access.takes_password:
        return Weight.RULED_OUT
    if not facts.access:
        return Weight.UNLIKELY  # hardly anybody has a password here
    if not facts.host:
        return Weight.OPEN
    # Exchange Online refuses the right password, too.
    return Weight.PROVED if _is_of_microsoft(facts) else Weight.RULED_OUT


def _wrong_password(facts: Facts) -> Weight:
    if facts.access and not facts.access.takes_password:
        return Weight.RULED_OUT
    return Weight.UNLIKELY if not facts.access or _is_of_microsoft(facts) else Weight.OPEN


def _only(*ways: Way) -> Callable[[Facts], Weight]:
    """The rule of a cause that only these ways can have."""

    def rule(facts: Facts) -> Weight:
        way = facts.access.way if facts.access else None
        return Weight.OPEN if way is None or way in ways else Weight.RULED_OUT

    return rule


def _has(permission: str, permissions: tuple[str, ...]) -> bool:
    return permission.lower() in (one.lower() for one in permissions)


def _is_for_exchange(claims: Claims) -> bool:
    """Whether the token is for Exchange Online. It may be if it does not say for whom it is."""
    name = _name_in(claims.audience)
    return not name or name in _EXCHANGE


def _name_in(audience: str) -> str:
    """The host or the ID in `aud`: `https://HOST`, `https://HOST/`, or the ID alone (v1.0, v2.0)."""
    name, _, _ = audience.lower().removeprefix("https://").partition("/")
    return name.partition(":")[0]


def _is_machine(facts: Facts) -> bool:
    return facts.access is not None and facts.access.way is Way.MANAGED_IDENTITY


def _is_of_microsoft(facts: Facts) -> bool:
    return _MICROSOFT.fullmatch(facts.host.lower()) is not None


def _sibling_gets_in(history: History, time: timedelta) -> bool:
    return history.sibling_let_in is not None and abs(history.now - history.sibling_let_in) <= time


def _worked(facts: Facts, time: timedelta) -> bool:
    return facts.history is not None and facts.history.was_let_in_within(time)


def _opened_by_another_door(facts: Facts) -> bool:
    """Whether another door opened this mailbox. SMTP opens none, and so tells nothing."""
    return any(facts.doors.get(door, False) for door in (Door.POP, Door.IMAP) if door is not facts.door)


_OF_TOKENS = frozenset(
    {
        Cause.NO_SERVICE_PRINCIPAL,
        Cause.NO_FULL_ACCESS,
        Cause.NO_CONSENT,
        Cause.NO_ROLE,
        Cause.OTHER_PERMISSION,
        Cause.NO_PERSON_CONSENT,
        Cause.WRONG_RESOURCE,
        Cause.OTHER_TENANT,
        Cause.TOKEN_ENDED,
    }
)
"""What a login with a password cannot have."""
_BY_SECRET = _only(Way.SECRET)
_BY_CERTIFICATE = _only(Way.CERTIFICATE)
_BY_ASSERTION = _only(Way.ASSERTION, Way.ASSERTION_COMMAND)

_RULES: Mapping[Cause, Callable[[Facts], Weight]] = {
    Cause.NO_FULL_ACCESS: _no_full_access,
    Cause.NO_SERVICE_PRINCIPAL: _no_service_principal,
    Cause.DOOR_OFF: _door_off,
    Cause.NO_MAILBOX: _no_mailbox,
    Cause.THROTTLED: _throttled,
    Cause.NO_CONSENT: _no_consent,
    Cause.NO_ROLE: _no_role,
    Cause.OTHER_PERMISSION: _other_permission,
    Cause.NO_PERSON_CONSENT: _no_person_consent,
    Cause.WRONG_RESOURCE: _wrong_resource,
    Cause.OTHER_TENANT: _other_tenant,
    Cause.TOKEN_ENDED: _token_ended,
    Cause.PASSWORD_RETIRED: _password_retired,
    Cause.WRONG_PASSWORD: _wrong_password,
    Cause.CLOCK: _clock,
    Cause.SECRET_ID: _secret_id,
    Cause.WRONG_SECRET: _wrong_secret,
    Cause.CERTIFICATE_NOT_UPLOADED: _BY_CERTIFICATE,
    Cause.CERTIFICATE_EXPIRED: _BY_CERTIFICATE,
    Cause.ASSERTION_OLD: _BY_ASSERTION,
    Cause.FEDERATION: _BY_ASSERTION,
    Cause.UNKNOWN_TENANT: _unknown_tenant,
    Cause.WRONG_CLOUD: _wrong_cloud,
    Cause.NO_NETWORK: _no_network,
    Cause.INTERCEPTED: _intercepted,
    Cause.OWN_AUTHORITY: _fault_of_server,
    Cause.CERTIFICATE_ENDED: _fault_of_server,
    Cause.CERTIFICATE_EARLY: _fault_of_server,
    Cause.OTHER_NAME: _fault_of_server,
    Cause.WEAK_CERTIFICATE: _fault_of_server,
}
