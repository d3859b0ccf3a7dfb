"""How often a credential is tried again at once because its secret was renewed."""

from __future__ import annotations

import pytest

from mailsluice.polling.second_tries import MOST, WITHIN, SecondTries


@pytest.fixture
def tries() -> SecondTries:
    return SecondTries()


def test_a_refused_credential_is_tried_once_for_a_renewal(tries: SecondTries) -> None:
    tries.renewed(["acme"], 10.0)
    assert tries.due({"acme"}, 10.0) == ["acme"]
    assert tries.due({"acme"}, 11.0) == []


def test_a_credential_that_works_needs_no_second_try(tries: SecondTries) -> None:
    tries.renewed(["acme"], 10.0)
    assert tries.due(set(), 10.0) == []
    assert tries.due({"acme"}, 11.0) == []  # refused later, and for another reason


def test_a_second_secret_for_a_mistyped_one_is_tried_at_once(tries: SecondTries) -> None:
    for second in range(MOST):
        tries.renewed(["acme"], float(second))
        assert tries.due({"acme"}, float(second)) == ["acme"]


def test_a_script_that_renews_each_second_causes_few_tries(tries: SecondTries) -> None:
    tried = 0
    for second in range(3600):
        tries.renewed(["acme"], float(second))
        tried += len(tries.due({"acme"}, float(second)))
    assert tried <= MOST * (3600 / WITHIN)


def test_what_is_renewed_too_often_is_tried_later_and_not_forgotten(tries: SecondTries) -> None:
    for second in range(MOST + 1):
        tries.renewed(["acme"], float(second))
        tries.due({"acme"}, float(second))
    assert tries.due({"acme"}, WITHIN - 1) == []
    assert tries.due({"acme"}, WITHIN) == ["acme"]
    assert tries.due({"acme"}, WITHIN + 1) == []


def test_one_credential_does_not_use_up_the_tries_of_another(tries: SecondTries) -> None:
    for second in range(10):
        tries.renewed(["acme"], float(second))
        tries.due({"acme", "other"}, float(second))
    tries.renewed(["other"], 10.0)
    assert tries.due({"acme", "other"}, 10.0) == ["other"]


def test_a_poll_with_the_former_secret_that_is_refused_later_is_tried_again(tries: SecondTries) -> None:
    tries.renewed(["acme"], 10.0)
    assert tries.due(set(), 10.0) == []
    assert tries.refused("acme", began=9.0) is False
    assert tries.due({"acme"}, 12.0) == ["acme"]


def test_polls_that_began_before_a_try_belong_to_it(tries: SecondTries) -> None:
    """Two hundred mailboxes that end one after another must not use up the tries."""
    tries.renewed(["acme"], 10.0)
    tries.due({"acme"}, 10.0)
    assert tries.refused("acme", began=9.0) is True
    assert tries.refused("acme", began=10.5) is False
    assert tries.due({"acme"}, 12.0) == []
