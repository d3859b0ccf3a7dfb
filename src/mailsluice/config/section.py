"""A section: what every table of the file has in common.

Owns how pydantic reads a table, and that it does so alone. Must never repeat a value in an error: a secret
may stand in any place.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from mailsluice.imports import Later, in_place_of


class _NothingInstalled(Later):
    """Stands in for `importlib.metadata`, by which pydantic looks for plug-ins when it makes its first model.

    What else is installed is not to have a say in what a configuration means, and to look for it takes some
    6 % of the time that `mailsluice poll` takes to start.
    """

    @staticmethod
    def entry_points(**_selection: str) -> tuple[()]:
        return ()


with in_place_of({"importlib.metadata": _NothingInstalled("importlib.metadata")}):

    class Section(BaseModel):
        """A table of the file: no unknown keys, no conversions nobody wrote, no values in errors."""

        model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
