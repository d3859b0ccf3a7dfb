"""The causes: what can be wrong, in words for an administrator.

Owns the words: what each cause means, and how to mend it in one sentence. The commands for it are in
`commands`. Must never know when a cause is the one: `symptoms` and `evidence` say that.

In the texts, `{name}` stands for what is known of this case; see `filling`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from mailsluice.diagnosis import reach


class Cause(StrEnum):
    """One thing that can be wrong. Its value is a stable word, for JSON.

    `means` is what is wrong, as a clause. `mend` is what to do, as an order.
    """

    means: str
    mend: str

    def __new__(cls, word: str, means: str, mend: str) -> Self:
        """Make a row of the table."""
        row = str.__new__(cls, word)
        row._value_ = word
        row.means = means
        row.mend = mend
        return row

    # The tenant and the application
    UNKNOWN_TENANT = (
        "unknown-tenant",
        "the cloud {cloud} has no tenant {tenant}",
        (
            "set `tenant_id` {of_credential} to the Directory (tenant) ID, which the Overview of the app "
            "registration shows"
        ),
    )
    WRONG_CLOUD = (
        "wrong-cloud",
        "the tenant is in another of Microsoft's clouds than `cloud` says",
        (
            "set `cloud` {of_credential} to {other_cloud}, and remove `authority`, `scope` and `host` if "
            "they name another one"
        ),
    )
    UNKNOWN_CLIENT = (
        "unknown-client",
        "the tenant has no application {client}",
        (
            "set `client_id` {of_credential} to the Application (client) ID of the app registration in "
            "that tenant, not to an Object ID; an application of another tenant needs admin consent in "
            "this one"
        ),
    )
    APP_DISABLED = (
        "app-disabled",
        "the application is disabled in the tenant",
        "in Enterprise applications, open it, and under Properties set Enabled for users to sign-in to Yes",
    )
    NO_EXCHANGE = (
        "no-exchange",
        "the tenant has no Exchange Online, or `scope` names another service",
        "remove `scope`; if the tenant has no subscription with Exchange Online, get one",
    )
    WRONG_SCOPE = (
        "wrong-scope",
        "`scope` is not one that the provider gives this application",
        "remove `scope`: the one of the cloud is right",
    )
    COMMON_AUTHORITY = (
        "common-authority",
        "`tenant_id` or `authority` names no single tenant",
        "set `tenant_id` to the tenant's own ID, not to `common` or `organizations`",
    )

    BAD_REQUEST = (
        "bad-request",
        "the provider finds the request malformed",
        (
            "see whether `tenant_id`, `client_id`, `authority` and `scope` are whole; if they are, report "
            "this with the log line"
        ),
    )

    # What proves the application
    SECRET_ID = (
        "secret-id",
        "the client secret is the ID of a secret, not its Value",
        "store the Value{place}; it is shown only once, so create a new client secret if nobody has it",
    )
    WRONG_SECRET = (
        "wrong-secret",
        (
            "the client secret is not one of application {client}: it is an old one, is cut off, or "
            "belongs to another application"
        ),
        "create a new client secret in the app registration, and store its Value{place}",
    )
    SECRET_EXPIRED = (
        "secret-expired",
        "the client secret has expired",
        "create a new client secret in the app registration, and store its Value{place}",
    )
    NO_PROOF = (
        "no-proof",
        "the provider saw no client secret and no certificate",
        "write `client_secret` or `certificate` for this credential",
    )
    CERTIFICATE_NOT_UPLOADED = (
        "certificate-not-uploaded",
        "the app registration does not have this certificate",
        (
            "upload the certificate, without its key{public}, under Certificates & secrets, or use one "
            "that is there already; a new upload takes some minutes"
        ),
    )
    CERTIFICATE_EXPIRED = (
        "certificate-expired",
        "the application's certificate has expired",
        "make a new certificate, upload it without its key under Certificates & secrets, and store it here",
    )
    PUBLIC_CLIENT = (
        "public-client",
        "the app registration is for a public client, which may send no client secret and no certificate",
        "in the app registration, under Authentication, set Allow public client flows to No",
    )
    CLOCK = (
        "clock",
        "this machine's clock is wrong{clock}",
        "set the clock (`timedatectl status` shows whether it is synchronised)",
    )
    ASSERTION_OLD = (
        "assertion-old",
        "the assertion is not valid any more, or not yet",
        "see whether the program that writes the assertion still runs, and whether its clock is right",
    )
    FEDERATION = (
        "federation",
        "the app registration has no federated credential that fits this assertion",
        (
            "make issuer, subject and audience of the federated credential the same as those of the "
            "assertion, with the same capital and small letters; a new one takes some minutes"
        ),
    )

    # What the token permits
    NO_CONSENT = (
        "no-consent",
        "the application has no permission {role}, or no admin consent for it",
        (
            "in {permissions}, add the application permission {role} of Office 365 Exchange Online, and "
            "grant admin consent"
        ),
    )
    NO_ROLE = (
        "no-role",
        "the managed identity does not have the application permission {role} of Office 365 Exchange Online",
        "assign it with New-MgServicePrincipalAppRoleAssignment: a managed identity has no app registration",
    )
    OTHER_PERMISSION = (
        "other-permission",
        "the token has {has}, but not {role}",
        (
            "in {permissions}, add the application permission {role} of Office 365 Exchange Online, and "
            "grant admin consent"
        ),
    )
    NO_PERSON_CONSENT = (
        "no-person-consent",
        "the permission {scope} was not given in this person's name",
        (
            "in {permissions}, add the delegated permission {scope} of Office 365 Exchange Online, grant "
            "admin consent if people may not consent themselves, and {sign_in}"
        ),
    )
    WRONG_RESOURCE = (
        "wrong-resource",
        "the token is for {audience}, not for Exchange Online",
        "remove `scope`; a token command must ask for {right_scope}",
    )
    OTHER_TENANT = (
        "other-tenant",
        "the token is of another tenant than {tenant}{token_tenant}",
        "set `tenant_id` to the tenant of the mailbox; a token command must ask in that tenant",
    )
    TOKEN_ENDED = (
        "token-ended",
        "the token had expired before it was used",
        (
            "see whether this machine's clock is right (`timedatectl status`), and whether a token "
            "command gives a new token each time"
        ),
    )

    # Policies and people
    POLICY = (
        "policy",
        "a Conditional Access policy of the tenant blocks the application",
        (
            "see in the Entra admin center, under Sign-in logs > Service principal sign-ins, which policy "
            "it is, and exclude the application or this machine's network from it"
        ),
    )
    PERSON_POLICY = (
        "person-policy",
        "a Conditional Access policy of the tenant blocks the person's sign-in",
        (
            "see in the Entra admin center, under Sign-in logs, which policy it is (it may block device "
            "codes alone), exclude the person or this machine's network from it, or meet its conditions; "
            "then {sign_in}"
        ),
    )
    SECURITY_DEFAULTS = (
        "security-defaults",
        "the security defaults of the tenant block this sign-in",
        (
            "use a certificate instead of a person's sign-in; or disable the security defaults, and "
            "protect the tenant with Conditional Access policies instead"
        ),
    )
    MFA = (
        "mfa",
        "the tenant wants another proof of who the person is (MFA)",
        "{sign_in}; with a certificate instead, no person has to sign in",
    )
    SIGN_IN_ENDED = (
        "sign-in-ended",
        "the person's sign-in has ended: unused for 90 days, revoked, or the password was changed",
        "{sign_in}; with a certificate instead, no person has to sign in",
    )
    SIGN_IN_UNFINISHED = (
        "sign-in-unfinished",
        "the sign-in was declined, or was not finished in time",
        "{sign_in}, and enter the code within its time",
    )
    PERSON_UNKNOWN = (
        "person-unknown",
        "the person who signed in has no account in tenant {tenant}",
        "with an account of that tenant, {sign_in}; or correct `tenant_id`",
    )
    PERSON_LOCKED = (
        "person-locked",
        "the person's account is locked, or its password is wrong or has expired",
        "put the account in order first, because each further try may lock it for longer; then {sign_in}",
    )
    PERSON_DISABLED = (
        "person-disabled",
        "the account of the person who signed in is disabled",
        "enable the account; or with another account, {sign_in}",
    )
    PERSON_NOT_ASSIGNED = (
        "person-not-assigned",
        "the person is not assigned to the application",
        "in Enterprise applications, open it, add the person under Users and groups, and {sign_in}",
    )
    NO_PUBLIC_FLOWS = (
        "no-public-flows",
        "the app registration does not allow public client flows",
        "in the app registration, under Authentication, set Allow public client flows to Yes; then {sign_in}",
    )
    NO_REDIRECT = (
        "no-redirect",
        "the app registration does not have the redirect URI http://localhost",
        (
            "in the app registration, under Authentication, add the platform Mobile and desktop "
            "applications with the redirect URI http://localhost; then {sign_in}"
        ),
    )

    # The provider's state
    ASKED_TOO_OFTEN = (
        "asked-too-often",
        "the provider was asked the same too often",
        "let only one mailsluice use this application, and wait",
    )
    PROVIDER_BUSY = (
        "provider-busy",
        "the provider throttles requests, or has a fault",
        "wait; it is asked again by itself",
    )

    # The mailbox
    NO_SERVICE_PRINCIPAL = (
        "no-service-principal",
        "Exchange Online does not know the application, or New-ServicePrincipal got the wrong Object ID",
        (
            "register it with New-ServicePrincipal and the Object ID of the Enterprise application, not "
            "of the app registration"
        ),
    )
    NO_FULL_ACCESS = (
        "no-full-access",
        "{who} has no FullAccess to the mailbox",
        "give it with Add-MailboxPermission",
    )
    DOOR_OFF = (
        "door-off",
        "{door} is off for the mailbox",
        "switch it on with Set-CASMailbox",
    )
    NO_MAILBOX = (
        "no-mailbox",
        "the address is an alias, misspelled, or has no mailbox in this tenant",
        "set `address` of [mailboxes.{section}] to the mailbox's primary address, or make the mailbox",
    )
    THROTTLED = (
        "throttled",
        "the server throttles logins, and says it in the words for a wrong password",
        "wait until it passes; if it comes back, poll less often",
    )
    UNAVAILABLE = (
        "unavailable",
        "the server cannot open the mailbox now: it is busy, moves the mailbox, or throttles",
        "wait until it passes",
    )
    IN_USE = (
        "in-use",
        "another program has the mailbox open",
        "wait, or end the other program",
    )
    TOO_OFTEN = (
        "too-often",
        "the server wants fewer logins",
        "poll less often: raise `every`",
    )
    SERVER_FAULT = (
        "server-fault",
        "the server says that it has a lasting fault",
        "ask who runs the server",
    )
    PASSWORD_RETIRED = (
        "password-retired",
        "Exchange Online takes no passwords any more",
        "use a credential of kind `entra`",
    )
    WRONG_PASSWORD = (
        "wrong-password",
        "the server does not know this user name with this password",
        "store the right password, and check `address`",
    )
    LINE_TOO_LONG = (
        "line-too-long",
        "the server found a command too long",
        "report this with the log line: it is an error of mailsluice",
    )

    # The way to a server
    NO_SUCH_HOST = reach.NO_SUCH_HOST
    NO_DNS = reach.NO_DNS
    NO_NETWORK = reach.NO_NETWORK
    REFUSED_BY_FIREWALL = reach.REFUSED_BY_FIREWALL
    DROPPED_BY_FIREWALL = reach.DROPPED_BY_FIREWALL
    PROXY = reach.PROXY
    BROKEN_OFF = reach.BROKEN_OFF
    SILENT = reach.SILENT
    INTERCEPTED = reach.INTERCEPTED
    OWN_AUTHORITY = reach.OWN_AUTHORITY
    CERTIFICATE_ENDED = reach.CERTIFICATE_ENDED
    CERTIFICATE_EARLY = reach.CERTIFICATE_EARLY
    OTHER_NAME = reach.OTHER_NAME
    WEAK_CERTIFICATE = reach.WEAK_CERTIFICATE
    OLD_TLS = reach.OLD_TLS
    NO_TLS = reach.NO_TLS
