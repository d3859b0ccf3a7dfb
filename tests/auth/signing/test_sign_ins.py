from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailsluice.auth.keyrings.keyring import Keyring
from mailsluice.auth.keyrings.vault import SealedVault
from mailsluice.auth.signing.sign_ins import SERVICE, SignIn, SignIns
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import SecretError, TokenUnavailable
from support.secrecy import leaks_below

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = {"flow": "device-code", "tenant_id": "contoso", "client_id": "app"}


def section(**keys: str) -> EntraCredential:
    return EntraCredential.model_validate(KEYS | keys)


ANN = SignIn.to(section(), "ann@acme.example", "canary-refresh", NOW)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def sign_ins(state: Path) -> SignIns:
    return SignIns(state)


def test_what_is_saved_is_there_for_another_process(sign_ins: SignIns, state: Path) -> None:
    sign_ins.put("ann", ANN)
    assert SignIns(state).get("ann") == ANN
    assert SignIns(state).get("bob") is None


def test_it_is_no_secret_of_the_keyring_and_no_secret_is_one(sign_ins: SignIns, state: Path) -> None:
    sign_ins.put("ann", ANN)
    Keyring(state, "sealed").store("bob", "canary")
    assert Keyring(state, "sealed").names() == ["bob"]
    assert sign_ins.get("bob") is None


def test_a_copy_of_the_keyring_has_it(sign_ins: SignIns, state: Path, tmp_path: Path) -> None:
    sign_ins.put("ann", ANN)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, octets in Keyring(state, "sealed").files().items():
        (copy / name).write_bytes(octets)
        (copy / name).chmod(0o600)
    assert SignIns(copy).get("ann") == ANN


def test_it_shows_its_token_neither_on_the_disk_nor_in_a_traceback(sign_ins: SignIns, state: Path) -> None:
    sign_ins.put("ann", ANN)
    assert leaks_below(state) == []
    assert "canary" not in repr(ANN)


def test_it_ends_ninety_days_after_its_token_was_last_replaced() -> None:
    assert ANN.ends == NOW + timedelta(days=90)
    later = ANN.followed_by("canary-next", NOW + timedelta(days=10))
    assert later.ends == NOW + timedelta(days=100)
    assert (later.signed_in, later.refresh_token) == (NOW, "canary-next")


def test_one_that_is_missing_names_the_command(sign_ins: SignIns) -> None:
    with pytest.raises(SecretError, match=r"credentials\.ann: nobody has signed in yet") as caught:
        sign_ins.made_for("ann", section())
    assert "login ann`" in caught.value.remedy


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"client_id": "other"}, "client_id"),
        ({"tenant_id": "fabrikam"}, "authority"),
        ({"cloud": "china"}, "authority, scope"),
        ({"scope": "https://outlook.office.com/IMAP.AccessAsUser.All"}, "scope"),
    ],
)
def test_one_for_another_client_authority_or_scope_is_not_used(
    sign_ins: SignIns, keys: dict[str, str], told: str
) -> None:
    sign_ins.put("ann", ANN)
    assert sign_ins.made_for("ann", section(flow="browser")) == ANN
    with pytest.raises(SecretError, match=f"signed in, but for another {told} than it has now") as caught:
        sign_ins.made_for("ann", section(**keys))
    assert "login ann`" in caught.value.remedy


def swap(state: Path) -> None:
    document = json.loads((state / "secrets.vault").read_bytes())
    first, second = document["entries"]
    first["sealed"], second["sealed"] = second["sealed"], first["sealed"]
    (state / "secrets.vault").write_text(json.dumps(document))


def test_sign_ins_that_were_swapped_are_noticed_and_made_again(sign_ins: SignIns, state: Path) -> None:
    sign_ins.put("ann", ANN)
    sign_ins.put("bob", ANN)
    swap(state)
    with pytest.raises(SecretError, match="damaged or tampered with") as caught:
        sign_ins.get("ann")
    assert "login ann`" in caught.value.remedy
    sign_ins.put("ann", ANN)
    assert sign_ins.get("ann") == ANN


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"refresh_token": 1}'])
def test_what_another_version_wrote_is_not_guessed_at(sign_ins: SignIns, state: Path, text: str) -> None:
    SealedVault(state).set_password(SERVICE, "ann", text)
    with pytest.raises(SecretError, match="another version"):
        sign_ins.get("ann")


def test_an_error_of_the_vault_says_whose_sign_in_it_concerns(sign_ins: SignIns, state: Path) -> None:
    sign_ins.put("ann", ANN)
    (state / "secrets.vault").chmod(0o644)
    with pytest.raises(SecretError, match=r"the sign-in of credentials\.ann: .*can be used by others"):
        sign_ins.get("ann")


def test_that_it_can_be_saved_is_known_before_and_changes_nothing(sign_ins: SignIns, state: Path) -> None:
    sign_ins.prove_writable("ann")
    assert sign_ins.get("ann") is None
    sign_ins.put("ann", ANN)
    sign_ins.prove_writable("ann")
    assert sign_ins.get("ann") == ANN


def test_that_it_cannot_be_saved_is_known_before(
    sign_ins: SignIns, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_ins.put("ann", ANN)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("mailsluice.files.new_file.NewFile.write", full)
    with pytest.raises(SecretError, match=r"credentials\.ann: .*No space left"):
        sign_ins.prove_writable("ann")
    monkeypatch.undo()
    assert sign_ins.get("ann") == ANN


def test_only_one_holds_it(sign_ins: SignIns, state: Path) -> None:
    with sign_ins.held("ann", 5):
        with (
            pytest.raises(TokenUnavailable, match=r"credentials\.ann: another thread or process"),
            SignIns(state).held("ann", 0),
        ):
            pass
        with SignIns(state).held("bob", 0):
            pass
    with SignIns(state).held("ann", 0):
        pass
