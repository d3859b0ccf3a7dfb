"""The manual: the pages, and parts of pages, that are made of the same data as what the program says.

Owns docs/setup-tenant.md, and the tables of symptoms in docs/operations.md. `make generated` writes them, and
tests hold them equal. Must never say what no other module of this package says, except to lead to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailsluice.config.credentials import HOSTS, LOGIN_HOSTS, Way
from mailsluice.diagnosis.clouds import PLACES
from mailsluice.diagnosis.facts import Access
from mailsluice.diagnosis.tenant.guide import steps
from mailsluice.diagnosis.tenant.layout import markdown, paragraph, table
from mailsluice.diagnosis.tenant.setup import EXAMPLE, Setup

_HEAD = (
    "`mailsluice check --guide` prints these steps, filled in with what your configuration says: the "
    "tenant, the mailboxes, the hosts, the proxy. [sign-in.md](sign-in.md) has all ways to sign in, and "
    "which to choose. Afterwards, `mailsluice check` tells what is missing."
)
_INTRO = (
    "The steps below are for an application with a certificate or a client secret, in the worldwide "
    "cloud. What is different [in other ways](#other-ways) and [in other clouds](#other-clouds) comes "
    "after them. Replace what is in angle brackets."
)
_WAYS = (
    (
        "Managed identity",
        Way.MANAGED_IDENTITY,
        "For a machine in Azure. There is nothing to register and no secret.",
    ),
    ("Federated identity", Way.ASSERTION, "For a workload for which something else vouches."),
    ("A person", Way.DEVICE_CODE, "The application acts in the name of a person who signs in."),
)
_WAYS_HEAD = "Only the steps that differ are here. All others are as above."
_CLOUDS_HEAD = (
    "`cloud` in the credential's section chooses one. A firewall must let through its two hosts (ports "
    "443 and 995). IMAP is on the host for mail, too (port 993)."
)


def setup_page() -> str:
    """The whole of docs/setup-tenant.md. Commands of ours are spelled as for this process."""
    return "\n".join(
        [
            "# Setting up a tenant\n",
            paragraph(_HEAD) + "\n",
            paragraph(_INTRO) + "\n",
            markdown(steps(Setup())),
            "## Other ways\n",
            paragraph(_WAYS_HEAD) + "\n",
            *_other_ways(),
            "## Other clouds\n",
            paragraph(_CLOUDS_HEAD) + "\n",
            _clouds(),
        ]
    )


def _other_ways() -> Iterator[str]:
    usual = {*steps(Setup()), *steps(Setup(Access(EXAMPLE, Way.CERTIFICATE)))}
    for title, way, intro in _WAYS:
        different = [step for step in steps(Setup(Access(EXAMPLE, way))) if step not in usual]
        yield f"### {title}\n"
        yield paragraph(intro) + "\n"
        yield markdown(different, numbered=False, level=4)


def _clouds() -> str:
    head = ("cloud", "`cloud`", "host for tokens", "host for mail", "SMTP", "portal", "PowerShell")
    rows = (
        (
            place.title,
            f"`{cloud}`",
            LOGIN_HOSTS[cloud],
            HOSTS[cloud],
            place.smtp,
            place.portal,
            f"`{place.connect}`",
        )
        for cloud, place in PLACES.items()
    )
    return table(head, rows) + "\n"
