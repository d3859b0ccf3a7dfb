from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import TokenEndpoint, as_json
from mailsluice.auth.credentials import Credentials
from mailsluice.auth.secrets import Secrets
from mailsluice.config.credentials import CommandCredential, Credential, EntraCredential, PasswordCredential
from mailsluice.config.models import Mailbox
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError, TokenRefused
from mailsluice.model import BearerToken, Password
from mailsluice.session import ports

MakeMailbox = Callable[[str], Mailbox]


class NamedSecrets(Secrets):
    """Each secret is the word of the tests' secrets, and its own name."""

    def reader(self, ref: SecretRef) -> Callable[[], str]:
        return lambda: f"canary-{ref.name}"


SECRETS = NamedSecrets(Path("/nowhere"), "sealed")


def build(credentials: Mapping[str, Credential], clock: HandClock) -> ports.Credentials:
    return Credentials(credentials, SECRETS, clock)


def test_an_entra_credential_gives_a_bearer_token(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    credentials = build({"acme": credential}, clock)
    assert credentials.login(mailbox("acme")) == BearerToken("canary-token-1")
    assert endpoint.forms[0]["client_secret"] == "canary-acme"


def test_an_error_names_the_section_and_keeps_all_that_it_says(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    refusal = {"error": "invalid_client", "error_description": "AADSTS7000222: expired"}
    endpoint.answer = lambda _: as_json(401, refusal)
    with pytest.raises(TokenRefused, match=r"^credentials\.acme: ") as caught:
        build({"acme": credential}, clock).login(mailbox("acme"))
    assert caught.value.said == "invalid_client: AADSTS7000222: expired"
    assert caught.value.clock_ahead is not None
    assert caught.value.remedy


def test_sections_that_say_the_same_share_a_token(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    credentials = build({"one": credential, "two": credential.model_copy()}, clock)
    assert credentials.login(mailbox("one")) == credentials.login(mailbox("two"))
    assert len(endpoint.forms) == 1


@pytest.mark.parametrize("first", ["old", "new"])
def test_a_refused_secret_neither_hides_behind_another_of_its_application_nor_fails_it(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox, first: str
) -> None:
    old = credential.model_copy(update={"client_secret": SecretRef("keyring", "old")})
    new = credential.model_copy(update={"client_secret": SecretRef("keyring", "new")})
    sections = {"old": old, "new": new} if first == "old" else {"new": new, "old": old}
    endpoint.answer = lambda form: (
        endpoint.token(form)
        if form["client_secret"] == "canary-new"
        else as_json(401, {"error": "invalid_client", "error_description": "AADSTS7000222: expired"})
    )
    credentials = build(sections, clock)
    with pytest.raises(TokenRefused):
        credentials.login(mailbox("old"))
    assert isinstance(credentials.login(mailbox("new")), BearerToken)
    with pytest.raises(TokenRefused):
        credentials.login(mailbox("old"))


def test_a_refused_old_token_is_replaced(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    credentials = build({"acme": credential}, clock)
    login = credentials.login(mailbox("acme"))
    clock.seconds += 600
    credentials.refused(mailbox("acme"), login)
    assert credentials.login(mailbox("acme")) == BearerToken("canary-token-2")


def test_a_command_gives_a_bearer_token_for_the_address(clock: HandClock, mailbox: MakeMailbox) -> None:
    command = CommandCredential(command=("/bin/echo", "canary-{address}"))
    credentials = build({"helper": command}, clock)
    login = credentials.login(mailbox("helper"))
    assert login == BearerToken("canary-a@b.example")
    credentials.refused(mailbox("helper"), login)


def test_a_command_is_run_for_each_login(clock: HandClock, mailbox: MakeMailbox, tmp_path: Path) -> None:
    """Also right after it failed: nobody knows how long a token of it lives, so nothing of it is kept."""
    script = f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) != 1 && echo canary-$(wc -l < {tmp_path}/runs)"
    credentials = build({"helper": CommandCredential(command=("/bin/sh", "-c", script))}, clock)
    with pytest.raises(TokenRefused):
        credentials.login(mailbox("helper"))
    assert credentials.login(mailbox("helper")) == BearerToken("canary-2")
    assert credentials.login(mailbox("helper")) == BearerToken("canary-3")


def test_the_sessions_of_a_mailbox_do_not_wait_for_each_others_command(
    clock: HandClock, mailbox: MakeMailbox, tmp_path: Path
) -> None:
    """Each ends when it has heard of the other, so that neither ends alone."""
    os.mkfifo(tmp_path / "one")
    os.mkfifo(tmp_path / "two")
    script = (
        f"if mkdir {tmp_path}/first 2>&-; then echo canary-1 > {tmp_path}/one; cat {tmp_path}/two; "
        f"else cat {tmp_path}/one; echo canary-2 > {tmp_path}/two; fi"
    )
    credentials = build({"helper": CommandCredential(command=("/bin/sh", "-c", script))}, clock)
    with ThreadPoolExecutor(2) as pool:
        logins = [pool.submit(credentials.login, mailbox("helper")) for _ in range(2)]
        assert {login.result() for login in logins} == {BearerToken("canary-1"), BearerToken("canary-2")}


def test_a_command_is_given_the_variables_that_its_credential_names_and_no_other(
    clock: HandClock, mailbox: MakeMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMED", "canary-named")
    monkeypatch.setenv("OTHER", "canary-other")
    command = ("/bin/sh", "-c", "echo ${NAMED-unset}+${OTHER-unset}")
    credentials = build({"helper": CommandCredential(command=command, environment=("NAMED",))}, clock)
    assert credentials.login(mailbox("helper")) == BearerToken("canary-named+unset")


def test_a_password_credential_gives_a_password(clock: HandClock, mailbox: MakeMailbox) -> None:
    credentials = build({"old": PasswordCredential(password=SecretRef("keyring", "old"))}, clock)
    login = credentials.login(mailbox("old"))
    assert login == Password("canary-old")
    credentials.refused(mailbox("old"), login)


@pytest.mark.parametrize("end", ["\r", "\n", "\0"])
def test_a_password_that_would_be_two_lines_is_refused(
    clock: HandClock, mailbox: MakeMailbox, end: str
) -> None:
    old = PasswordCredential(password=SecretRef("keyring", "old"))

    class TwoLines(Secrets):
        def reader(self, _ref: SecretRef) -> Callable[[], str]:
            return lambda: f"canary{end}DELE 1"

    credentials = Credentials({"old": old}, TwoLines(Path("/nowhere"), "sealed"), clock)
    with pytest.raises(SecretError, match="keyring:old") as caught:
        credentials.login(mailbox("old"))
    assert "canary" not in str(caught.value)


def test_a_token_is_gone_on_with_where_a_section_says_the_same_and_asked_for_anew_where_it_does_not(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    former = Credentials({"acme": credential}, SECRETS, clock)
    assert former.login(mailbox("acme")) == BearerToken("canary-token-1")
    changed = credential.model_copy(update={"client_secret": SecretRef("keyring", "new")})

    credentials = Credentials({"moved": credential.model_copy(), "acme": changed}, SECRETS, clock, former)

    assert credentials.login(mailbox("moved")) == BearerToken("canary-token-1")
    assert credentials.login(mailbox("acme")) == BearerToken("canary-token-2")
    assert former.login(mailbox("acme")) == BearerToken("canary-token-1")


def in_state(credentials: Mapping[str, Credential], clock: HandClock, state: Path) -> Credentials:
    """The credentials as another process has them."""
    return Credentials(credentials, SECRETS, clock, state_dir=state)


def test_a_token_that_is_kept_needs_neither_its_source_nor_its_secret(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    clock: HandClock,
    mailbox: MakeMailbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = in_state({"acme": credential}, clock, tmp_path).login(mailbox("acme"))
    monkeypatch.setattr("mailsluice.auth.sources.ways.entra_source", None)
    assert in_state({"acme": credential}, clock, tmp_path).login(mailbox("acme")) == first
    assert len(endpoint.forms) == 1


def test_each_process_shares_the_token_of_sections_that_say_the_same(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    clock: HandClock,
    mailbox: MakeMailbox,
    tmp_path: Path,
) -> None:
    first = in_state({"one": credential}, clock, tmp_path).login(mailbox("one"))
    assert in_state({"two": credential.model_copy()}, clock, tmp_path).login(mailbox("two")) == first
    assert len(list((tmp_path / "tokens").glob("*.token"))) == 1


def test_two_persons_who_sign_in_by_one_application_have_a_token_each(
    credential: EntraCredential, clock: HandClock, tmp_path: Path
) -> None:
    person = EntraCredential.model_validate(
        {"tenant_id": "contoso", "client_id": "app", "flow": "device-code"}
    )
    credentials = in_state({"anna": person, "bert": person.model_copy()}, clock, tmp_path)
    assert len(credentials._caches) == 2


def test_who_was_let_in_is_remembered_for_the_token(
    endpoint: TokenEndpoint, credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    credentials = build({"acme": credential}, clock)
    login = credentials.login(mailbox("acme"))
    credentials.accepted(mailbox("acme"), login)
    clock.seconds += 600
    credentials.refused(mailbox("acme"), login)
    assert credentials.login(mailbox("acme")) == login


def test_a_password_that_was_accepted_is_nothing_to_remember(clock: HandClock, mailbox: MakeMailbox) -> None:
    credentials = build({"old": PasswordCredential(password=SecretRef("keyring", "old"))}, clock)
    credentials.accepted(mailbox("old"), credentials.login(mailbox("old")))


def test_a_service_that_begins_refuses_what_cannot_be_asked_for(
    credential: EntraCredential, clock: HandClock
) -> None:
    class NoKeyring(Secrets):
        def reader(self, ref: SecretRef) -> Callable[[], str]:
            raise SecretError(f"{ref}: there is no keyring here")

    credentials = Credentials({"acme": credential}, NoKeyring(Path("/nowhere"), "sealed"), clock)
    with pytest.raises(SecretError, match="no keyring"):
        credentials.prepare()


def test_only_the_sources_that_will_be_asked_are_made_before_a_round(
    endpoint: TokenEndpoint,
    credential: EntraCredential,
    clock: HandClock,
    mailbox: MakeMailbox,
    tmp_path: Path,
) -> None:
    other = credential.model_copy(update={"client_id": "other"})
    in_state({"acme": credential}, clock, tmp_path).login(mailbox("acme"))
    credentials = in_state({"acme": credential, "other": other, "third": other}, clock, tmp_path)

    credentials.foresee([mailbox("acme")])
    assert not [source for source in credentials._sources.values() if "made" in vars(source)]
    credentials.foresee([mailbox("acme"), mailbox("other")])
    assert ["made" in vars(source) for source in credentials._sources.values()] == [False, True]
    assert len(endpoint.forms) == 1


def test_a_source_that_cannot_be_made_ends_no_round_before_it_began(
    credential: EntraCredential, clock: HandClock, mailbox: MakeMailbox
) -> None:
    class NoKeyring(Secrets):
        def reader(self, ref: SecretRef) -> Callable[[], str]:
            raise SecretError(f"{ref}: there is no keyring here")

    credentials = Credentials({"acme": credential}, NoKeyring(Path("/nowhere"), "sealed"), clock)
    credentials.foresee([mailbox("acme")])
    with pytest.raises(SecretError, match="no keyring"):
        credentials.login(mailbox("acme"))
