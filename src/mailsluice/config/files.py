"""The files of a configuration: the one named and those it includes, as tables that know where they stand.

Owns reading, TOML, and `include`, and reads nothing that others may write. Must never judge what the tables
hold, nor repeat a value in an error.
"""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailsluice.config.mistakes import Mistakes, Place, nearest
from mailsluice.errors import ConfigurationError, system_remedy
from mailsluice.files import rights
from mailsluice.files.rights import is_denied
from mailsluice.files.trust import Problem, problem_of_obeyed

SECTIONS = ("include", "service", "log", "keyring", "credentials", "defaults", "mailboxes")
NAMED_SECTIONS = ("credentials", "mailboxes")


@dataclass(frozen=True, slots=True)
class Entry:
    """A named section, `[mailboxes.invoices]`: what TOML gave, and where it stands."""

    place: Place
    value: object


@dataclass(slots=True)
class Source:
    """All that was read: the first file's own sections, and the named sections of all files.

    `files` are all the files, the first one first, and `places` these and the directories that were searched
    for them. `unmatched` tells of patterns that mean no file.
    """

    path: Path
    top: dict[str, Any]
    credentials: dict[str, Entry] = field(default_factory=dict)
    mailboxes: dict[str, Entry] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)
    unmatched: list[Problem] = field(default_factory=list)


def read(path: Path, mistakes: Mistakes) -> Source:
    """All of a file and those it includes. Raises ConfigurationError when the file itself cannot be read."""
    source = Source(path, _parse(path), files=[path], places=[path])
    _gather(source, path, source.top, SECTIONS, mistakes)
    for included in _included(source, mistakes):
        source.files.append(included)
        source.places.append(included)
        try:
            table = _parse(included)
        except ConfigurationError as exc:
            mistakes.lines.extend(exc.mistakes)
            mistakes.unreadable += [included] * (exc.denied)
        else:
            _gather(source, included, table, NAMED_SECTIONS, mistakes)
    return source


def _parse(path: Path) -> dict[str, Any]:
    remedy, denied = "", False
    try:
        problem = not_obeyed(path)
        if not problem:
            return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        problem = "there is no such file"
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        denied = is_denied(exc)
        remedy = rights.remedy(path) if denied else system_remedy(exc)
    except UnicodeDecodeError as exc:
        problem = f"is not UTF-8 text (octet {exc.start}); save it as UTF-8"
    except (ValueError, RecursionError) as exc:
        problem = f"is not TOML: {exc}"
    raise ConfigurationError([f"{Place(path)}: {problem}"], remedy=remedy, denied=denied)


def not_obeyed(path: Path) -> str:
    """Why the file or directory is not obeyed, and what to do, as a mistake says it; or nothing.

    Raises OSError.
    """
    problem = problem_of_obeyed(path)
    return f"is not obeyed, because {problem.what}; {problem.remedy}" if problem else ""


def _gather(
    source: Source, file: Path, table: dict[str, Any], sections: tuple[str, ...], mistakes: Mistakes
) -> None:
    """Sort a file's named sections into `source`; stray keys and names defined twice are mistakes."""
    for key in table:
        if key in SECTIONS and key not in sections:
            mistakes.add(
                Place(file, (key,)),
                "belongs in the main file; an included one has mailboxes and credentials only",
            )
        elif key not in sections:
            mistakes.add(Place(file, (key,)), nearest("key", key, sections))
    for section, entries in (("credentials", source.credentials), ("mailboxes", source.mailboxes)):
        place = Place(file, (section,))
        for name, value in mistakes.table(place, table.get(section, {})).items():
            if name in entries:
                mistakes.add(
                    place.at(name),
                    f"is defined in {Place(entries[name].place.file)} too; rename or remove one",
                )
            else:
                entries[name] = Entry(place.at(name), value)


def _included(source: Source, mistakes: Mistakes) -> Iterator[Path]:
    """The files that `include` means, each once, in the order of the patterns and then by name.

    None of a pattern that searches a directory which others may write.
    """
    patterns = source.top.get("include", [])
    place = Place(source.path, ("include",))
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        mistakes.add(place, 'must be a list of strings, such as ["mailboxes.d/*.toml"]')
        return
    if any("\0" in pattern for pattern in patterns):
        mistakes.add(place, "contains a NUL character, which no file name has; write the files' names")
        return
    folder = source.path.parent
    seen = {source.path.resolve()}
    for pattern in patterns:
        names = [pattern]
        if glob.has_magic(pattern):
            names = _found(pattern, folder)
            told = len(mistakes.lines)
            for above, name in _searched(pattern, folder):
                _check_search(folder / above, name, source, mistakes)
            if len(mistakes.lines) > told:
                continue
            if not names:
                source.unmatched.append(_matches_nothing(place, folder / pattern))
        for path in (folder / name for name in names):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _found(pattern: str, folder: Path) -> list[str]:
    return sorted(glob.glob(pattern, root_dir=folder))  # noqa: PTH207  Path.glob refuses absolute ones


def _searched(pattern: str, folder: Path) -> list[tuple[str, str]]:
    """The directories in which the pattern looks, and for what in each."""
    above, name = os.path.split(pattern)
    if not glob.has_magic(above):
        return [(above, name)]
    return [*_searched(above, folder), *((directory, name) for directory in _found(above, folder))]


def _check_search(directory: Path, name: str, source: Source, mistakes: Mistakes) -> None:
    """A mistake if it cannot be looked into, or somebody may add a file there that we would obey.

    What is missing is none, nor is a file where a directory would be: nothing can be found there.
    """
    source.places.append(directory)
    try:
        problem = not_obeyed(directory)
        with suppress(FileNotFoundError, NotADirectoryError):  # `glob` would pass over all errors
            if glob.has_magic(name):
                os.scandir(directory).close()
            else:
                (directory / name).lstat()
    except OSError as exc:
        mistakes.add_unreadable(Place(directory), directory, exc, "searched")
        return
    if problem:
        mistakes.add(Place(directory), problem)


def _matches_nothing(place: Place, pattern: Path) -> Problem:
    return Problem(
        f"{place}: no file matches {Place(pattern)}",
        "see that the path is right and the files are there; if none are to be, take the pattern out",
    )
