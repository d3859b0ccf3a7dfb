from __future__ import annotations

import json
from typing import Any

import pytest

from mailsluice.auth.tokens.kept import Kept, NotKept, Quiet

QUIET = Quiet(5.0, 90.0, "too often", "wait")
KEPT = Kept("canary-token", 1.0, 3600.0, 2700.0, 3.0, 4.0, QUIET)


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(KEPT.encode()) | fields)


@pytest.mark.parametrize("kept", [KEPT, Kept(), Kept(quiet=QUIET)])
def test_what_is_kept_comes_back(kept: Kept) -> None:
    assert Kept.decode(kept.encode()) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        changed(token="canary token"),
        changed(token=["canary"]),
        changed(lifetime=86_401.0, renew=1.0),
        changed(lifetime=100.0),
        changed(renew=-1.0),
        changed(asked=float("nan")),
        changed(asked=float("inf")),
        changed(asked=10**400),
        changed(asked=True),
        changed(asked="1"),
        changed(more=1.0),
        changed(quiet=[]),
        changed(quiet={"since": 1.0}),
        changed(quiet={"since": 1.0, "seconds": 901.0, "said": "", "remedy": ""}),
        changed(quiet={"since": 1.0, "seconds": 1.0, "said": "\x1b", "remedy": ""}),
        changed(quiet={"since": 1.0, "seconds": 1.0, "said": "x" * 4001, "remedy": ""}),
    ],
    ids=lambda text: text[:150],
)
def test_what_cannot_be_true_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(NotKept) as caught:
        Kept.decode(text)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_no_token_shows_in_a_repr() -> None:
    assert "canary" not in repr(KEPT)
