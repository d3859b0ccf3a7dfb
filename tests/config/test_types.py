from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsluice import invocation
from mailsluice.config import types
from mailsluice.config.types import SecretRef
from support.secrecy import CANARY

PARSERS: tuple[Callable[[object], object], ...] = (
    types.parse_secret,
    types.parse_duration,
    types.parse_leave,
    types.parse_size,
    types.parse_mode,
    types.parse_path,
    types.parse_name,
    types.parse_host,
    types.parse_address,
    types.parse_cron,
    types.parse_token,
    types.parse_tenant,
    types.parse_authority,
    types.parse_scope,
    types.parse_command,
)


def refused(parse: Callable[[object], object], value: object) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the words are the caller's business
        parse(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("60s", 60), ("2m", 120), ("1h", 3600), ("30d", 2592000), ("36500d", 3153600000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert types.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value", ["0s", "60", "1w", "-1s", "1.5h", " 1s", "1s\n", "", "36501d", "999999999d", 60, True]
)
def test_what_is_no_duration_is_refused_with_one_that_is(value: object) -> None:
    assert '"1s"' in refused(types.parse_duration, value) or '"60s"' in refused(types.parse_duration, value)


@pytest.mark.parametrize(("value", "left"), [(False, False), (True, True), ("30d", timedelta(days=30))])
def test_mail_is_left_never_always_or_for_a_time(value: object, left: object) -> None:
    assert types.parse_leave(value) == left


@pytest.mark.parametrize("value", ["true", "false", 30, 0, "30"])
def test_leaving_mail_is_refused_with_all_three_ways(value: object) -> None:
    assert refused(types.parse_leave, value) == 'must be false, true, or a duration such as "30d"'


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (1, 1),
        (1048576, 1048576),
        ("1B", 1),
        ("25MB", 25000000),
        ("200MiB", 209715200),
        ("1 GiB", 2**30),
        ("2kB", 2000),
    ],
)
def test_a_size_is_octets_or_a_number_and_a_unit(value: object, octets: int) -> None:
    assert types.parse_size(value) == octets


@pytest.mark.parametrize("value", [0, -1, "0MiB", "25", "25mb", "1.5GB", True, 2.0, "9" * 20 + "B"])
def test_what_is_no_size_is_refused(value: object) -> None:
    refused(types.parse_size, value)


@pytest.mark.parametrize(
    ("value", "mode"), [("0640", 0o640), ("600", 0o600), ("0664", 0o664), (0o640, 0o640)]
)
def test_a_mode_is_octal(value: object, mode: int) -> None:
    assert types.parse_mode(value) == mode


@pytest.mark.parametrize(
    "value", ["0777", "0700", "0602", "0622", "0666", "0440", "0620", "1640", "0o640", "rw", 640, 400]
)
def test_a_mode_that_executes_or_opens_to_the_world_or_hides_from_its_owner_is_refused(value: object) -> None:
    refused(types.parse_mode, value)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("keyring:acme", SecretRef("keyring", "acme")),
        ("file:/etc/mailsluice/acme", SecretRef("file", "/etc/mailsluice/acme")),
        ("env:ACME_SECRET", SecretRef("env", "ACME_SECRET")),
        ("credential:acme", SecretRef("credential", "acme")),
    ],
)
def test_a_secret_is_named_by_where_it_is(text: str, reference: SecretRef) -> None:
    assert types.parse_secret(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize("value", [CANARY, f"{CANARY}:x", f"KEYRING:{CANARY}", "", ":", 5, ["keyring:a"]])
def test_a_literal_secret_is_refused_with_where_to_put_it(value: object) -> None:
    message = refused(types.parse_secret, value)
    assert f"`{invocation.command('secret', 'set', 'NAME')}`" in message
    assert '"keyring:NAME"' in message


@pytest.mark.parametrize(
    "value",
    [
        "keyring:",
        "keyring:a b",
        "file:/a\nb",
        "file:/\x1b[31m",
        "file:/\x7f",
        "file:relative",
        "file:",
        "env:1A",
        "env:A=B",
        "credential:a/b",
    ],
)
def test_a_reference_that_names_nothing_is_refused_with_its_form(value: str) -> None:
    assert f'"{value.partition(":")[0]}:' in refused(types.parse_secret, value)


@pytest.mark.parametrize("value", ["spool", "./spool", "~/spool", "", "/a\nb", 7])
def test_a_path_begins_at_the_root(value: object) -> None:
    assert types.parse_path("/spool") == Path("/spool")
    refused(types.parse_path, value)


@pytest.mark.parametrize("value", ["", "-a", ".a", "a b", "a/b", "ä", "a" * 65, "a\n", "a\x1b[0m"])
def test_a_name_is_safe_in_a_file_name_and_a_shell(value: str) -> None:
    assert types.parse_name("a.B-9_" + "x" * 58)
    refused(types.parse_name, value)


@pytest.mark.parametrize("value", ["localhost", "outlook.office365.com", "127.0.0.1", "::1", "a-b.example"])
def test_a_host_is_a_name_or_an_ip_address(value: str) -> None:
    assert types.parse_host(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a:995",
        "https://a",
        "a..b",
        "-a.example",
        "a_b",
        "a b",
        "bücher.example",
        "a.",
        "[::1]",
        "a" * 64,
        1,
    ],
)
def test_a_host_with_port_scheme_or_foreign_letters_is_refused(value: object) -> None:
    refused(types.parse_host, value)


@pytest.mark.parametrize(
    "value", ["a", "a@", "@b", "a@b@c", "a b@c", "ä@b", "a@b\x01auth=x", "a@b\n", "x" * 250 + "@b.example", 1]
)
def test_an_address_cannot_break_out_of_the_xoauth2_line(value: object) -> None:
    assert types.parse_address("o'hara+x@acme.example") == "o'hara+x@acme.example"
    refused(types.parse_address, value)


@pytest.mark.parametrize("value", ["*/5 6-20 * * mon-fri", "0 3 * * *", "0 0 29 2 *", "15 14 1 * *"])
def test_a_cron_line_has_five_fields(value: str) -> None:
    assert types.parse_cron(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "@daily",
        "0 0 30 2 *",
        "0 0 */31 * mon#3",
        "9" * 5000 + " * * * *",
        5,
    ],
)
def test_a_cron_line_that_is_wrong_or_never_due_is_refused(value: object) -> None:
    refused(types.parse_cron, value)


def test_a_cron_field_with_more_digits_than_python_takes_is_refused_as_a_cron_line() -> None:
    assert "is not a cron line" in refused(types.parse_cron, "9" * 5000 + " * * * *")


@pytest.mark.parametrize("value", ["common", "Organizations", "consumers", "a~b", "", "a/b", "a b"])
def test_a_tenant_is_one_tenant(value: str) -> None:
    assert types.parse_tenant("acme.onmicrosoft.com") == "acme.onmicrosoft.com"
    refused(types.parse_tenant, value)


@pytest.mark.parametrize(
    "value",
    [
        "http://a/t",
        "https://a",
        "https://a/",
        "https://u:p@a/t",
        "https://a/t?x=1",
        "https://a/t#x",
        "https://[::1/t",
        "a/t",
    ],
)
def test_an_authority_is_https_with_a_path(value: str) -> None:
    assert types.parse_authority("https://localhost:8443/tenant/") == "https://localhost:8443/tenant"
    refused(types.parse_authority, value)


@pytest.mark.parametrize("value", ["", "a b", "ä", ["a"]])
def test_a_scope_is_one_word(value: object) -> None:
    assert (
        types.parse_scope("https://outlook.office365.com/.default")
        == "https://outlook.office365.com/.default"
    )
    refused(types.parse_scope, value)


@pytest.mark.parametrize("value", ["/bin/token", [], ["token"], [7], ["/bin/token", 7], ["/bin/to\0ken"]])
def test_a_command_is_a_list_that_begins_with_an_absolute_path(value: object) -> None:
    assert types.parse_command(["/bin/token", "{address}"]) == ("/bin/token", "{address}")
    refused(types.parse_command, value)


@pytest.mark.parametrize("parse", PARSERS)
@settings(max_examples=25)
@given(around=st.tuples(st.text(max_size=20), st.text(max_size=20)))
def test_no_refusal_repeats_the_value(parse: Callable[[object], object], around: tuple[str, str]) -> None:
    assert CANARY not in refused(parse, f"{around[0]}\x00{CANARY}{around[1]}")
