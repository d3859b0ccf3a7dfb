"""The order of a delivery is in the types: each proof is made in one place alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mailsluice
from mailsluice.errors import Phase, ProtocolViolation
from mailsluice.model import (
    BearerToken,
    DeletePermit,
    Lines,
    Listed,
    Listing,
    Password,
    Staged,
    Stored,
    uidl_text,
)

SOURCE = Path(mailsluice.__file__).parent


def makers(value: type) -> set[str]:
    """The modules that call this constructor, under whatever name they import it."""
    return {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if value.__name__ in called(ast.parse(path.read_text()))
    }


def called(tree: ast.Module) -> set[str]:
    """What a module calls or hands on: every mention of a name but as an import or a type."""
    real_names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    types = {id(part) for node in ast.walk(tree) for kind in hints(node) for part in ast.walk(kind)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in types}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {real_names.get(name, name) for name in names} | attributes


def hints(node: ast.AST) -> list[ast.expr]:
    """The types a node is annotated with, and those in brackets: `list[Staged]`."""
    found = [getattr(node, field, None) for field in ("annotation", "returns")]
    if isinstance(node, ast.Subscript):
        found.append(node.slice)
    return [kind for kind in found if isinstance(kind, ast.expr)]


@pytest.mark.parametrize(
    ("value", "modules"),
    [
        (Staged, {"sink/durable.py", "ledger/memory.py"}),
        (Stored, {"sink/place.py"}),
        (DeletePermit, {"ledger/messages.py"}),
    ],
)
def test_each_proof_is_made_where_what_it_proves_is_done(value: type, modules: set[str]) -> None:
    assert makers(value) == modules


@pytest.mark.parametrize(
    "code",
    [
        "from mailsluice.model import Stored\nStored(b'u', 'n')",
        "from mailsluice.model import Stored as S\nS(b'u', 'n')",
        "from mailsluice import model\nmodel.Stored(b'u', 'n')",
        "from mailsluice.model import Stored\nmake = Stored",
        "from mailsluice.model import Stored\nmap(Stored, uidls, names)",
    ],
)
def test_no_way_of_making_a_proof_goes_unseen(code: str) -> None:
    assert "Stored" in called(ast.parse(code))


def test_to_name_a_proof_as_a_type_is_not_to_make_one() -> None:
    code = "from mailsluice.model import Stored\ndef f(a: list[Stored]) -> Stored: b: Stored = a[0]"
    assert "Stored" not in called(ast.parse(code))


@pytest.mark.parametrize("login", [BearerToken("canary-value"), Password("canary-value")])
def test_a_login_does_not_show_its_secret(login: BearerToken | Password) -> None:
    for shown in (repr(login), str(login), f"{login}", repr([login]), repr({"login": login})):
        assert "canary-value" not in shown


@pytest.mark.parametrize(
    ("uidl", "text"),
    [(b"6499", "6499"), (b"a\xffb", "a\\xffb"), (b"\xc3\xa4", "\\xc3\\xa4"), (b"", "")],
)
def test_a_uidl_is_text_for_people_whatever_its_octets(uidl: bytes, text: str) -> None:
    assert uidl_text(uidl) == text


def test_a_listing_is_counted_without_being_parsed_and_parsed_once() -> None:
    messages = (Listed(1, b"a", 5), Listed(2, b"b"))
    parsed: list[None] = []

    def parse() -> Lines:
        parsed.append(None)
        return Lines(messages)

    listing = Listing(b"digest", 2, parse)
    assert (listing.total, parsed) == (2, [])
    assert (tuple(listing), listing[1], listing[:1]) == (messages, messages[1], messages[:1])
    assert len(parsed) == 1


def test_a_listing_that_cannot_be_parsed_says_so_to_whoever_wants_its_messages() -> None:
    def parse() -> Lines:
        raise ProtocolViolation("nonsense", phase=Phase.LISTING)

    listing = Listing(b"digest", 1, parse)
    for _ in range(2):
        with pytest.raises(ProtocolViolation):
            tuple(listing)
