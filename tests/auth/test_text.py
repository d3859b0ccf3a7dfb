from __future__ import annotations

import pytest

from mailsluice.auth.text import doubts, tidied, without_line_end

GUID = "11111111-aaaa-BBBB-1111-111111111111"


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        ("canary", ()),
        ("canary\n", ("the line end after it",)),
        ("canary\r\n", ("the line end after it",)),
        ("canary\n\n", ("line ends after it",)),
        ("\r\ncanary", ("line ends before it",)),
        ("\ufeffcanary", ("a byte order mark before it",)),
        (
            "\ufeff\ncanary\n",
            ("a byte order mark before it", "line ends before it", "the line end after it"),
        ),
    ],
)
def test_what_editors_put_around_a_secret_is_removed_and_named(text: str, removed: tuple[str, ...]) -> None:
    tidy = tidied(text)
    assert (tidy.text, tidy.removed) == ("canary", removed)


def test_lines_and_blanks_within_stay() -> None:
    assert tidied(" canary\r\n lines \n").text == " canary\r\n lines "


def test_a_tidied_secret_is_not_shown() -> None:
    assert "canary" not in repr(tidied("canary"))


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        (" canary", "blanks"),
        ("canary\t", "blanks"),
        ("canary\xa0", "blanks"),
        ("canary \n", "blanks"),
        ('"canary"', "quotes"),
        ("'canary'", "quotes"),
        ("`canary`", "quotes"),
        ("\u201ccanary\u201d", "quotes"),
        ("\u201ecanary\u201c", "quotes"),
        ("\ufeffcanary", "byte order mark"),
        ("c\0a\0n\0a\0r\0y\0", "zeros"),
        (GUID, "ID of a client secret"),
    ],
)
def test_what_is_probably_a_mistake_is_doubted(text: str, doubt: str) -> None:
    (found,) = doubts(text, is_client_secret=True)
    assert doubt in found
    assert "canary" not in found


@pytest.mark.parametrize("text", ["canary", "can ary", 'can"ary', '"canary', '"', "~canary.Q-_", "canary\n"])
def test_a_usual_secret_is_not_doubted(text: str) -> None:
    assert doubts(text, is_client_secret=True) == []


def test_a_guid_is_a_secret_like_any_other_unless_entra_made_it() -> None:
    assert doubts(GUID, is_client_secret=False) == []


def test_several_mistakes_are_all_named() -> None:
    assert len(doubts(f' "{GUID}"', is_client_secret=True)) == 2


@pytest.mark.parametrize(("text", "left"), [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a\r", "a\r")])
def test_one_line_end_of_a_file_is_no_part_of_its_secret(text: str, left: str) -> None:
    assert without_line_end(text) == left
