"""The guide: how a tenant is set up, step by step, filled in with what a configuration says.

Owns the steps, their order, and the words of those that are the same in every way. `check --guide` prints
them, and docs/setup-tenant.md is made of them. Must never do a step.

Names of pages, commands and parameters are those of Microsoft's manuals (facts: exchange-online §2.4).
"""

from __future__ import annotations

from dataclasses import replace

from mailsluice import invocation
from mailsluice.config.credentials import HOSTS, Way
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.facts import Facts
from mailsluice.diagnosis.filling import filled, literal, quoted
from mailsluice.diagnosis.tenant.layout import Code, Step, Table, plain
from mailsluice.diagnosis.tenant.setup import Setup
from mailsluice.diagnosis.tenant.ways import identity_steps

_NO_TENANT = (
    "credentials.{credential} is a password. Exchange Online takes no passwords, so there is no tenant to "
    "set up for it. For Exchange Online, use a credential of kind `entra`.\n"
)


def guide(setup: Setup) -> str:
    """The whole set-up of the tenant for this credential, as lines for a terminal."""
    if setup.access and setup.access.takes_password:
        return filled(_NO_TENANT, Facts(access=setup.access))
    return plain(steps(setup))


def steps(setup: Setup) -> tuple[Step, ...]:
    """The steps, in their order."""
    is_person = setup.way is not None and setup.way.is_delegated
    templates = (
        _needs(setup, is_person=is_person),
        *identity_steps(setup),
        _mailboxes_of_person(setup) if is_person else _mailboxes(setup),
        _later(),
        _firewall(setup),
        _check(),
        _closing_of_person(setup) if is_person else _closing(setup),
        _removal(setup),
    )
    return tuple(_filled(step, setup) for step in templates)


def _filled(step: Step, setup: Setup) -> Step:
    facts = Facts(access=setup.access)

    def part_filled(part: str | Code | Table) -> str | Code | Table:
        if isinstance(part, Code):
            return replace(part, lines=tuple(filled(line, facts) for line in part.lines))
        return filled(part, facts) if isinstance(part, str) else part

    return replace(step, parts=tuple(part_filled(part) for part in step.parts))


def _needs(setup: Setup, *, is_person: bool) -> Step:
    if setup.way is Way.MANAGED_IDENTITY:
        entra = "a Privileged Role Administrator for Entra ID"
    else:
        entra = "an Application Administrator or Cloud Application Administrator for Entra ID"
    why = " (only for shared mailboxes, and where POP is off)" if is_person else ""
    return Step(
        "What you need",
        (
            (
                f"You need {entra}, and an Exchange Administrator for Exchange Online{why}. It may be "
                "the same person. The lines of PowerShell run on any machine with PowerShell 7, once this "
                "module is installed:"
            ),
            Code("powershell", ("Install-Module ExchangeOnlineManagement -Scope CurrentUser",)),
        ),
    )


def _mailboxes(setup: Setup) -> Step:
    return Step(
        "Let it into the mailboxes",
        (
            (
                "In PowerShell, as an Exchange Administrator. `$object` is the Object ID of the *Enterprise "
                "application*. With the one of the app registration no login works, and no message says why."
            ),
            Code(
                "powershell",
                (
                    "{connect}",
                    *_variables(setup),
                    "New-ServicePrincipal -AppId $app -ObjectId $object -DisplayName 'mailsluice'",
                    "foreach ($mailbox in $mailboxes) {{",
                    "    Add-MailboxPermission -Identity $mailbox -User $object -AccessRights FullAccess",
                    "    Set-CASMailbox -Identity $mailbox -PopEnabled $true",
                    "}}",
                ),
            ),
        ),
    )


def _mailboxes_of_person(setup: Setup) -> Step:
    return Step(
        "Let the person into the mailboxes",
        (
            "In PowerShell, as an Exchange Administrator. For the own mailbox a person needs no permission.",
            Code(
                "powershell",
                (
                    "{connect}",
                    "$person = '<address of the person who signs in>'",
                    *_addresses(setup),
                    "foreach ($mailbox in $mailboxes) {{",
                    "    if ($mailbox -ne $person) {{",
                    "        Add-MailboxPermission -Identity $mailbox -User $person -AccessRights FullAccess",
                    "    }}",
                    "    Set-CASMailbox -Identity $mailbox -PopEnabled $true",
                    "}}",
                ),
            ),
        ),
    )


def _later() -> Step:
    return Step(
        "Receipts, and new mailboxes",
        (
            (
                "Exchange Online sends a receipt for each message that asks for one when mailsluice fetches "
                "it. Where it must not:"
            ),
            Code(
                "powershell",
                ("Set-CASMailbox MAILBOX -PopUseProtocolDefaults $false -PopSuppressReadReceipt $true",),
            ),
            (
                "For a mailbox that is added later, run the lines of the step before again. New mailboxes "
                "have POP on or off as the CAS mailbox plan of their licence says:"
            ),
            Code("powershell", ("Get-CASMailboxPlan | Format-Table DisplayName,PopEnabled",)),
        ),
    )


def _variables(setup: Setup) -> tuple[str, ...]:
    return ("$app = {client:ps}", "$object = {object_id:ps}", *_addresses(setup))


def _addresses(setup: Setup) -> tuple[str, ...]:
    addresses = setup.mailboxes or ("<address of a mailbox>",)
    # In a list each line may stand alone, so that thousands of addresses need no long line.
    listed = (f"    {literal(quoted(address))}" for address in addresses)
    return ("$mailboxes = @(", *listed, ")")


def _firewall(setup: Setup) -> Step:
    servers = tuple(setup.reached())
    rows = [(server.host, f"TCP {server.port}", server.use, server.through) for server in servers]
    if mail := next((server for server in servers if server.host in HOSTS.values()), None):
        rows.append((mail.host, "TCP 993", "only for `check --imap`", mail.through))
        rows.append((PLACES[setup.cloud].smtp, "TCP 587", "only for `check --smtp`", mail.through))
    head = ("host", "port", "what for", "through")
    parts: list[str | Table] = ["This machine must reach these hosts:"]
    if any(server.through != "directly" for server in servers):
        parts += [
            Table(head, tuple(rows)),
            "A proxy must allow CONNECT to them, and the firewall must let this machine reach the proxy.",
        ]
    else:
        parts.append(Table(head[:3], tuple(row[:3] for row in rows)))
    parts.append(
        "Let them through by name, because Microsoft changes their addresses, and without TLS inspection. "
        "This machine also needs DNS (port 53), and a clock that is right (`timedatectl`)."
    )
    return Step("Open the firewall", tuple(parts))


def _check() -> Step:
    return Step(
        "Wait, and check",
        (
            (
                "What was granted takes up to an hour to reach all servers. This command tries every step, "
                "changes nothing, and says what is still wrong:"
            ),
            Code("sh", (literal(invocation.command("check")),)),
        ),
    )


def _closing(setup: Setup) -> Step:
    end = ("}}", "Remove-ServicePrincipal -Identity $app -Confirm:$false")
    return _closed(_variables(setup), "$object", end)


def _closing_of_person(setup: Setup) -> Step:
    person = "$person = '<address of the person who signs in>'"
    return _closed((person, *_addresses(setup)), "$person", ("}}",))


def _closed(variables: tuple[str, ...], who: str, end: tuple[str, ...]) -> Step:
    return Step(
        "To undo it: close the mailboxes",
        (
            "First remove the mailboxes from the configuration. Then, in PowerShell:",
            Code(
                "powershell",
                (
                    "{connect}",
                    *variables,
                    "foreach ($mailbox in $mailboxes) {{",
                    f"    Remove-MailboxPermission -Identity $mailbox -User {who} -AccessRights FullAccess `",
                    "        -Confirm:$false",
                    *end,
                ),
            ),
            "If nobody else uses POP there:",
            Code("powershell", ("Set-CASMailbox MAILBOX -PopEnabled $false",)),
        ),
    )


def _removal(setup: Setup) -> Step:
    if setup.way is Way.MANAGED_IDENTITY:
        what = "Switch the identity off on the page of its machine, if nothing else uses it."
    else:
        what = "In {portal}: *App registrations* > the application > *Delete*."
    command = _forgetting(setup)
    then = ("Then let this machine forget what it proved itself with:", Code("sh", (literal(command),)))
    return Step("To undo it: remove the application", (what, *(then if command else ())))


def _forgetting(setup: Setup) -> str:
    """The command that removes the secret of this credential from this machine; empty if there is none."""
    if setup.way in {Way.DEVICE_CODE, Way.BROWSER}:
        return invocation.command("login", setup.name, "--forget")
    kept = setup.proof or (None if setup.access else SecretRef("keyring", f"{setup.name}-cert"))
    if kept is None or kept.scheme != "keyring":
        return ""
    return invocation.command("secret", "delete", kept.name)
