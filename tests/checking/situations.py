"""The situations in which an administrator of a tenant gets stuck, and what `check` names.

Each names all causes that `check` names, in their order. If there are several, the wire and everything that
is known do not tell them apart. Then the order is by what speaks for each.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from checking import breaking
from checking.situation import Situation, broken
from mailsluice.checking.steps import Step
from mailsluice.diagnosis.causes import Cause
from mailsluice_sandbox import Sandbox, Tls
from mailsluice_sandbox.faults import SERVER_UNAVAILABLE
from support.firewall import DROPS
from support.tenant import OffClock

TEN_MINUTES = timedelta(minutes=10, seconds=1)
_REFUSED = (Cause.NO_FULL_ACCESS, Cause.DOOR_OFF, Cause.NO_MAILBOX, Cause.THROTTLED)
"""What a refused login may mean, where a sibling gets in."""
_ADD = "Add-MailboxPermission -Identity '{address}' -User '{object}' -AccessRights FullAccess"
_SECRETS = (
    "https://entra.microsoft.com > App registrations > All applications > {client} > Certificates & secrets"
)
_PERMISSIONS = (
    "https://entra.microsoft.com > App registrations > All applications > {client} > API permissions"
)
_POP_ON = "Set-CASMailbox -Identity '{address}' -PopEnabled $true"
_LOOK = (
    "Get-MailboxPermission -Identity '{address}'",
    "Get-CASMailbox -Identity '{address}'",
    "Get-Recipient -Identity '{address}'",
)
_SIGN_IN = "-c {config} login acme`"

SITUATIONS = (
    Situation(
        "unknown tenant",
        breaking.unknown_tenant,
        (Cause.UNKNOWN_TENANT, Cause.WRONG_CLOUD),
        Step.TOKEN,
        77,
        ("{tenant}", "`tenant_id`", "{client} > Overview"),
    ),
    Situation(
        "wrong client id",
        breaking.wrong_client,
        (Cause.UNKNOWN_CLIENT, Cause.WRONG_CLOUD),
        Step.TOKEN,
        77,
        ("no application {client}", "`client_id`"),
    ),
    Situation(
        "secret id pasted instead of its value",
        breaking.secret_id,
        (Cause.SECRET_ID,),
        Step.TOKEN,
        77,
        (_SECRETS,),
    ),
    Situation(
        "secret of another application",
        breaking.secret_of_another,
        (Cause.WRONG_SECRET,),
        Step.TOKEN,
        77,
        (_SECRETS,),
    ),
    Situation(
        "expired secret", breaking.secret_expired, (Cause.SECRET_EXPIRED,), Step.TOKEN, 77, (_SECRETS,)
    ),
    Situation(
        "certificate not uploaded",
        breaking.not_uploaded,
        (Cause.CERTIFICATE_NOT_UPLOADED,),
        Step.TOKEN,
        77,
        (f"{_SECRETS} > Certificates",),
    ),
    Situation(
        "expired certificate",
        breaking.certificate_expired,
        (),
        Step.SECRET,
        78,
        ("the certificate ended on",),
    ),
    Situation(
        "key and certificate not a pair",
        breaking.no_pair,
        (),
        Step.SECRET,
        78,
        ("file:{folder}/certificate: its private key and its certificate do not belong together",),
    ),
    Situation(
        "clock slow by ten minutes (certificate)",
        breaking.certificate,
        (Cause.CLOCK,),
        Step.TOKEN,
        77,
        ("it is 10 minutes slow", "timedatectl status"),
        partial(Sandbox, OffClock(TEN_MINUTES)),
    ),
    Situation(
        "clock fast by ten minutes (certificate)",
        breaking.certificate,
        (Cause.CLOCK,),
        Step.TOKEN,
        77,
        ("it is 10 minutes fast", "timedatectl status"),
        partial(Sandbox, OffClock(-TEN_MINUTES)),
    ),
    Situation(
        "admin consent missing (no roles)",
        breaking.no_roles,
        (Cause.NO_CONSENT,),
        Step.AUTH,
        77,
        ("POP.AccessAsApp of Office 365 Exchange Online", _PERMISSIONS),
    ),
    Situation(
        "IMAP role granted but not POP",
        breaking.imap_role,
        (Cause.OTHER_PERMISSION,),
        Step.AUTH,
        77,
        ("has IMAP.AccessAsApp, but not POP.AccessAsApp", _PERMISSIONS),
    ),
    Situation(
        "Graph token used",
        breaking.graph,
        (Cause.WRONG_RESOURCE,),
        Step.AUTH,
        77,
        ("for https://graph.microsoft.com, not", "remove `scope`"),
    ),
    Situation(
        "wrong cloud",
        breaking.unknown_tenant,
        (Cause.WRONG_CLOUD,),
        Step.TOKEN,
        77,
        ('set `cloud` of [credentials.acme] to "gcc-high"',),
        found_in="gcc-high",
    ),
    Situation(
        "service principal made with the app registration's object id",
        breaking.registration_id,
        (
            Cause.NO_SERVICE_PRINCIPAL,
            Cause.NO_FULL_ACCESS,
            Cause.DOOR_OFF,
            Cause.NO_MAILBOX,
            Cause.THROTTLED,
        ),
        Step.AUTH,
        77,
        (
            "Where-Object AppId -eq '{client}'",
            "New-ServicePrincipal -AppId '{client}' -ObjectId '{object}'",
            _ADD,
            "-Identity '{scans}' -User '{object}'",
        ),
    ),
    Situation(
        "no FullAccess on this mailbox", breaking.no_full_access, _REFUSED, Step.AUTH, 77, (_ADD, *_LOOK)
    ),
    Situation(
        "POP switched off for the mailbox", breaking.pop_off, _REFUSED, Step.AUTH, 77, (_POP_ON, *_LOOK)
    ),
    Situation("address is an alias", breaking.alias, _REFUSED, Step.AUTH, 77, _LOOK),
    Situation("address has no mailbox", breaking.no_mailbox, _REFUSED, Step.AUTH, 77, _LOOK),
    Situation(
        "conditional access block",
        breaking.blocked,
        (Cause.POLICY,),
        Step.TOKEN,
        77,
        ("Service principal sign-ins", "https://entra.microsoft.com > Conditional Access > Policies"),
    ),
    Situation(
        "conditional access block of a person",
        breaking.refused(53003),
        (Cause.PERSON_POLICY,),
        Step.TOKEN,
        77,
        ("Sign-in logs",),
    ),
    Situation(
        "MFA demanded of a delegated login",
        breaking.refused(50076),
        (Cause.MFA,),
        Step.TOKEN,
        77,
        (_SIGN_IN,),
    ),
    Situation(
        "refresh token dead: unused for 90 days",
        breaking.revoked("700082"),
        (Cause.SIGN_IN_ENDED,),
        Step.TOKEN,
        77,
        (_SIGN_IN,),
    ),
    Situation(
        "refresh token dead: new password",
        breaking.revoked("50173"),
        (Cause.SIGN_IN_ENDED,),
        Step.TOKEN,
        77,
        (_SIGN_IN,),
    ),
    Situation(
        "login host blocked: refused",
        breaking.login_refused,
        (Cause.REFUSED_BY_FIREWALL,),
        Step.TCP,
        69,
        ("TCP to localhost:1",),
    ),
    Situation(
        "login host blocked: dropped",
        breaking.login_dropped,
        (Cause.DROPPED_BY_FIREWALL,),
        Step.TCP,
        69,
        (f"packets to {DROPS}",),
        is_behind_a_firewall=True,
    ),
    Situation(
        "mail host blocked: refused",
        breaking.mail_refused,
        (Cause.REFUSED_BY_FIREWALL,),
        Step.TCP,
        69,
        ("TCP to localhost:1",),
    ),
    Situation(
        "mail host blocked: dropped",
        breaking.mail_dropped,
        (Cause.DROPPED_BY_FIREWALL,),
        Step.TCP,
        69,
        (f"packets to {DROPS}",),
        is_behind_a_firewall=True,
    ),
    Situation(
        "no network",
        breaking.no_network,
        (Cause.NO_NETWORK, Cause.NO_DNS),
        Step.DNS,
        69,
        ("cable, route and DNS",),
        is_behind_a_firewall=True,
    ),
    Situation(
        "TLS interception at the login host",
        breaking.login_as_named_by_microsoft,
        (Cause.INTERCEPTED, Cause.OWN_AUTHORITY),
        Step.TLS,
        69,
        ("Acme TLS Inspection CA",),
        partial(Sandbox, login_tls=Tls.INTERCEPTED),
    ),
    Situation(
        "TLS interception at the mail host",
        breaking.mail_as_named_by_microsoft,
        (Cause.INTERCEPTED, Cause.OWN_AUTHORITY),
        Step.TLS,
        69,
        ("Acme TLS Inspection CA",),
        partial(Sandbox, mail_tls=Tls.INTERCEPTED),
    ),
    Situation(
        "TLS too old at the login host",
        breaking.nothing,
        (Cause.OLD_TLS,),
        Step.TLS,
        69,
        (),
        partial(Sandbox, login_tls=Tls.OLD),
    ),
    Situation(
        "TLS too old at the mail host",
        breaking.nothing,
        (Cause.OLD_TLS,),
        Step.TLS,
        69,
        (),
        partial(Sandbox, mail_tls=Tls.OLD),
    ),
    Situation(
        "throttled (fails now, worked before)",
        breaking.throttled,
        (
            Cause.THROTTLED,
            Cause.NO_SERVICE_PRINCIPAL,
            Cause.NO_FULL_ACCESS,
            Cause.DOOR_OFF,
            Cause.NO_MAILBOX,
        ),
        Step.AUTH,
        77,
        ("invoices was let in less than a minute ago",),
    ),
    Situation(
        "post-AUTH refusal (authenticated but not connected)",
        breaking.not_connected,
        (Cause.NO_FULL_ACCESS, Cause.DOOR_OFF, Cause.NO_MAILBOX, Cause.UNAVAILABLE),
        Step.STAT,
        77,
        (_ADD, _POP_ON),
    ),
    Situation(
        "connection closed after AUTH",
        breaking.hangs_up_after_the_login,
        (Cause.UNAVAILABLE, Cause.NO_FULL_ACCESS, Cause.DOOR_OFF, Cause.NO_MAILBOX),
        Step.STAT,
        75,
        ("wait", _ADD, _POP_ON),
    ),
    Situation(
        "server unavailable",
        breaking.says(SERVER_UNAVAILABLE.text),
        (Cause.UNAVAILABLE,),
        Step.AUTH,
        75,
        ("wait",),
    ),
    Situation(
        "mailbox locked",
        breaking.says("[IN-USE] Mailbox is locked."),
        (Cause.IN_USE,),
        Step.AUTH,
        75,
        ("wait",),
    ),
)


def _listed() -> Iterator[str]:
    """Each situation, with the first two lines that `check` prints about it."""
    for situation in SITUATIONS:
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            tempfile.TemporaryDirectory() as folder,
            pytest.MonkeyPatch.context() as patch,
            broken(situation, Path(folder), patch) as tenant,
        ):
            ended = tenant.check()
        yield f"{situation.name} (exit code {ended.code})"
        yield from (f"    {line}" for line in ended.conclusion[:2])


if __name__ == "__main__":  # PYTHONPATH=tests python -m checking.situations
    print(*_listed(), sep="\n")
