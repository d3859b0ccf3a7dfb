"""When a token that a server refused is dropped: it costs a request, and mostly it is the mailbox's fault."""

from __future__ import annotations

import pytest

from auth.hand_clock import HandClock
from auth.hand_source import HandSource, outage
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.errors import TokenUnavailable

MINUTE = 60.0
DAY = 86_400.0


@pytest.fixture
def source() -> HandSource:
    return HandSource()


@pytest.fixture
def cache(source: HandSource, clock: HandClock) -> TokenCache:
    return TokenCache(source, clock, draw=lambda: 0.5)


def test_an_old_token_that_let_nobody_in_is_replaced_once(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += 5 * MINUTE
    for _ in range(16):
        cache.refused("canary-token-1")
    assert [cache.token() for _ in range(3)] == ["canary-token-2"] * 3
    cache.refused("canary-token-1")
    cache.refused("canary-token-2")
    assert cache.token() == "canary-token-2"
    assert source.asked == 2


def test_a_refusal_of_the_token_before_does_not_drop_the_one_held(
    cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += 45 * MINUTE
    cache.token()
    clock.seconds += 5 * MINUTE
    cache.refused("canary-token-1")
    assert cache.token() == "canary-token-2"


def test_a_young_token_is_kept_though_a_server_refused_it(cache: TokenCache, clock: HandClock) -> None:
    cache.token()
    clock.seconds += 5 * MINUTE - 1
    cache.refused("canary-token-1")
    assert cache.token() == "canary-token-1"


def test_of_two_hundred_mailboxes_one_without_access_costs_no_request(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    for _ in range(40):  # for less than the life of a token; the one without access comes first each time
        cache.refused(cache.token())
        for _ in range(199):
            cache.accepted(cache.token())
        clock.seconds += MINUTE
    assert source.asked == 1


def test_so_it_is_where_mailboxes_are_polled_seldom(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    source.lifetime = DAY
    for _ in range(8):
        cache.refused(cache.token())
        cache.accepted(cache.token())
        clock.seconds += 60 * MINUTE
    assert source.asked == 1


def test_a_token_that_let_somebody_in_once_is_not_believed_for_ever(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    """A managed identity's token lives for a day, by a clock that was wrong."""
    source.lifetime = DAY
    cache.accepted(cache.token())
    clock.seconds += 60 * MINUTE
    for _ in range(15):
        cache.refused(cache.token())
        assert source.asked == 1
        clock.seconds += MINUTE
    cache.refused(cache.token())
    assert cache.token() == "canary-token-2"


def test_who_is_let_in_meanwhile_ends_the_doubt(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    source.lifetime = DAY
    cache.accepted(cache.token())
    for _ in range(10):
        clock.seconds += 10 * MINUTE
        cache.refused(cache.token())
        clock.seconds += 1
        cache.accepted(cache.token())
    assert source.asked == 1


def test_a_token_of_before_that_lets_somebody_in_says_nothing_of_the_one_held(
    cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += 45 * MINUTE
    cache.token()
    cache.accepted("canary-token-1")
    clock.seconds += 5 * MINUTE
    cache.refused("canary-token-2")
    assert cache.token() == "canary-token-3"


def test_a_dropped_token_does_not_stand_in_for_a_failure(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += 5 * MINUTE
    cache.refused("canary-token-1")
    source.answer = outage
    with pytest.raises(TokenUnavailable):
        cache.token()
