from __future__ import annotations

import base64
import errno
import io
import json
import os
import pty
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mailsluice.auth.secrets import Secrets
from mailsluice.cli import secret
from mailsluice.cli.main import Settings
from mailsluice.cli.secret import command
from mailsluice.config.types import SecretRef
from mailsluice.errors import SecretError
from mailsluice.files.error import failed
from support.proofs import pair


def settings(state_dir: Path) -> Settings:
    """A configuration that is not complete: the secret it refers to is what these tests are about."""
    file = state_dir.with_name("mailsluice.toml")
    file.write_text(f"""\
        [service]
        state_dir = "{state_dir}"
        [credentials.acme]
        kind = "entra"
        tenant_id = "contoso"
        client_id = "app"
        client_secret = "keyring:acme"
        [credentials.robot]
        kind = "entra"
        tenant_id = "contoso"
        client_id = "app"
        certificate = "keyring:robot"
        """)
    return Settings(file)


GUID = "11111111-aaaa-bbbb-1111-111111111111"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


def run(state_dir: Path, *arguments: str, standard_input: bytes | str = b"") -> Result:
    return CliRunner().invoke(command, arguments, obj=settings(state_dir), input=standard_input)


def stored(state_dir: Path, name: str) -> str:
    return Secrets(state_dir, "sealed").reader(SecretRef("keyring", name))()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_set_takes_standard_input_less_one_line_end(state_dir: Path, end: str) -> None:
    result = run(state_dir, "set", "acme", standard_input=f"canary ä{end}")
    assert result.exit_code == 0
    assert "canary" not in result.output
    assert stored(state_dir, "acme") == "canary ä"


def test_set_keeps_the_lines_of_a_key_together(state_dir: Path) -> None:
    run(state_dir, "set", "acme", standard_input="canary\nlines\n\n")
    assert stored(state_dir, "acme") == "canary\nlines"


def test_set_says_what_it_took_away(state_dir: Path) -> None:
    result = run(state_dir, "set", "acme", standard_input="\ufeffcanary\n")
    assert "Not stored: a byte order mark before it. (--raw would store it)\n" in result.output
    assert "Not stored: the line end after it." in result.output
    assert stored(state_dir, "acme") == "canary"


def test_set_of_what_is_usual_says_nothing_more(state_dir: Path) -> None:
    run(state_dir, "init")
    assert run(state_dir, "set", "acme", standard_input="canary").output == "keyring:acme is set\n"


@pytest.mark.parametrize("text", [" canary", '"canary"', GUID])
def test_set_from_a_pipe_warns_of_a_probable_mistake_and_stores_it(state_dir: Path, text: str) -> None:
    result = run(state_dir, "set", "acme", standard_input=text)
    assert result.exit_code == 0
    assert "warning: the secret " in result.output
    assert text not in result.output
    assert stored(state_dir, "acme") == text


def test_set_knows_an_id_only_where_a_client_secret_is_wanted(state_dir: Path) -> None:
    assert "warning" not in run(state_dir, "set", "other", standard_input=GUID).output


def test_set_raw_takes_the_text_as_it_is(state_dir: Path) -> None:
    result = run(state_dir, "set", "--raw", "acme", standard_input='\ufeff" canary "\n\n')
    assert "warning" not in result.output
    assert "Not stored" not in result.output
    assert stored(state_dir, "acme") == '\ufeff" canary "\n\n'


def test_set_knows_the_text_that_powershell_writes(state_dir: Path) -> None:
    result = run(state_dir, "set", "acme", standard_input="\ufeffcanary".encode("utf-16-le"))
    assert result.exit_code == click.UsageError.exit_code
    assert "UTF-16" in result.output


def test_the_first_set_says_what_its_key_protects_and_the_next_one_does_not(state_dir: Path) -> None:
    first, second = (run(state_dir, "set", name, standard_input="canary").output for name in ("acme", "b"))
    assert f"is the file {state_dir}/vault.key" in first
    assert "It does not protect from root" in first
    assert "vault.key" not in second


def test_a_set_that_fails_makes_no_key(state_dir: Path) -> None:
    run(state_dir, "set", "acme", standard_input=b"")
    assert not (state_dir / "vault.key").exists()


def test_set_and_delete_tell_the_daemon(state_dir: Path) -> None:
    run(state_dir, "init")
    for command_line in (["set", "acme"], ["delete", "acme"]):
        before = stamp(state_dir)
        run(state_dir, *command_line, standard_input="canary")
        assert stamp(state_dir) != before
        assert "canary" not in stamp(state_dir)


def test_a_daemon_that_cannot_be_told_is_no_reason_to_fail(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failed("write", state_dir / "renewed.json", OSError(errno.ENOSPC, "full"))

    monkeypatch.setattr(secret, "renewed", fail)
    result = run(state_dir, "set", "acme", standard_input="canary")
    assert result.exit_code == 0
    assert "No space left on device" in result.output
    assert stored(state_dir, "acme") == "canary"


def stamp(state_dir: Path) -> str:
    file = state_dir / "renewed.json"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("standard_input", [b"", b"\n", b"\r\n", b"canary\xff", b"canary" * 20_000])
def test_set_refuses_what_is_no_secret(state_dir: Path, standard_input: bytes) -> None:
    result = run(state_dir, "set", "acme", standard_input=standard_input)
    assert result.exit_code == click.UsageError.exit_code
    assert "canary" not in result.output
    assert Secrets(state_dir, "sealed").names() == []


def test_set_stores_a_pfx_as_base64_and_says_so(state_dir: Path) -> None:
    pfx = pair().pfx("canary-password")
    result = run(state_dir, "set", "acme-cert", standard_input=pfx)
    assert result.exit_code == 0
    assert result.output.startswith(
        "standard input is a PFX file: it is stored as base64 text\nkeyring:acme-cert is set\n"
    )
    assert base64.b64decode(stored(state_dir, "acme-cert")) == pfx


def test_set_refuses_other_octets_and_says_what_may_come(state_dir: Path) -> None:
    result = run(state_dir, "set", "acme", standard_input=b"\x89PNG\r\n\x1a\n")
    assert "not UTF-8 text; a secret is UTF-8 text or a PFX file" in result.output
    assert Secrets(state_dir, "sealed").names() == []


def test_set_takes_no_secret_as_an_argument(state_dir: Path) -> None:
    result = run(state_dir, "set", "acme", "canary", standard_input="canary")
    assert result.exit_code == click.UsageError.exit_code
    assert "canary" not in result.output
    assert Secrets(state_dir, "sealed").names() == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-x", ".x", "ä", "x" * 65])
def test_set_refuses_a_name_that_no_reference_could_have(state_dir: Path, name: str) -> None:
    result = run(state_dir, "set", "--", name, standard_input="canary")
    assert result.exit_code == click.UsageError.exit_code
    assert not state_dir.exists()


def typed(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, words: list[str | Exception], name: str = "acme"
) -> tuple[int, list[bool]]:
    """Run `secret set NAME` on a terminal where `words` are typed; its exit code, and whether each was hidden."""
    answers, hidden = iter(words), []

    def prompt(_text: str, *, hide_input: bool, **_more: object) -> str:
        hidden.append(hide_input)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb"), os.fdopen(follower, "r") as terminal, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", terminal)
        patch.setattr("sys.stdout", io.StringIO())
        patch.setattr("click.termui.hidden_prompt_func", lambda text: prompt(text, hide_input=True))
        patch.setattr("click.termui.visible_prompt_func", lambda text: prompt(text, hide_input=False))
        try:
            code = command.main(["set", name], obj=settings(state_dir), standalone_mode=False)
        except click.exceptions.Abort:
            return 1, hidden
    return code or 0, hidden


def test_set_asks_twice_on_a_terminal_without_echo(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, hidden = typed(state_dir, monkeypatch, ["canary", "canary"])
    assert code == 0
    assert hidden == [True, True]
    assert stored(state_dir, "acme") == "canary"


def test_set_asks_again_until_both_answers_agree(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(state_dir, monkeypatch, ["canary-1", "canary-2", "", "canary-3", "canary-3"])
    assert stored(state_dir, "acme") == "canary-3"


def test_set_asks_back_about_a_probable_mistake(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, hidden = typed(state_dir, monkeypatch, [GUID, GUID, "n", "canary ", "canary ", "y"])
    assert code == 0
    assert hidden == [True, True, False, True, True, False]
    assert stored(state_dir, "acme") == "canary "


def test_set_asks_nobody_to_type_a_certificate(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(click.UsageError, match=r"secret set robot < FILE`"):
        typed(state_dir, monkeypatch, ["-----BEGIN PRIVATE KEY-----"] * 2, "robot")
    assert not state_dir.exists()


@pytest.mark.parametrize(
    "cut",
    ["canary" * 682 + "can", UnicodeDecodeError("utf-8", b"canary-\xff", 7, 8, "invalid start byte")],
    ids=["too long", "not UTF-8"],
)
def test_set_refuses_what_a_terminal_may_have_spoilt(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, cut: str | Exception
) -> None:
    with pytest.raises(click.UsageError, match="pipe that in") as caught:
        typed(state_dir, monkeypatch, [cut, cut])
    assert "canary" not in caught.value.message
    assert caught.value.__cause__ is None
    assert not state_dir.exists()


def test_set_without_a_standard_input_is_wrong_usage(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(click.UsageError, match="standard input is closed"):
        command.main(["set", "acme"], obj=settings(state_dir), standalone_mode=False)


def test_list_prints_the_names_and_no_secret(state_dir: Path) -> None:
    for name in ("old", "acme"):
        Secrets(state_dir, "sealed").store(name, "canary")
    assert run(state_dir, "list").output == "acme\nold\n"
    assert json.loads(run(state_dir, "list", "--json").output) == ["acme", "old"]


def test_list_of_nothing_is_empty(state_dir: Path) -> None:
    assert run(state_dir, "list").output == ""
    assert run(state_dir, "list", "--json").output == "[]\n"


def test_delete_deletes(state_dir: Path) -> None:
    Secrets(state_dir, "sealed").store("acme", "canary")
    assert run(state_dir, "delete", "acme").exit_code == 0
    assert Secrets(state_dir, "sealed").names() == []


def test_delete_of_what_is_not_there_is_an_error(state_dir: Path) -> None:
    assert isinstance(run(state_dir, "delete", "acme").exception, SecretError)


@pytest.mark.parametrize("name", ["set", "list", "delete", "init", "check"])
def test_every_command_has_help(state_dir: Path, name: str) -> None:
    assert run(state_dir, name, "--help").output.startswith("Usage:")
