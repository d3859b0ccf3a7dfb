"""A configuration file for mailsluice, as the benchmarks write it.

Owns the form of the file. Must never know what is measured with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def toml(sections: Mapping[str, Mapping[str, object]]) -> str:
    """Sections by their names, such as `mailboxes.a`. A value is a path, or text, a number or a boolean."""
    lines = []
    for name, settings in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value, default=str)}" for key, value in settings.items()]
    return "\n".join([*lines, ""])
