"""The guides: how to set up each tenant that a configuration names.

Owns which guides are printed. Must never know a step: `diagnosis.guide` has them.
"""

from __future__ import annotations

from mailsluice.config.models import Config
from mailsluice.diagnosis.tenant.guide import guide
from mailsluice.diagnosis.tenant.setup import Setup


def guides(config: Config | None) -> str:
    """The guide for each credential, without a line end; one with placeholders without a configuration."""
    names = tuple(config.credentials) if config else ()
    if config is None or not names:
        return guide(Setup()).rstrip("\n")
    texts = (f"[credentials.{name}]\n\n{guide(Setup.of(config, name))}" for name in names)
    return "\n".join(texts).rstrip("\n")
