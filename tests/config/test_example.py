from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.example import example_text, schema_text
from mailsluice.config.load import load

FOLDER = Path(__file__).parents[2] / "config"
SECTIONS = example_text().split("\n\n")
"""The introduction, and each section with its settings."""


EXCLUDED = dict.fromkeys(
    ("flow", "certificate", "certificate_password", "assertion", "assertion_command"), "client_secret"
)
"""Settings that are used in the place of another one."""


def setting(line: str) -> str:
    """The setting of a line, whether it is commented out or not; nothing for a remark."""
    return line.removeprefix("#") if re.match(r"#?[a-z_]+ = ", line) else ""


def alternatives() -> list[tuple[int, str]]:
    """Every setting that is commented out within a section that is not."""
    return [
        (number, setting(line))
        for number, section in enumerate(SECTIONS)
        for line in section.splitlines()
        if line.startswith("#") and setting(line) and "\n#[" not in section
        if not setting(line).startswith("ca_file ")  # it names a file of some machine
    ]


@pytest.mark.parametrize(("name", "text"), [("example.toml", example_text()), ("schema.json", schema_text())])
def test_the_file_in_the_repository_is_up_to_date(name: str, text: str) -> None:
    assert (FOLDER / name).read_text() == text, "it is stale; run: make generated"


def test_the_example_loads(write: Callable[..., Path]) -> None:
    assert load(write(example_text())).mailboxes["invoices"].host == "outlook.office365.com"


@pytest.mark.parametrize(("number", "line"), alternatives())
def test_each_setting_that_is_commented_out_is_right_when_it_is_not(
    write: Callable[..., Path], number: int, line: str
) -> None:
    key = line.split(" = ", maxsplit=1)[0]
    excluded = EXCLUDED.get(key, key)
    others = [other for other in SECTIONS[number].splitlines() if not other.startswith(f"{excluded} = ")]
    if "managed-identity" in line:
        others = [other for other in others if not other.startswith("tenant_id")]
    if key == "certificate_password":
        others.append('certificate = "keyring:acme-cert"')
    if key == "proxy_password":
        others.append('proxy = "http://mailsluice@proxy.acme.example:3128"')
    sections = [*SECTIONS[:number], "\n".join([*others, line]), *SECTIONS[number + 1 :]]
    assert load(write("\n\n".join(sections))).mailboxes


def test_each_section_that_is_commented_out_is_right_when_it_is_not(write: Callable[..., Path]) -> None:
    whole = re.sub(r"^#(?=[\[a-z])", "", "\n\n".join(s for s in SECTIONS if "\n#[" in s), flags=re.MULTILINE)
    config = load(write(f"{example_text()}\n{whole}"))
    assert set(config.credentials) == {"acme", "helper", "old"}


def test_the_schema_knows_every_key_of_the_example() -> None:
    schema = json.loads(schema_text())
    models = schema["$defs"]
    names = {name for model in (schema, *models.values()) for name in model["properties"]}
    assert {setting(line).split(" = ")[0] for line in example_text().splitlines() if setting(line)} <= names


def test_the_schema_refuses_unknown_keys_and_leaves_required_ones_to_defaults() -> None:
    schema = json.loads(schema_text())
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Mailbox"]["additionalProperties"] is False
    assert "required" not in schema["$defs"]["Mailbox"]
    assert "name" not in schema["$defs"]["Mailbox"]["properties"]


def test_the_schema_asks_for_a_kind() -> None:
    models = json.loads(schema_text())["$defs"].values()
    assert all("kind" in model["required"] for model in models if "kind" in model["properties"])
