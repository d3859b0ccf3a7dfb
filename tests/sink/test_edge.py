"""What goes wrong with a sink's files, as the rest of the program meets it."""

from __future__ import annotations

import errno
import os

import pytest

from mailsluice.errors import SinkError, StagingGone
from mailsluice.files.error import FileError
from mailsluice.sink.edge import edge


@edge
def fail(error: Exception) -> None:
    raise error


def test_an_error_of_a_file_is_one_of_the_sink_with_the_same_words_and_remedy() -> None:
    with pytest.raises(SinkError, match=r"^/x is full$") as caught:
        fail(FileError("/x is full", "free it", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert caught.value.remedy == "free it"
    assert caught.value.exit_code == SinkError.outcome.exit_code


def test_one_for_want_of_a_right_has_the_exit_code_for_that() -> None:
    with pytest.raises(SinkError) as caught:
        fail(FileError("/x is denied", "allow it", PermissionError(errno.EACCES, "denied")))
    assert caught.value.exit_code == 77


@pytest.mark.parametrize("error", [StagingGone("gone"), ValueError("a bug")])
def test_any_other_error_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        fail(error)
    assert caught.value is error
