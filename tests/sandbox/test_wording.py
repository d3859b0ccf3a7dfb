from __future__ import annotations

import json

import pytest

from mailsluice_sandbox import Sandbox
from mailsluice_sandbox.wording import WORDINGS


@pytest.fixture(scope="module")
def tenant() -> Sandbox:
    with Sandbox() as sandbox:
        return sandbox


@pytest.mark.parametrize("number", WORDINGS)
def test_a_refusal_says_its_number_its_error_and_its_text(tenant: Sandbox, number: int) -> None:
    values = {name: f"<{name}>" for name in ("grant", "scope", "resource", "issued", "now")}
    reply = tenant.entra.refuse(number, **values)
    answer = json.loads(reply.body)
    wording = WORDINGS[number]
    assert (reply.status, answer["error"], answer["error_codes"]) == (wording.status, wording.error, [number])
    assert answer.get("suberror", "") == wording.suberror
    assert answer["error_description"].startswith(f"AADSTS{number}: {wording.text.partition('{')[0]}")
    assert "{" not in answer["error_description"]


def test_the_values_of_a_refusal_are_shown_as_they_came(tenant: Sandbox) -> None:
    assert b"Tenant '{0}' not found." in tenant.entra.refuse(90002, tenant="{0}").body
