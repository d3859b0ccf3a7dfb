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
