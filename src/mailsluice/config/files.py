"""The files of a configuration: the main file and those it includes, as tables with their places.

Owns reading, TOML, and `include`. Obeys no file that other users may write. Must never check what is in a
table, nor repeat a value in an error.
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
    """What was read: the main file's sections, and the named sections of all files.

    `files` are all files, the main one first. `places` are these, and the directories that were searched for
    them. `unmatched` are the warnings for patterns without a matching file.
    """

    path: Path
    top: dict[str, Any]
    credentials: dict[str, Entry] = field(default_factory=dict)
    mailboxes: dict[str, Entry] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)
    unmatched: list[Problem] = field(default_factory=list)


def read(path: Path, mistakes: Mistakes) -> Source:
    """Read a file and those it includes. Raises ConfigurationError if the file itself cannot be read."""
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
            return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors write a BOM
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
    """Why the file or directory is not obeyed, and what to do, as a mistake's text. Empty if it is obeyed.

    Raises OSError.
    """
    problem = problem_of_obeyed(path)
    return f"is not obeyed, because {problem.what}; {problem.remedy}" if problem else ""


def _gather(
    source: Source, file: Path, table: dict[str, Any], sections: tuple[str, ...], mistakes: Mistakes
) -> None:
    """Put a file's named sections into `source`. Unknown keys and names defined twice are mistakes."""
    for key in table:
        if key in SECTIONS and key not in sections:
            mistakes.add(
                Place(file, (key,)),
                "belongs in the main file; an included file can only have mailboxes and credentials",
            )
        elif key not in sections:
            mistakes.add(Place(file, (key,)), nearest("key", key, sections))
    for section, entries in (("credentials", source.credentials), ("mailboxes", source.mailboxes)):
        place = Place(file, (section,))
        for name, value in mistakes.table(place, table.get(section, {})).items():
            if name in entries:
                mistakes.add(
                    place.at(name),
                    f"is also defined in {Place(entries[name].place.file)}; rename or remove one",
                )
            else:
                entries[name] = Entry(place.at(name), value)


def _included(source: Source, mistakes: Mistakes) -> Iterator[Path]:
    """The files that match `include`, each once, in the order of the patterns and then by name.

    A pattern gives no file if it searches a directory that other users may write: this is a mistake.
    """
    patterns = source.top.get("include", [])
    place = Place(source.path, ("include",))
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        mistakes.add(place, 'must be a list of strings, such as ["mailboxes.d/*.toml"]')
        return
    if any("\0" in pattern for pattern in patterns):
        mistakes.add(
            place, "contains a NUL character, which is not allowed in a path; write the files' paths"
        )
        return
    folder = source.path.parent
    seen = {source.path.resolve()}
    for pattern in patterns:
        names = [pattern]
        if glob.has_magic(pattern):
            names = _found(pattern, folder)
            mistakes_before = len(mistakes.lines)
            for above, name in _searched(pattern, folder):
                _check_search(folder / above, name, source, mistakes)
            if len(mistakes.lines) > mistakes_before:
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
    """The directories that the pattern searches, and the name or pattern it looks for in each."""
    above, name = os.path.split(pattern)
    if not glob.has_magic(above):
        return [(above, name)]
    return [*_searched(above, folder), *((directory, name) for directory in _found(above, folder))]


def _check_search(directory: Path, name: str, source: Source, mistakes: Mistakes) -> None:
    """Add a mistake if the directory cannot be searched, or if others may add a file there.

    It is no mistake if the directory is missing or is a file: then nothing can be found there.
    """
    source.places.append(directory)
    try:
        problem = not_obeyed(directory)
        # `glob` ignores all errors: without rights it would find nothing and say nothing.
        with suppress(FileNotFoundError, NotADirectoryError):
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
        "check the path and the files; if there should be no files, remove the pattern",
    )
