from __future__ import annotations

import pytest

from mailsluice.auth.sources.source import problem


@pytest.mark.parametrize("token", ["x", "canary.canary-canary_~+/=", "c" * 65535])
def test_visible_ascii_is_a_token(token: str) -> None:
    assert problem(token) == ""


@pytest.mark.parametrize(
    "token", ["", "canary canary", "canary\ncanary", "canary\x01", "canary\x7f", "canáry", "c" * 65536]
)
def test_anything_else_is_none_and_is_not_repeated(token: str) -> None:
    assert problem(token)
    assert "can" not in problem(token)
