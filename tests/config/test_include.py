from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.load import load
from mailsluice.errors import ConfigurationError
from support.users import common_ground, unprivileged

Write = Callable[..., Path]
Told = Callable[[str], list[str]]

MAILBOX = "[mailboxes.{0}]\naddress = '{0}@acme.example'\ncredential = 'acme'\nsink = {{ kind = 'spool', path = '/s' }}\n"


def test_mailboxes_and_credentials_come_from_included_files(write: Write, whole: str) -> None:
    write(MAILBOX.format("b"), "mailboxes.d/b.toml")
    write(
        "[credentials.c]\nkind = 'command'\ncommand = ['/bin/c']\n" + MAILBOX.format("a"),
        "mailboxes.d/a.toml",
    )
    config = load(write('include = ["mailboxes.d/*.toml"]\n' + whole))
    assert list(config.mailboxes) == ["invoices", "a", "b"]
    assert list(config.credentials) == ["acme", "c"]


def test_the_configuration_knows_its_files_the_main_one_first(write: Write, whole: str) -> None:
    included = write(MAILBOX.format("b"), "mailboxes.d/b.toml")
    main = write('include = ["mailboxes.d/*.toml"]\n' + whole)
    assert load(main).files == (main, included)


def test_the_path_is_relative_to_the_file_not_to_the_working_directory(
    write: Write, whole: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(MAILBOX.format("b"), "etc/b.toml")
    main = write('include = ["b.toml"]\n' + whole, "etc/mailsluice.toml")
    monkeypatch.chdir(tmp_path)
    assert "b" in load(main).mailboxes
    assert "b" in load(Path("etc/mailsluice.toml")).mailboxes


def test_an_absolute_pattern_is_taken_as_it_is(write: Write, whole: str, tmp_path: Path) -> None:
    write(MAILBOX.format("b"), "elsewhere/b.toml")
    assert "b" in load(write(f'include = ["{tmp_path}/elsewhere/*.toml"]\n' + whole)).mailboxes


def test_a_file_that_two_patterns_mean_is_read_once_and_the_file_itself_never(
    write: Write, whole: str
) -> None:
    write(MAILBOX.format("b"), "b.toml")
    assert len(load(write('include = ["b.toml", "*.toml"]\n' + whole)).mailboxes) == 2


def test_a_pattern_may_match_nothing_and_is_warned_of(write: Write, whole: str, tmp_path: Path) -> None:
    write(MAILBOX.format("b"), "there.d/b.toml")
    config = load(write('include = ["there.d/*.toml", "mailboxes.d/*.toml"]\n' + whole))
    assert list(config.mailboxes) == ["invoices", "b"]
    (warning,) = config.warnings
    assert warning.what == (
        f"{tmp_path}/mailsluice.toml: include: no file matches {tmp_path}/mailboxes.d/*.toml"
    )


def test_a_pattern_that_matches_what_another_matched_is_not_warned_of(write: Write, whole: str) -> None:
    write(MAILBOX.format("b"), "b.toml")
    assert load(write('include = ["b.toml", "?.toml"]\n' + whole)).warnings == ()


@pytest.mark.parametrize(
    ("pattern", "mode"),
    [
        ("dark/*.toml", 0),
        ("dark/*.toml", 0o311),
        ("dark/b.tom[l]", 0o311),
        ("*/b.toml", 0),
        ("*/b.toml", 0o644),
        ("dark/*/*.toml", 0o311),
        ("d*/x/*.toml", 0),
    ],
)
def test_a_directory_that_cannot_be_looked_into_is_named(whole: str, pattern: str, mode: int) -> None:
    with common_ground() as ground:
        main, dark = ground / "mailsluice.toml", ground / "dark"
        main.write_text(f'include = ["{pattern}"]\n{whole}')
        dark.mkdir()
        (dark / "b.toml").write_text(MAILBOX.format("b"))
        dark.chmod(mode)
        try:
            with unprivileged(), pytest.raises(ConfigurationError) as caught:
                load(main)
        finally:
            dark.chmod(0o755)
    (line,) = caught.value.mistakes
    assert line == (f"{dark}: cannot be searched: Permission denied")


def test_a_file_named_outright_must_be_there(mistakes: Told, whole: str) -> None:
    assert mistakes('include = ["b.toml"]\n' + whole) == ["b.toml: there is no such file"]


@pytest.mark.parametrize("value", ['"mailboxes.d/*.toml"', "[1]", "true"])
def test_include_is_a_list_of_patterns(mistakes: Told, whole: str, value: str) -> None:
    (line,) = mistakes(f"include = {value}\n{whole}")
    assert line == 'mailsluice.toml: include: must be a list of strings, such as ["mailboxes.d/*.toml"]'


def test_a_pattern_with_a_nul_in_it_is_named(mistakes: Told, whole: str) -> None:
    (line,) = mistakes('include = ["a\\u0000b.toml"]\n' + whole)
    assert line.startswith("mailsluice.toml: include: contains a NUL character")


@pytest.mark.parametrize("section", ["[service]", "[defaults]", "include = ['c.toml']"])
def test_what_is_for_all_stands_in_the_main_file(
    write: Write, mistakes: Told, whole: str, section: str
) -> None:
    write(section, "b.toml")
    (line,) = mistakes('include = ["b.toml"]\n' + whole)
    assert line.startswith("b.toml: ")
    assert "belongs in the main file" in line


def test_a_name_defined_twice_is_told_with_both_files(write: Write, mistakes: Told, whole: str) -> None:
    write(MAILBOX.format("invoices"), "b.toml")
    (line,) = mistakes('include = ["b.toml"]\n' + whole)
    assert line == "b.toml: mailboxes.invoices: is also defined in mailsluice.toml; rename or remove one"


def test_a_mistake_names_the_file_it_is_in(write: Write, mistakes: Told, whole: str) -> None:
    write(MAILBOX.format("b") + "prot = 1", "mailboxes.d/b.toml")
    (line,) = mistakes('include = ["mailboxes.d/*.toml"]\n' + whole)
    assert line == 'mailboxes.d/b.toml: mailboxes.b.prot: unknown key; did you mean "port"?'


def test_an_included_file_that_is_not_toml_does_not_hide_other_mistakes(
    write: Write, mistakes: Told, whole: str
) -> None:
    write("[", "b.toml")
    told = mistakes('include = ["b.toml"]\n' + whole + "prot = 1")
    assert [line.split(":")[0] for line in told] == ["b.toml", "mailsluice.toml"]
