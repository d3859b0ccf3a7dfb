"""The real program against the sandbox, as in e2e."""

from __future__ import annotations

from e2e.conftest import sandbox, site

__all__ = ["sandbox", "site"]
