"""How to break a tenant: each of these lets one thing be wrong in it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

from mailsluice_sandbox import Fault, NotConnected, Refuse
from mailsluice_sandbox.faults import AUTHENTICATION_FAILURE
from support.firewall import DROPS
from support.proofs import Pair, pair, rsa_key
from support.tenant import PERSON, Tenant

LOGIN_HOST, MAIL_HOST = "login.microsoftonline.com", "outlook.office365.com"
HOUR = timedelta(hours=1)
OWN = cache(pair)


# The tenant and the application


def unknown_tenant(tenant: Tenant) -> None:
    wrong = tenant.sandbox.tenant_id[:-4] + "dead"
    authority = tenant.sandbox.authority.replace(tenant.sandbox.tenant_id, wrong)
    tenant.credential.update(tenant_id=wrong, authority=authority)


def wrong_client(tenant: Tenant) -> None:
    tenant.credential["client_id"] = tenant.sandbox.app.registration_id


def graph(tenant: Tenant) -> None:
    tenant.credential["scope"] = "https://graph.microsoft.com/.default"


def no_roles(tenant: Tenant) -> None:
    tenant.sandbox.app.roles.clear()


def imap_role(tenant: Tenant) -> None:
    tenant.sandbox.app.roles[:] = ["IMAP.AccessAsApp"]


# What proves the application


def secret_id(tenant: Tenant) -> None:
    tenant.file("secret", tenant.sandbox.app.secrets[0].id)


def secret_of_another(tenant: Tenant) -> None:
    tenant.file("secret", "canary~of-another-application-and-long-enough")


def secret_expired(tenant: Tenant) -> None:
    tenant.sandbox.app.secrets[0].ends = datetime.now(UTC) - HOUR


def not_uploaded(tenant: Tenant) -> None:
    tenant.prove_by_certificate(OWN().pem())


def certificate_expired(tenant: Tenant) -> None:
    expired = pair(end=datetime.now(UTC) - HOUR)
    _upload(tenant, expired)
    tenant.prove_by_certificate(expired.pem())


def no_pair(tenant: Tenant) -> None:
    another = pair(rsa_key(1), name="another")
    _upload(tenant, another)
    tenant.prove_by_certificate(OWN().key_pem() + another.public_pem)


def certificate(tenant: Tenant) -> None:
    _upload(tenant, OWN())
    tenant.prove_by_certificate(OWN().pem())


def _upload(tenant: Tenant, uploaded: Pair) -> None:
    tenant.sandbox.entra.assertions.certificates.append(uploaded.certificate)


# Exchange Online


def registration_id(tenant: Tenant) -> None:
    tenant.sandbox.exchange.service_principal = tenant.sandbox.app.registration_id


def no_full_access(tenant: Tenant) -> None:
    tenant.box.full_access = False


def pop_off(tenant: Tenant) -> None:
    tenant.box.pop_enabled = False


def alias(tenant: Tenant) -> None:
    tenant.box.aliases.add("post@acme.example")
    tenant.addresses["invoices"] = "post@acme.example"


def no_mailbox(tenant: Tenant) -> None:
    tenant.addresses["invoices"] = "invoises@acme.example"


def throttled(tenant: Tenant) -> None:
    assert tenant.poll().code == 0
    tenant.sandbox.faults.add(Fault("LOGIN", AUTHENTICATION_FAILURE, times=None))


def not_connected(tenant: Tenant) -> None:
    tenant.box.not_connected = NotConnected.SAYS


def hangs_up_after_the_login(tenant: Tenant) -> None:
    tenant.box.not_connected = NotConnected.HANGS_UP


def says(text: str) -> Callable[[Tenant], None]:
    def arrange(tenant: Tenant) -> None:
        tenant.sandbox.faults.add(Fault("LOGIN", Refuse(text), mailbox="invoices@acme.example", times=None))

    return arrange


# People


def blocked(tenant: Tenant) -> None:
    tenant.sandbox.app.blocked = True


def refused(number: int) -> Callable[[Tenant], None]:
    def arrange(tenant: Tenant) -> None:
        tenant.sign_in()
        tenant.sandbox.sign_ins.refusals[PERSON] = number

    return arrange


def revoked(number: str) -> Callable[[Tenant], None]:
    def arrange(tenant: Tenant) -> None:
        tenant.sign_in()
        tenant.sandbox.sign_ins.revoke(PERSON, number)

    return arrange


# The way


def login_refused(tenant: Tenant) -> None:
    tenant.credential["authority"] = f"https://localhost:1/{tenant.sandbox.tenant_id}"


def login_dropped(tenant: Tenant) -> None:
    tenant.credential["authority"] = f"https://{DROPS}/{tenant.sandbox.tenant_id}"


def mail_refused(tenant: Tenant) -> None:
    tenant.mailbox["port"] = 1


def mail_dropped(tenant: Tenant) -> None:
    tenant.mailbox.update(host=DROPS, port=995)


def no_network(tenant: Tenant) -> None:
    """Names are looked up where no name server can be reached."""
    tenant.credential["authority"] = f"https://login.microsoftonline.com/{tenant.sandbox.tenant_id}"
    tenant.mailbox.update(host="outlook.office365.com", port=995)


def login_as_named_by_microsoft(tenant: Tenant) -> None:
    """The host has its real name, which has to lead to the sandbox."""
    tenant.credential["authority"] = tenant.sandbox.authority.replace("localhost", LOGIN_HOST)


def mail_as_named_by_microsoft(tenant: Tenant) -> None:
    tenant.mailbox["host"] = MAIL_HOST


def nothing(tenant: Tenant) -> None:
    assert tenant.boxes
