"""What `check` tells the administrator of a tenant in which something is wrong, from the command on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checking.situation import Situation, broken, values
from checking.situations import SITUATIONS
from mailsluice.checking.knocking.doors import PORTS
from mailsluice.diagnosis.causes import Cause
from mailsluice.diagnosis.facts import Door
from mailsluice_sandbox import Sandbox
from support.tenant import Tenant


def _named(name: str) -> Situation:
    (found,) = (each for each in SITUATIONS if each.name == name)
    return found


@pytest.fixture
def situation(request: pytest.FixtureRequest) -> Situation:
    found: Situation = request.param
    return found


@pytest.fixture
def tenant(situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    with broken(situation, tmp_path, monkeypatch) as tenant:
        yield tenant


@pytest.mark.parametrize("situation", SITUATIONS, indirect=True, ids=lambda each: each.name)
def test_the_causes_are_named_in_order_with_what_to_do_in_this_tenant(
    situation: Situation, tenant: Tenant
) -> None:
    for_programs = tenant.check("--json")
    (found, *_) = for_programs.json["mailboxes"]
    assert found["mailbox"] == "invoices"
    assert [cause["cause"] for cause in found["causes"]] == [cause.value for cause in situation.causes]
    assert found["certain"] is (len(situation.causes) == 1)
    assert found["step"] == situation.step
    assert found["exit_code"] == for_programs.code == situation.code

    for_people = tenant.check()
    told = "\n".join(for_people.conclusion)
    first_line = for_people.conclusion[0]
    assert for_people.code == situation.code
    assert f": {situation.step} " in first_line
    remedies = [words.format(**values(tenant)) for words in situation.told]
    assert (found["causes"][0]["means"] if situation.causes else remedies[0]) in first_line
    for remedy in remedies:
        assert remedy in told
    means = [cause["means"] for cause in found["causes"]]
    if len(means) > 1:
        assert (
            f". Probably {means[0]};" in first_line
            or f"One of {len(means)} causes: {means[0]};" in first_line
        )
        assert "ook in this order" in for_people.conclusion[1]
        assert "top at the first that fits" in for_people.conclusion[1]
        places = [told.index(f"{number}. If {meant}") for number, meant in enumerate(means, 1)]
        assert places == sorted(places)
    for of_another in tenant.others:
        assert of_another not in told + for_programs.stdout


def test_every_situation_has_a_name_of_its_own() -> None:
    assert len({each.name for each in SITUATIONS}) == len(SITUATIONS)


@pytest.mark.parametrize("situation", [_named("POP switched off for the mailbox")], indirect=True)
def test_a_mailbox_that_imap_opens_has_probably_pop_switched_off(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PORTS, Door.IMAP, tenant.sandbox.imap_port)
    tenant.sandbox.app.roles.append("IMAP.AccessAsApp")
    (found, _) = tenant.check("--imap", "--json").json["mailboxes"]
    assert found["causes"][0]["cause"] == Cause.DOOR_OFF
    assert found["causes"][0]["mend"] == [
        "Set-CASMailbox -Identity 'invoices@acme.example' -PopEnabled $true"
    ]


@pytest.mark.parametrize("situation", [_named("no FullAccess on this mailbox")], indirect=True)
def test_with_a_past_of_refusals_alone_it_is_the_same(tenant: Tenant) -> None:
    """A poll that failed before the check is no sign that it ever worked."""
    assert tenant.poll("invoices").code == 77
    (found,) = tenant.check("invoices", "--json").json["mailboxes"]
    assert found["causes"][0]["cause"] == Cause.NO_FULL_ACCESS
    assert "invoices was never let in, as far as this state directory knows" in found["known"]


@pytest.mark.parametrize("situation", [_named("no FullAccess on this mailbox")], indirect=True)
def test_one_mailbox_alone_is_judged_by_what_polls_showed_of_the_others(tenant: Tenant) -> None:
    assert tenant.poll("scans").code == 0
    (found,) = tenant.check("invoices", "--json").json["mailboxes"]
    assert Cause.NO_SERVICE_PRINCIPAL not in [cause["cause"] for cause in found["causes"]]
    assert "scans, which has the same credential, was let in less than a minute ago" in found["known"]


def test_what_was_mended_as_told_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with broken(
        _named("service principal made with the app registration's object id"), tmp_path, monkeypatch
    ) as t:
        (found, _) = t.check("--json").json["mailboxes"]
        (told,) = (line for line in found["causes"][0]["mend"] if line.startswith("New-ServicePrincipal"))
        t.sandbox.exchange.service_principal = told.partition("-ObjectId '")[2].partition("'")[0]
        assert t.check().code == 0


def test_two_tenants_with_the_same_fault_are_told_apart(tmp_path: Path) -> None:
    with Sandbox() as one, Sandbox() as other:
        here = Tenant(tmp_path, one)
        for sandbox in (one, other):
            sandbox.app.roles.clear()
        (tmp_path / "other").mkdir()
        here.neighbour = Tenant(tmp_path / "other", other)
        found = {box["mailbox"]: box for box in here.check("invoices", "far", "--json").json["mailboxes"]}
    for name, sandbox in (("invoices", one), ("far", other)):
        (cause,) = found[name]["causes"]
        assert sandbox.client_id in cause["page"]
