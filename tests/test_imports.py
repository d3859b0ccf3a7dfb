"""Imports that find stand-ins, in processes of their own: what is loaded, stays."""

from __future__ import annotations

from support.program import printed_by


def test_what_has_a_stand_in_is_loaded_for_who_asks_later() -> None:
    program = """
from types import ModuleType
from mailsluice.imports import in_place_of
with in_place_of({"calendar": ModuleType("calendar")}):
    import calendar as within
import calendar
print(hasattr(within, "monthrange"), hasattr(calendar, "monthrange"))
"""
    assert printed_by(program) == "False True\n"


def test_what_is_asked_for_later_is_loaded_then() -> None:
    program = """
import sys
from mailsluice.imports import Later, in_place_of
with in_place_of({"calendar": Later("calendar")}):
    import calendar as within
print("calendar" in sys.modules, within.monthrange(2024, 2)[1], "calendar" in sys.modules)
"""
    assert printed_by(program) == "False 29 True\n"


def test_what_a_library_asks_for_after_all_it_gets() -> None:
    program = """
import sys
from mailsluice.imports import Later, in_place_of
with in_place_of({"calendar": Later("calendar")}):
    from calendar import monthrange
import calendar
print(calendar.monthrange is monthrange)
"""
    assert printed_by(program) == "True\n"


def test_what_was_loaded_before_is_there_again_afterwards_whatever_happens() -> None:
    program = """
import calendar
import sys
from mailsluice.imports import in_place_of
try:
    with in_place_of({"calendar": None}):
        import calendar as within
except ImportError as error:
    print(error.name)
print(sys.modules["calendar"] is calendar)
"""
    assert printed_by(program) == "calendar\nTrue\n"


def test_what_was_loaded_before_is_what_is_asked_for_and_there_again() -> None:
    program = """
import asyncio, sys
from importlib import metadata
from mailsluice.imports import Later, in_place_of
with in_place_of({name: Later(name) for name in ("asyncio", "importlib.metadata")}):
    import asyncio as one
    from importlib.metadata import version
    print(one is asyncio, one.current_task is asyncio.current_task, version is metadata.version)
print(sys.modules["asyncio"] is asyncio, sys.modules["importlib.metadata"] is metadata)
"""
    assert printed_by(program) == "False True True\nTrue True\n"


def test_what_the_import_system_asks_for_loads_nothing() -> None:
    program = """
import sys
from mailsluice.imports import Later
print(getattr(Later("calendar"), "__path__", None), "calendar" in sys.modules)
"""
    assert printed_by(program) == "None False\n"


def test_who_looks_whether_it_is_there_finds_that_it_is_not() -> None:
    program = """
import sys
from mailsluice.imports import Later, in_place_of
with in_place_of({"asyncio": Later("asyncio")}):
    print(bool(sys.modules.get("asyncio")))
print("asyncio" in sys.modules)
"""
    assert printed_by(program) == "False\nFalse\n"
