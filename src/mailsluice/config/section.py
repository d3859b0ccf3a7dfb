"""A section: what every table of the file has in common.

Owns how pydantic reads a table. Must never repeat a value in an error: any value may be a secret.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the file: no unknown keys, no conversions nobody wrote, no values in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
