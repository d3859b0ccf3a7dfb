from __future__ import annotations

import pytest

from support.skipping import skip_or_fail


def test_elsewhere_a_test_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="no such thing here"):
        skip_or_fail("no such thing here")


def test_in_ci_it_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="no such thing here"):
        skip_or_fail("no such thing here")
