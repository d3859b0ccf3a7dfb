"""The mistakes in a configuration, in words: file, key path, what would be right.

Owns the list of mistakes, their wording, and the translation of pydantic's errors. Must never repeat a value
from the file, only its keys and the models' own texts: any value may be a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mailsluice.config.section import Section
from mailsluice.config.types import parse_name
from mailsluice.errors import ConfigurationError
from mailsluice.files import rights
from mailsluice.files.rights import is_denied

S = TypeVar("S", bound=Section)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A key and its file. Printed as `FILE: key.path`, without control characters."""

    file: Path
    keys: tuple[str, ...] = ()

    def at(self, *keys: str) -> Self:
        """The place of a key inside this one."""
        return type(self)(self.file, self.keys + keys)

    def __str__(self) -> str:
        file = str(self.file)
        shown = file if file.isprintable() else json.dumps(file)
        return f"{shown}: {self.key_path}" if self.keys else shown

    @property
    def key_path(self) -> str:
        """The keys as TOML writes them, with dots between them."""
        return ".".join(k if _BARE_KEY.fullmatch(k) else json.dumps(k) for k in self.keys)


@dataclass(slots=True)
class Mistakes:
    """All mistakes so far, in the order they were found. `unreadable`: the files this user may not read."""

    lines: list[str] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def add(self, place: Place, text: str) -> None:
        """Add one mistake."""
        self.lines.append(f"{place}: {text}")

    def add_unreadable(self, place: Place, path: Path, error: OSError, verb: str = "read") -> None:
        """Add a mistake: the file or directory at `path`, named at this place, cannot be read or searched."""
        self.add(place, f"cannot be {verb}: {error.strerror}")
        if is_denied(error):
            self.unreadable.append(path)

    def raise_if_any(self) -> None:
        """Raise ConfigurationError if there are any. It is `denied` if rights are missing for one of them."""
        if self.lines:
            denied = next(iter(self.unreadable), None)
            remedy = "" if denied is None else rights.remedy(denied)
            raise ConfigurationError(self.lines, remedy=remedy, denied=denied is not None)

    def table(self, place: Place, value: object) -> dict[str, Any]:
        """The value if it is a table. Else adds a mistake, and returns an empty table."""
        if isinstance(value, dict):
            return value
        self.add(place, "must be a table")
        return {}

    def check(
        self, model: type[S], table: Mapping[str, object], place: Place, reported: Collection[str] = ()
    ) -> S | None:
        """The table as a model. Else adds a mistake for each wrong key that is not yet `reported`."""
        value, wrong = validate(model, table)
        for keys, text in wrong:
            if not set(keys[:1]) & set(reported):
                self.add(place.at(*keys), text)
        return value

    def check_kind(self, kinds: Mapping[str, type[S]], value: object, place: Place) -> S | None:
        """As `check`, for a table whose `kind` says which of several models it is."""
        either = " or ".join(f'"{kind}"' for kind in kinds)
        if not isinstance(value, dict):
            self.add(place, f"must be a table with kind = {either}")
            return None
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            self.add(place.at("kind"), f"{'must be' if 'kind' in value else 'is missing; write'} {either}")
            return None
        return self.check(kinds[kind], value, place)

    def check_name(self, place: Place) -> None:
        """Add a mistake if the name of this place's section cannot be used in file names or log lines."""
        try:
            parse_name(place.keys[-1])
        except ValueError as exc:
            self.add(place, str(exc))


def validate(
    model: type[S], table: Mapping[str, object]
) -> tuple[S | None, list[tuple[tuple[str, ...], str]]]:
    """The table as a model, or None; and for each mistake the key path and what is wrong."""
    try:
        return model.model_validate(table), []
    except ValidationError as exc:
        return None, [
            (tuple(map(str, error["loc"])), _explain(error, model))
            for error in exc.errors(include_input=False, include_url=False)
            # A default that depends on a wrong key: that key has its own mistake.
            if error["type"] != "default_factory_not_called"
        ]


def toml_value(value: object) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def nearest(what: str, wrong: str, known: Iterable[str]) -> str:
    """`unknown WHAT`, and the known name that was probably meant, or all known names."""
    names = sorted(known)
    if near := get_close_matches(wrong, names, n=1):
        return f'unknown {what}; did you mean "{near[0]}"?'
    return f"unknown {what}; known are: {', '.join(names) or 'none'}"


def _explain(error: ErrorDetails, model: type[Section]) -> str:
    key = str(error["loc"][0]) if error["loc"] else ""
    context = error.get("ctx", {})
    info = model.model_fields.get(key)
    right = toml_value(info.examples[0]) if info and info.examples else ""
    match error["type"]:
        case "missing":
            text = f"is missing; write it like {key} = {right}"
        case "extra_forbidden":
            known = model.model_fields.keys() - {"name"}  # the name is the section's header, never a key
            text = nearest("key", key, known)
        case "value_error":
            text = str(context["error"])
        case "literal_error":
            text = "must be " + str(context["expected"]).replace("'", '"')
        case "greater_than_equal":
            text = f"must be at least {context['ge']}"
        case "less_than_equal":
            text = f"must be at most {context['le']}"
        case "int_type":
            text = f"must be a whole number without quotes, such as {right}"
        case _:
            text = f"is not valid; write it like {key} = {right}"
    return text
