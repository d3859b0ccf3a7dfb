"""The commands: how an administrator sees whether a cause is the one, and how it is mended.

Owns the lines for Exchange Online's PowerShell, and the pages of the portal. Must never run one, and never
change anything with a line that is only to look.

Names of commands and parameters are those of Microsoft's manuals (facts: exchange-online §2.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Facts
from mailsluice.diagnosis.filling import filled


@dataclass(frozen=True, slots=True)
class Way:
    """How to see whether it is this cause, what that shows then, and how to mend it.

    `look` and `mend` are lines of PowerShell. `shows` says what one sees if this is the cause. `page` is
    where in the portal it is mended instead. Any of them may be empty.
    """

    look: tuple[str, ...] = ()
    shows: str = ""
    mend: tuple[str, ...] = ()
    page: str = ""

    @property
    def needs_exchange(self) -> bool:
        """Whether Exchange Online's PowerShell must be connected first: lines that connect need no other."""
        lines = (*self.look, *self.mend)
        return bool(lines) and not any(line.startswith("Connect-") for line in lines)


CONNECT = "{connect}"
"""Opens Exchange Online's PowerShell. It comes before all other lines."""
GIVE_ROLE = (
    "Connect-MgGraph{graph} -Scopes `",
    "    Application.Read.All,AppRoleAssignment.ReadWrite.All",
    "$object = {object_id:ps}",
    "$exchange = Get-MgServicePrincipal -Filter \"appId eq '00000002-0000-0ff1-ce00-000000000000'\"",
    "$role = $exchange.AppRoles | Where-Object Value -eq {role:ps}",
    "New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $object -PrincipalId $object `",
    "    -ResourceId $exchange.Id -AppRoleId $role.Id",
)
"""Gives a managed identity its role, with Microsoft Graph's PowerShell: the portal has no page for that."""
_REMOVE_WRONG = (
    "Get-ServicePrincipal | Where-Object AppId -eq {client:ps} "
    "| Where-Object ObjectId -ne ([guid]{object_id:ps}) | Remove-ServicePrincipal -Confirm:$false"
)
"""Removes a service principal that has another Object ID, and no other: its permissions would go with it.

It asks nothing, because the question would take the next line for its answer. What is no ID is an error, so
that nothing is removed while the Object ID is not filled in.
"""
_REGISTRATION = "{portal} > App registrations > All applications > {client}"
_ENTERPRISE = "{portal} > Enterprise applications > All applications > {client}"

WAYS: Mapping[Cause, Way] = {
    Cause.NO_SERVICE_PRINCIPAL: Way(
        look=("Get-ServicePrincipal | Where-Object AppId -eq {client:ps} | Format-List AppId,ObjectId",),
        shows="nothing, or another ObjectId than {object_id} (the Enterprise application's)",
        mend=(
            _REMOVE_WRONG,
            "New-ServicePrincipal -AppId {client:ps} -ObjectId {object_id:ps} -DisplayName 'mailsluice'",
            "Add-MailboxPermission -Identity {mailbox:ps} -User {object_id:ps} -AccessRights FullAccess",
        ),
    ),
    Cause.NO_FULL_ACCESS: Way(
        # With -User: without it the column User may show another name of the same application or person.
        look=(
            "Get-MailboxPermission -Identity {mailbox:ps} -User {grantee:ps} | Format-List AccessRights,Deny",
        ),
        shows="nothing, an error, no FullAccess, or FullAccess with Deny : True",
        mend=("Add-MailboxPermission -Identity {mailbox:ps} -User {grantee:ps} -AccessRights FullAccess",),
    ),
    Cause.DOOR_OFF: Way(
        look=("Get-CASMailbox -Identity {mailbox:ps} | Format-List {look_door}",),
        shows="{off}",
        mend=("Set-CASMailbox -Identity {mailbox:ps} {switch}",),
    ),
    Cause.NO_MAILBOX: Way(
        look=("Get-Recipient -Identity {mailbox:ps} | Format-List RecipientTypeDetails,PrimarySmtpAddress",),
        shows="an error: nobody has this address; or another PrimarySmtpAddress: write that one",
    ),
    Cause.NO_CONSENT: Way(page=_REGISTRATION + " > API permissions"),
    Cause.OTHER_PERMISSION: Way(page=_REGISTRATION + " > API permissions"),
    Cause.NO_ROLE: Way(
        mend=GIVE_ROLE,
    ),
    Cause.NO_PERSON_CONSENT: Way(page=_REGISTRATION + " > API permissions"),
    Cause.SECRET_ID: Way(page=_REGISTRATION + " > Certificates & secrets"),
    Cause.WRONG_SECRET: Way(page=_REGISTRATION + " > Certificates & secrets"),
    Cause.SECRET_EXPIRED: Way(page=_REGISTRATION + " > Certificates & secrets"),
    Cause.CERTIFICATE_NOT_UPLOADED: Way(page=_REGISTRATION + " > Certificates & secrets > Certificates"),
    Cause.CERTIFICATE_EXPIRED: Way(page=_REGISTRATION + " > Certificates & secrets > Certificates"),
    Cause.PUBLIC_CLIENT: Way(page=_REGISTRATION + " > Authentication"),
    Cause.FEDERATION: Way(page=_REGISTRATION + " > Certificates & secrets > Federated credentials"),
    Cause.NO_PUBLIC_FLOWS: Way(page=_REGISTRATION + " > Authentication"),
    Cause.NO_REDIRECT: Way(page=_REGISTRATION + " > Authentication"),
    Cause.UNKNOWN_CLIENT: Way(page="{portal} > App registrations > All applications"),
    Cause.UNKNOWN_TENANT: Way(page=_REGISTRATION + " > Overview"),
    Cause.APP_DISABLED: Way(page=_ENTERPRISE + " > Properties"),
    Cause.PERSON_NOT_ASSIGNED: Way(page=_ENTERPRISE + " > Users and groups"),
    Cause.PERSON_DISABLED: Way(page="{portal} > Users > All users"),
    Cause.PERSON_LOCKED: Way(page="{portal} > Users > All users"),
    Cause.POLICY: Way(page="{portal} > Conditional Access > Policies"),
    Cause.PERSON_POLICY: Way(page="{portal} > Conditional Access > Policies"),
    Cause.SECURITY_DEFAULTS: Way(page="{portal} > Overview > Properties > Manage security defaults"),
}
_NONE = Way()


def way_of(cause: Cause, facts: Facts) -> Way:
    """How to see and mend this cause, filled in with what is known."""
    found = WAYS.get(cause, _NONE)
    return Way(
        tuple(filled(line, facts) for line in found.look),
        filled(found.shows, facts),
        tuple(filled(line, facts) for line in found.mend),
        filled(found.page, facts),
    )


def connect_line(facts: Facts) -> str:
    """The line that opens Exchange Online's PowerShell in this cloud."""
    return filled(CONNECT, facts)
