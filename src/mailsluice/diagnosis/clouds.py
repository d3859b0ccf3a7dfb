"""The clouds: where each of Microsoft's clouds has its portal, its servers, and its PowerShell.

Owns these names for people. What the program itself connects to is in `config.credentials`. Must never guess
a name: each is that of a manual of Microsoft's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailsluice.config.credentials import Cloud


@dataclass(frozen=True, slots=True)
class Place:
    """What a cloud is called in Microsoft's tools.

    `title` is its name for people. `portal` is the Entra admin center. `exchange` and `graph` are the names
    of the cloud for `Connect-ExchangeOnline` and `Connect-MgGraph`; empty where they need none. `smtp` is the
    host for sending mail. `audience` is what a federated credential is for.
    """

    title: str
    portal: str
    exchange: str
    graph: str
    smtp: str
    audience: str = "api://AzureADTokenExchange"

    @property
    def connect(self) -> str:
        """The line that opens Exchange Online's PowerShell."""
        option = f" -ExchangeEnvironmentName {self.exchange}" if self.exchange else ""
        return f"Connect-ExchangeOnline{option}"

    @property
    def graph_option(self) -> str:
        """What chooses the cloud for `Connect-MgGraph`."""
        return f" -Environment {self.graph}" if self.graph else ""


_US_AUDIENCE = "api://AzureADTokenExchangeUSGov"

PLACES: Mapping[Cloud, Place] = {
    "worldwide": Place(
        "Worldwide, and GCC",
        portal="https://entra.microsoft.com",
        exchange="",
        graph="",
        smtp="smtp.office365.com",
    ),
    "gcc-high": Place(
        "GCC High",
        portal="https://entra.microsoft.us",
        exchange="O365USGovGCCHigh",
        graph="USGov",
        smtp="outlook.office365.us",
        audience=_US_AUDIENCE,
    ),
    "dod": Place(
        "DoD",
        portal="https://entra.microsoft.us",
        exchange="O365USGovDoD",
        graph="USGovDoD",
        smtp="outlook-dod.office365.us",
        audience=_US_AUDIENCE,
    ),
    "china": Place(
        "China (21Vianet)",
        portal="https://entra.microsoftonline.cn",
        exchange="O365China",
        graph="China",
        smtp="smtp.partner.outlook.cn",
        audience="api://AzureADTokenExchangeChina",
    ),
}
"""What is different in each cloud: the manuals of Connect-ExchangeOnline and Get-MgEnvironment, and
Microsoft's lists of endpoints."""
