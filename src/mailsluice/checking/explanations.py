"""The explanations: what must be asked to explain an error.

Owns who signed a certificate that was not accepted, in which cloud a tenant is, and whether other servers can
be reached. Must never judge.
"""

from __future__ import annotations

from dataclasses import replace

from mailsluice.checking.clouds import Searched, found_in
from mailsluice.checking.knocking.doors import beside
from mailsluice.checking.means import Means
from mailsluice.checking.provider import endpoint_of
from mailsluice.checking.steps import State, Step
from mailsluice.checking.tried import Tried
from mailsluice.config.credentials import EntraCredential
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Door, Facts
from mailsluice.diagnosis.symptoms import symptom_of
from mailsluice.errors import (
    MailsluiceError,
    Obstacle,
    ServerError,
    ServerUntrusted,
    TokenError,
    TokenRefused,
)
from mailsluice.net.endpoint import Endpoint
from mailsluice.net.proxy import Direct


class Explanations:
    """What has to be asked to explain an error, each once for a whole check."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._issuers: dict[str, str] = {}
        self._clouds: dict[str, Searched] = {}

    def add(self, error: MailsluiceError, facts: Facts, one: Tried) -> Facts:
        """The facts, and what explains this error."""
        at_provider = error is one.way_in.error
        credential = self._means.config.credentials[one.mailbox.credential]
        if at_provider and isinstance(credential, EntraCredential):
            provider = endpoint_of(credential, self._means)
            facts = replace(facts, host=provider.host, port=provider.port)
        if isinstance(error, TokenRefused):
            facts = replace(facts, clock_ahead=error.clock_ahead)
            symptom = symptom_of(error)
            if symptom and Cause.WRONG_CLOUD in symptom.causes and isinstance(credential, EntraCredential):
                searched = self._cloud(one.mailbox.credential, credential)
                facts = replace(facts, found_in=searched.cloud, found_nowhere=searched.nowhere)
        if isinstance(error, ServerUntrusted) and error.obstacle is Obstacle.UNTRUSTED:
            facts = replace(facts, issuer=self._issuer(one, facts.door, at_provider=at_provider))
        if isinstance(error, ServerError | TokenError) and error.obstacle is not None:
            facts = replace(
                facts,
                others_reached=self._reached_another(f"{facts.host}:{facts.port}", error.obstacle),
                unused_proxy=self._unused_proxy(one, facts.door, at_provider=at_provider),
                of_proxy=error.remedy if error.obstacle is Obstacle.PROXY else "",
            )
        return facts

    def _unused_proxy(self, one: Tried, door: Door, *, at_provider: bool) -> str:
        """What to know of a proxy that the environment names, if none is used."""
        route = self._endpoint(one, door, at_provider=at_provider).route
        return route.hint if isinstance(route, Direct) else ""

    def _endpoint(self, one: Tried, door: Door, *, at_provider: bool) -> Endpoint:
        """The server that the error is about."""
        means = self._means
        credential = means.config.credentials[one.mailbox.credential]
        if at_provider and isinstance(credential, EntraCredential):
            return endpoint_of(credential, means)
        there = one.mailbox if door is Door.POP else beside(door, one.mailbox)
        return Endpoint(there.host, there.port, route=means.proxies.to_server(there))

    def _reached_another(self, server: str, obstacle: Obstacle) -> bool | None:
        """Whether another server was reached meanwhile; None if nothing is known from it.

        If all names were found, and the packets to all of these are dropped, then there is a network, and
        probably a firewall that lets nothing out but by a proxy.
        """
        others = [line for line in self._means.journal.lines if line.subject != server]
        connected = [line for line in others if line.step is Step.TCP]
        unnamed = [line for line in others if line.step is Step.DNS and line.state is not State.OK]
        if any(line.state is State.OK for line in connected):
            return True
        if unnamed:
            return False
        return False if connected and obstacle is not Obstacle.DROPPED else None

    def _cloud(self, name: str, credential: EntraCredential) -> Searched:
        if name not in self._clouds:
            with self._means.journal.step(f"credentials.{name}", Step.CAUSE) as note:
                found = self._clouds[name] = found_in(credential, self._means)
                note.say(_told(found))
        return self._clouds[name]

    def _issuer(self, one: Tried, door: Door, *, at_provider: bool) -> str:
        from mailsluice.net.presented import presented  # noqa: PLC0415  cryptography: only for this

        if door is Door.SMTP:  # it has to be asked for TLS first
            return ""
        means, endpoint = self._means, self._endpoint(one, door, at_provider=at_provider)
        name = str(endpoint)
        if name not in self._issuers:
            with means.journal.step(f"{endpoint.host}:{endpoint.port}", Step.CAUSE) as note:
                shown = presented(endpoint, means.clock)
                issuer = self._issuers[name] = shown.issuer if shown else ""
                note.say(
                    f"the certificate is signed by {issuer}" if issuer else "it shows no certificate now"
                )
        return self._issuers[name]


def _told(found: Searched) -> str:
    if found.cloud:
        return f"the cloud {found.cloud} has this tenant"
    return "no other cloud has this tenant" if found.nowhere else "nobody says whether another cloud has it"
