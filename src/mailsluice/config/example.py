"""The commented example and the JSON schema, both generated from the models.

Owns their form. Must never say more about a key than its model does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mailsluice.config.credentials import CommandCredential, EntraCredential, PasswordCredential
from mailsluice.config.mistakes import toml_value
from mailsluice.config.models import Config, Keyring, Log, Mailbox, Service
from mailsluice.config.section import Section

_INTRODUCTION = """\
# The configuration of mailsluice (TOML). `mailsluice config check` shows every mistake in it.
# A line that begins with # and no space is a setting with its default value, or with another possible value.
# Secrets are never in this file, only references: keyring:NAME, file:PATH, env:NAME or credential:NAME.
"""

_INCLUDE = "More files with [mailboxes.*] and [credentials.*]. Their paths are relative to this file."
_INCLUDE_EXAMPLE = ["mailboxes.d/*.toml"]
_WRITTEN_OUT = ("state_dir", "tenant_id", "client_id", "client_secret")
"""Keys that the example sets although they have a default: a service needs them."""
_DEFAULTS = "Default values for all mailboxes: any key of a mailbox."


def example_text() -> str:
    """An example configuration in TOML, with a description of every key. It can be loaded as it is."""
    parts = [
        _INTRODUCTION,
        f"# {_INCLUDE}\n#include = {toml_value(_INCLUDE_EXAMPLE)}\n",
        _section("[service]", Service),
        _section("[log]", Log),
        _section("[keyring]", Keyring),
        _section("[credentials.acme]", EntraCredential),
        _section("#[credentials.helper]", CommandCredential),
        _section("#[credentials.old]", PasswordCredential),
        f'# {_DEFAULTS}\n[defaults]\n#every = "2m"\n',
        _section("[mailboxes.invoices]", Mailbox),
    ]
    return "\n".join(parts)


def _section(header: str, model: type[Section]) -> str:
    """A section. If its header is commented out, its keys are, too."""
    about = (model.__doc__ or "").splitlines()[0]
    return "\n".join([f"# {about}", header, *_settings(model, active=header[0] != "#")]) + "\n"


def _settings(model: type[Section], *, active: bool) -> Iterator[str]:
    """Each key with its description. Keys with a default, and other possible values, are commented out."""
    for key, info in model.model_fields.items():
        if key == "name":  # stands in the section's header
            continue
        if key != "kind":  # which the section's first line describes
            yield f"# {info.description}"
        needed = (
            key == "kind"
            or key in _WRITTEN_OUT
            or (info.is_required() and key != "host")  # most credentials have a default host
        )
        first, *others = info.examples or []
        yield f"{'' if active and needed else '#'}{key} = {toml_value(first)}"
        yield from (f"#{key} = {toml_value(other)}" for other in others)


def schema_text() -> str:
    """The JSON schema of a configuration file, as the text of a file."""
    schema = Config.model_json_schema()
    models = schema["$defs"]
    del models["Mailbox"]["properties"]["name"]
    del models["Mailbox"]["required"]  # any key may be in [defaults] instead
    for model in models.values():
        if "kind" in model["properties"]:
            model["required"] = ["kind", *model.get("required", ())]
    schema["properties"] |= {
        "include": {"description": _INCLUDE, "type": "array", "items": {"type": "string"}},
        "defaults": {"description": _DEFAULTS, "$ref": "#/$defs/Mailbox"},
    }
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mailsluice configuration",
        "description": "A configuration file of mailsluice.",
    }
    return json.dumps(_tidy(schema) | head, indent=2, sort_keys=True) + "\n"


def _tidy(node: Any) -> Any:
    """The schema without generated titles and without null: they do not help a person who writes TOML."""
    if isinstance(node, list):
        return [_tidy(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {key: _tidy(item) for key, item in node.items() if key != "title" and item is not None}
    if len(kept.get("anyOf", ())) == 1:
        kept |= kept.pop("anyOf")[0]
    return kept
