"""The files of a configuration: the one named and those it includes, as tables that know where they stand.

Owns reading, TOML, and `include`. Must never judge what the tables hold, nor repeat a value in an error.
"""

from __future__ import annotations

import glob
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mailsluice.config.mistakes import Mistakes, Place, nearest
from mailsluice.errors import ConfigurationError, system_remedy

SECTIONS = ("include", "service", "log", "keyring", "credentials", "defaults", "mailboxes")
NAMED_SECTIONS = ("credentials", "mailboxes")


class Entry(NamedTuple):
    """A named section, `[mailboxes.invoices]`: what TOML gave, and where it stands."""

    place: Place
    value: object


@dataclass(slots=True)
class Source:
    """All that was read: the first file's own sections, and the named sections of all files."""

    path: Path
    top: dict[str, Any]
    credentials: dict[str, Entry] = field(default_factory=dict)
    mailboxes: dict[str, Entry] = field(default_factory=dict)


def read(path: Path, mistakes: Mistakes) -> Source:
    """All of a file and those it includes. Raises ConfigurationError when the file itself cannot be read."""
    source = Source(path, _parse(path))
    _gather(source, path, source.top, SECTIONS, mistakes)
    for included in _included(source, mistakes):
        try:
            table = _parse(included)
        except ConfigurationError as exc:
            mistakes.lines.extend(exc.mistakes)
        else:
            _gather(source, included, table, NAMED_SECTIONS, mistakes)
    return source


def _parse(path: Path) -> dict[str, Any]:
    remedy = ""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        problem = "there is no such file"
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        remedy = system_remedy(exc, "let the user that runs mailsluice read it (ls -l)")
    except UnicodeDecodeError as exc:
        problem = f"is not UTF-8 text (octet {exc.start}); save it as UTF-8"
    except (ValueError, RecursionError) as exc:
        problem = f"is not TOML: {exc}"
    raise ConfigurationError([f"{Place(path)}: {problem}"], remedy=remedy)


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
    """The files that `include` means, each once, in the order of the patterns and then by name."""
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
            names = sorted(glob.glob(pattern, root_dir=folder))  # noqa: PTH207  Path.glob refuses absolute ones
        for path in (folder / name for name in names):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                yield path
