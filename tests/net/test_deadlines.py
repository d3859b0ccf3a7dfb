from __future__ import annotations

from mailsluice.net.deadlines import Patience


def test_patience_wears_off_with_waiting() -> None:
    patience = Patience(10)
    patience.spend(4, 1_000_000)
    assert patience.left == 6


def test_at_a_good_pace_patience_begins_anew() -> None:
    patience = Patience(10, per_octets=100)
    patience.spend(9, 99)
    assert patience.left == 1
    patience.spend(0, 1)
    assert patience.left == 10


def test_a_trickle_does_not_renew_patience() -> None:
    patience = Patience(10, per_octets=100)
    for _ in range(10):
        patience.spend(1, 9)
    assert patience.left == 0
