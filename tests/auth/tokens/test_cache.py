"""One token for all who need it: asked for once, renewed early, used to its end. No network, no sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from auth.hand_clock import HandClock
from auth.hand_source import HandSource, barred, outage, refusal, throttled
from mailsluice.auth.sources.source import Token
from mailsluice.auth.tokens.cache import TokenCache
from mailsluice.errors import Obstacle, SecretError, TokenBarred, TokenRefused, TokenUnavailable

RENEWAL = 2700.0
"""Seconds: three quarters of an hour."""
LAST_USE = 3480.0
"""Seconds: two minutes before the hour is over."""


@pytest.fixture
def source() -> HandSource:
    return HandSource()


@pytest.fixture
def cache(source: HandSource, clock: HandClock) -> TokenCache:
    return TokenCache(source, clock, draw=lambda: 0.5)


def all_at_once(ask: Callable[[], str], threads: int = 16) -> list[str]:
    barrier = threading.Barrier(threads)

    def wait_and_ask() -> str:
        barrier.wait()
        return ask()

    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(wait_and_ask) for _ in range(threads)]]


class Held:
    """An answer that comes when the test lets it go on."""

    def __init__(self, answer: Callable[[], Token]) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._answer = answer

    def __call__(self) -> Token:
        self.begun.set()
        assert self.go_on.wait(10)
        return self._answer()


def test_the_token_held_is_handed_out_until_it_is_renewed(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += RENEWAL - 1
    assert cache.token() == "canary-token-1"
    assert source.asked == 1


def test_a_token_is_renewed_after_three_quarters_of_its_life(cache: TokenCache, clock: HandClock) -> None:
    cache.token()
    clock.seconds += RENEWAL
    assert cache.token() == "canary-token-2"


@pytest.mark.parametrize(("drawn", "renewal"), [(0.0, 2520.0), (1.0, 2880.0)])
def test_when_exactly_a_token_is_renewed_is_drawn_so_that_many_do_not_ask_together(
    source: HandSource, clock: HandClock, drawn: float, renewal: float
) -> None:
    cache = TokenCache(source, clock, draw=lambda: drawn)
    cache.token()
    clock.seconds += renewal - 1
    assert cache.token() == "canary-token-1"
    clock.seconds += 1
    assert cache.token() == "canary-token-2"


def test_credentials_that_began_together_are_renewed_over_minutes(clock: HandClock) -> None:
    sources = [HandSource() for _ in range(200)]
    caches = [TokenCache(source, clock) for source in sources]
    for cache in caches:
        cache.token()
    renewals: list[int] = []
    for _ in range(60):
        clock.seconds += 60
        for cache in caches:
            cache.token()
        renewals.append(sum(source.asked - 1 for source in sources) - sum(renewals))
    assert sum(renewals) == 200
    assert max(renewals) < 70


def test_the_life_of_a_token_counts_from_before_it_was_asked_for(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    def slow() -> Token:
        clock.seconds += 50
        return source.token()

    source.answer = slow
    cache.token()
    clock.seconds += RENEWAL - 50
    assert cache.token() == "canary-token-2"


def test_a_token_whose_life_nobody_knows_is_used_once(source: HandSource, cache: TokenCache) -> None:
    source.lifetime = 0.0
    assert [cache.token(), cache.token()] == ["canary-token-1", "canary-token-2"]


def test_a_token_whose_life_nobody_knows_does_not_stand_in_for_a_failure(
    source: HandSource, cache: TokenCache
) -> None:
    source.lifetime = 0.0
    cache.token()
    source.answer = outage
    with pytest.raises(TokenUnavailable):
        cache.token()


class WatchedClock(HandClock):
    """Tells when so many threads have looked at it."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.all_looked = threading.Event()
        self._threads = threads
        self._seen: set[int] = set()

    def monotonic(self) -> float:
        self._seen.add(threading.get_ident())
        if len(self._seen) == self._threads:
            self.all_looked.set()
        return super().monotonic()


def test_sixteen_threads_make_one_request(source: HandSource) -> None:
    clock = WatchedClock(threads=16)
    cache = TokenCache(source, clock)

    def answer() -> Token:
        assert clock.all_looked.wait(10)  # each of them has found that there is no token
        return source.token()

    source.answer = answer
    assert set(all_at_once(cache.token)) == {"canary-token-1"}
    assert source.asked == 1


def test_those_who_wait_for_a_request_share_its_failure(source: HandSource, cache: TokenCache) -> None:
    source.answer = refusal

    def ask() -> str:
        with pytest.raises(TokenRefused) as caught:
            cache.token()
        return f"{caught.value}: {caught.value.remedy}"

    assert set(all_at_once(ask)) == {"no: ask somebody"}
    assert source.asked == 1


def test_each_who_shares_a_failure_gets_an_error_of_its_own(source: HandSource, cache: TokenCache) -> None:
    source.answer = refusal
    errors = set()
    for _ in range(3):
        with pytest.raises(TokenRefused) as caught:
            cache.token()
        errors.add(caught.value)
    assert len(errors) == 3


def test_who_shares_a_failure_gets_all_that_it_says(source: HandSource, cache: TokenCache) -> None:
    def refusal() -> NoReturn:
        raise TokenRefused("no", remedy="ask", denied=True, said="AADSTS700024", clock_ahead=600.0)

    source.answer = refusal
    for _ in range(2):
        with pytest.raises(TokenRefused) as caught:
            cache.token()
        refused = caught.value
        assert (str(refused), refused.remedy, refused.denied) == ("no", "ask", True)
        assert (refused.said, refused.clock_ahead) == ("AADSTS700024", 600.0)
    assert source.asked == 1


def test_who_shares_an_outage_is_told_what_stood_in_the_way(source: HandSource, cache: TokenCache) -> None:
    def outage() -> NoReturn:
        raise TokenUnavailable("down", said="AADSTS90033", obstacle=Obstacle.DROPPED)

    source.answer = outage
    for _ in range(2):
        with pytest.raises(TokenUnavailable) as caught:
            cache.token()
        assert (caught.value.said, caught.value.obstacle) == ("AADSTS90033", Obstacle.DROPPED)
    assert source.asked == 1


def test_the_failure_that_is_kept_has_no_traceback_whose_frames_know_the_secret(
    source: HandSource, cache: TokenCache
) -> None:
    source.answer = refusal
    with pytest.raises(TokenRefused):
        cache.token()
    assert cache._failure is not None
    assert cache._failure.error.__traceback__ is None


def test_while_one_thread_renews_the_others_use_the_good_token(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    cache.token()
    clock.seconds += RENEWAL
    source.answer = held = Held(source.token)
    with ThreadPoolExecutor(1) as pool:
        renewal = pool.submit(cache.token)
        assert held.begun.wait(10)
        assert cache.token() == "canary-token-1"
        held.go_on.set()
        assert renewal.result() == "canary-token-2"


def test_nobody_waits_for_ever_for_a_thread_that_asks(source: HandSource, clock: HandClock) -> None:
    cache = TokenCache(source, clock, patience=0.1)
    source.answer = held = Held(source.token)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.token)
        assert held.begun.wait(10)
        with pytest.raises(TokenUnavailable, match="no token by hand: another poll has been asking"):
            cache.token()
        held.go_on.set()
        assert first.result() == "canary-token-1"
    assert cache.token() == "canary-token-1"


@pytest.mark.parametrize(("answer", "error"), [(outage, TokenUnavailable), (refusal, TokenRefused)])
def test_a_good_token_is_used_to_its_end_though_no_other_is_to_be_had(
    source: HandSource,
    cache: TokenCache,
    clock: HandClock,
    answer: Callable[[], Token],
    error: type[Exception],
) -> None:
    cache.token()
    source.answer = answer
    clock.seconds += LAST_USE - 1
    assert cache.token() == "canary-token-1"
    assert source.asked == 2
    clock.seconds += 1
    with pytest.raises(error):
        cache.token()


def test_a_good_token_is_used_to_its_end_though_the_secret_is_gone(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    def missing() -> Token:
        raise SecretError("keyring:acme: the keyring has no secret of that name")

    cache.token()
    source.answer = missing
    clock.seconds += LAST_USE - 1
    assert cache.token() == "canary-token-1"
    clock.seconds += 1
    with pytest.raises(SecretError):
        cache.token()


def test_a_failure_answers_for_five_seconds(source: HandSource, cache: TokenCache, clock: HandClock) -> None:
    source.answer = refusal
    with pytest.raises(TokenRefused):
        cache.token()
    source.answer = source.token
    clock.seconds += 4.9
    with pytest.raises(TokenRefused):
        cache.token()
    clock.seconds += 0.1
    assert cache.token() == "canary-token-2"


def test_nobody_asks_again_for_as_long_as_the_provider_said(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    source.answer = throttled
    for later in (0, 89):
        clock.seconds += later
        with pytest.raises(TokenUnavailable, match="too often"):
            cache.token()
    assert source.asked == 1
    source.answer = source.token
    clock.seconds += 1
    assert cache.token() == "canary-token-2"


def test_nobody_keeps_quiet_for_longer_than_a_quarter_of_an_hour(
    source: HandSource, cache: TokenCache, clock: HandClock
) -> None:
    def for_a_day() -> Token:
        raise TokenUnavailable("too often", retry_after=86_400)

    source.answer = for_a_day
    with pytest.raises(TokenUnavailable):
        cache.token()
    source.answer = source.token
    clock.seconds += 899
    with pytest.raises(TokenUnavailable):
        cache.token()
    clock.seconds += 1
    assert cache.token() == "canary-token-2"


def test_a_secret_that_was_missing_is_looked_for_again_at_once(source: HandSource, cache: TokenCache) -> None:
    def missing() -> Token:
        raise SecretError("keyring:acme: the keyring has no secret of that name")

    source.answer = missing
    with pytest.raises(SecretError):
        cache.token()
    source.answer = source.token
    assert cache.token() == "canary-token-2"


def test_a_bug_in_a_source_is_not_disguised_and_does_not_block_the_next(
    source: HandSource, cache: TokenCache
) -> None:
    def wrong() -> Token:
        raise ZeroDivisionError

    source.answer = wrong
    with pytest.raises(ZeroDivisionError):
        cache.token()
    source.answer = source.token
    assert cache.token() == "canary-token-2"


def test_a_refusal_of_the_former_secret_is_forgotten_when_it_is_renewed(
    source: HandSource, cache: TokenCache
) -> None:
    source.answer = refusal
    with pytest.raises(TokenRefused):
        cache.token()
    source.answer = source.token
    cache.forget_refusal()
    assert cache.token() == "canary-token-2"


def test_a_proxy_that_barred_the_way_is_asked_again_when_its_password_is_renewed(
    source: HandSource, cache: TokenCache
) -> None:
    source.answer = barred
    with pytest.raises(TokenBarred):
        cache.token()
    source.answer = source.token
    cache.forget_refusal()
    assert cache.token() == "canary-token-2"


def test_a_refusal_that_was_on_its_way_when_the_secret_was_renewed_is_not_remembered(
    source: HandSource, cache: TokenCache
) -> None:
    source.answer = held = Held(refusal)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.token)
        assert held.begun.wait(10)
        cache.forget_refusal()
        held.go_on.set()
        assert isinstance(first.exception(), TokenRefused)
    source.answer = source.token
    assert cache.token() == "canary-token-2"


def test_a_token_that_is_forgotten_is_asked_for_anew(source: HandSource, cache: TokenCache) -> None:
    assert cache.token() == "canary-token-1"
    cache.forget_token()
    assert cache.token() == "canary-token-2"


def test_a_provider_that_wants_to_be_left_alone_is_left_alone_whatever_secret_is_set(
    source: HandSource, cache: TokenCache
) -> None:
    source.answer = throttled
    with pytest.raises(TokenUnavailable):
        cache.token()
    cache.forget_refusal()
    with pytest.raises(TokenUnavailable):
        cache.token()
    assert source.asked == 1


def test_no_token_shows_in_a_repr(cache: TokenCache) -> None:
    cache.token()
    assert "canary" not in repr(vars(cache))
