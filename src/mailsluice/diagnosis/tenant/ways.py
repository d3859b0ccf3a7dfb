"""The ways: what Entra ID needs for each way to get a token.

Owns the steps of the guide that differ by way: who the application is, what it may do, and how it proves who
it is. Must never put a secret into a command.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailsluice import invocation
from mailsluice.config.credentials import Way
from mailsluice.config.types import SecretRef
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.commands import GIVE_ROLE
from mailsluice.diagnosis.filling import literal
from mailsluice.diagnosis.tenant.layout import Code, Step, Table
from mailsluice.diagnosis.tenant.setup import Setup

_CLIENT_ID = ("Application (client) ID", "App registrations > mailsluice > Overview")
_TENANT_ID = ("Directory (tenant) ID", "the same page", "`tenant_id`")
_OBJECT_IDS = (
    ("Object ID", "Enterprise applications > mailsluice > Overview", "`$object`"),
    ("Object ID", "App registrations > mailsluice > Overview", "nowhere"),
)
"""Two IDs with one name. The second is the one that people take."""


def identity_steps(setup: Setup) -> Iterator[Step]:
    """The steps at Entra ID, in their order. Texts may have names to fill in."""
    if setup.way is Way.MANAGED_IDENTITY:
        yield _managed_identity()
        yield _managed_permission()
        return
    yield _registration(setup)
    yield _delegated_permission() if _is_person(setup) else _permission()
    if _is_person(setup):
        yield _sign_in(setup)
    elif setup.way in {Way.ASSERTION, Way.ASSERTION_COMMAND}:
        yield _federation(setup)
    elif setup.access is not None and setup.way is None:
        yield _command()
    else:
        yield _proof(setup)


def _is_person(setup: Setup) -> bool:
    return setup.way is not None and setup.way.is_delegated


def _registration(setup: Setup) -> Step:
    parts: list[str | Code | Table] = [
        "In {portal}, open *App registrations* > *New registration*. Give it a name, such as mailsluice, and "
        "choose *Accounts in this organizational directory only*. "
        + (
            "Under *Redirect URI*, choose *Public client/native (mobile & desktop)*, and write "
            "http://localhost. Then *Register*. Afterwards, under *Authentication*, allow public client "
            "flows."
            if _is_person(setup)
            else "Leave *Redirect URI* empty. Then *Register*."
        ),
        "Note these IDs."
        if _is_person(setup)
        else "Note these IDs. Two have the same name, and to take the wrong one is the classic mistake:",
        Table(("what", "where it is", "where it goes"), _ids(setup)),
    ]
    if setup.access is None:
        example = invocation.command("config", "example")
        parts += [
            "Write the first two into the configuration:",
            Code("toml", _section(setup)),
            "This prints a whole one:",
            Code("sh", (literal(example),)),
        ]
    return Step("Register the application", tuple(parts))


def _ids(setup: Setup) -> tuple[tuple[str, ...], ...]:
    if _is_person(setup):
        return ((*_CLIENT_ID, "`client_id`"), _TENANT_ID)
    return ((*_CLIENT_ID, "`client_id`, `$app`"), _TENANT_ID, *_OBJECT_IDS)


def _section(setup: Setup) -> tuple[str, ...]:
    return (
        f"[credentials.{setup.name}]",
        'kind = "entra"',
        'tenant_id = "{tenant}"',
        'client_id = "{client}"',
        f'certificate = "keyring:{setup.name}-cert"',
        f'#client_secret = "keyring:{setup.name}"   # instead of the certificate',
        "#expires = 2027-05-01             # the day on which that secret ends",
    )


def _permission() -> Step:
    return Step(
        "Let it open mailboxes by POP",
        (
            (
                "On the application's page: *API permissions* > *Add a permission* > *APIs my organization "
                "uses* > *Office 365 Exchange Online* > *Application permissions* > `POP.AccessAsApp` > "
                "*Add permissions*. Then *Grant admin consent*: without it nothing works. Permissions of "
                "Microsoft Graph do not help."
            ),
            "This alone opens no mailbox. Exchange Online is told below which ones.",
        ),
    )


def _delegated_permission() -> Step:
    return Step(
        "Let people open mailboxes by POP with it",
        (
            (
                "On the application's page: *API permissions* > *Add a permission* > *APIs my organization "
                "uses* > *Office 365 Exchange Online* > *Delegated permissions* > `POP.AccessAsUser.All` > "
                "*Add permissions*. Then *Grant admin consent*, if people may not consent themselves."
            ),
        ),
    )


def _proof(setup: Setup) -> Step:
    certificate, secret = _certificate(setup), _secret(setup)
    if setup.way is Way.CERTIFICATE:
        return Step("Give it a certificate", certificate)
    if setup.way is Way.SECRET:
        return Step("Give it a client secret", secret)
    return Step(
        "Give it a certificate, or a client secret",
        (*certificate, "*Or a client secret*, which ends after two years at the latest:", *secret),
    )


def _certificate(setup: Setup) -> tuple[str | Code, ...]:
    name = f"{setup.name}-cert"
    ref = setup.proof or SecretRef("keyring", name)
    key, public = f"{setup.name}.key", f"{setup.name}.crt"
    # The file mode is for these commands alone: whoever pastes them writes other files afterwards.
    make = (
        "(umask 077 && openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=mailsluice \\",
        f"    -keyout {key} -out {public})",
    )
    if ref.scheme == "keyring":
        store = literal(invocation.command("secret", "set", ref.name))
        keep = f"cat {key} {public} | {store} && rm {key}"
        kept = "The last line moves the key into the keyring."
    else:
        keep = f"(umask 077 && cat {key} {public} > {setup.name}.pem) && rm {key}"
        kept = f"Put {setup.name}.pem where the configuration says: {literal(str(ref))}. Only mailsluice may "
        kept += "read it."
    return (
        "On this machine, make a key and its certificate. The key never leaves the machine. " + kept,
        Code("sh", (*make, keep)),
        (
            "On the application's page: *Certificates & secrets* > *Certificates* > *Upload certificate*. "
            f"Upload {public}, never the key. mailsluice warns 30, 14 and 7 days before it ends."
        ),
    )


def _secret(setup: Setup) -> tuple[str | Code, ...]:
    ref = setup.proof or SecretRef("keyring", setup.name)
    where = "On the application's page: *Certificates & secrets* > *Client secrets* > *New client secret*. "
    copy = (
        "Copy its Value at once: it is shown only now. Its Secret ID is of no use. Write the day on which it "
        "ends into `expires`, so that mailsluice warns 30, 14 and 7 days before. "
    )
    if ref.scheme == "keyring":
        asked = "Then store the Value. This command asks for it, and does not show it:"
        return where + copy + asked, Code("sh", (literal(invocation.command("secret", "set", ref.name)),))
    return (where + copy + f"Then put the Value where the configuration says: {literal(str(ref))}.",)


def _federation(setup: Setup) -> Step:
    return Step(
        "Let it be vouched for",
        (
            (
                "On the application's page: *Certificates & secrets* > *Federated credentials* > *Add "
                "credential*. Issuer and subject are those of the assertion, with the same large and small "
                "letters. The audience "
                f"is `{PLACES[setup.cloud].audience}`."
            ),
        ),
    )


def _command() -> Step:
    return Step(
        "Let the token command prove who asks",
        (
            (
                "The command of credentials.{credential} gets the tokens, and only you know how. It must "
                "ask for `{right_scope}`, as this application."
            ),
        ),
    )


def _sign_in(setup: Setup) -> Step:
    return Step(
        "Let the person sign in",
        (
            (
                "The person signs in once, in any browser or in one on this machine. The command says what "
                "to do:"
            ),
            Code("sh", (literal(invocation.command("login", setup.name)),)),
            (
                "A sign-in stays as long as mail is polled. It ends after 90 days without a poll, and when "
                "a new password or an administrator ends it."
            ),
        ),
    )


def _managed_identity() -> Step:
    return Step(
        "Find the identity",
        (
            (
                "On the page of the virtual machine (or of the App Service, or of the Azure Arc server) in "
                "the Azure portal, open *Identity*, and switch it on. A system-assigned identity ends with "
                "its machine. A user-assigned one can be kept."
            ),
            (
                "In {portal}, open *Enterprise applications*, set *Application type* to *Managed "
                "Identities*, and open the identity. Note its *Application ID* and its *Object ID*."
            ),
        ),
    )


def _managed_permission() -> Step:
    return Step(
        "Let it open mailboxes by POP",
        (
            "No page of the portal does this. In PowerShell, as a Privileged Role Administrator:",
            # Alone, because it asks: the question would take the next line for its answer.
            Code("powershell", ("Install-Module Microsoft.Graph.Applications -Scope CurrentUser",)),
            "Then:",
            Code("powershell", GIVE_ROLE),
            "Do this before the first poll: Azure may hand out a token without the new role for up to a day.",
        ),
    )
