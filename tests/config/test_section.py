from __future__ import annotations

import pytest
from pydantic import ValidationError

from mailsluice.config.section import Section


class Table(Section):
    seconds: int


def test_a_key_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValidationError, match="seconds_"):
        Table.model_validate({"seconds": 1, "seconds_": 2})


def test_a_value_of_another_type_is_not_converted() -> None:
    with pytest.raises(ValidationError, match="valid integer"):
        Table.model_validate({"seconds": "1"})


def test_an_error_does_not_repeat_the_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Table.model_validate({"seconds": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_table_is_not_changed_after_it_was_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Table(seconds=1).seconds = 2  # type: ignore[misc]
