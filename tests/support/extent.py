"""How far the tests go: bounded, or in full."""

from __future__ import annotations

import os

FULL = os.environ.get("MAILSLUICE_HOSTILE") == "1"
"""Whether to do all that there is, for minutes, and not the part of it that `make test` has time for."""
