"""Files that others may write: which are not obeyed, and which are warned of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from mailsluice.config.load import load
from mailsluice.errors import ConfigurationError
from support.users import ANN, NOBODY, NOGROUP, acting_as, common_ground, given, need_root

Write = Callable[..., Path]
Told = Callable[[str], list[str]]

INCLUDE = 'include = ["mailboxes.d/*.toml"]\n'
MORE = (
    "[mailboxes.b]\naddress = 'b@acme.example'\ncredential = 'acme'\nsink = { kind = 'spool', path = '/s' }\n"
)


def helper(*command: object, name: str = "helper") -> str:
    return f"[credentials.{name}]\nkind = 'command'\ncommand = {[str(word) for word in command]}\n"


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


@pytest.fixture
def main(write: Write, whole: str) -> Path:
    """A configuration that includes a directory with a file in it; nobody else may write any of it."""
    for file in (
        write(MORE, "etc/mailboxes.d/b.toml"),
        main := write(INCLUDE + whole, "etc/mailsluice.toml"),
    ):
        file.chmod(0o644)
        file.parent.chmod(0o755)
    return main


def refused(main: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(main)
    return caught.value.mistakes


def remedies(main: Path) -> list[str]:
    return [warning.remedy for warning in load(main).warnings]


class TestRefused:
    def test_a_configuration_that_everybody_may_write(self, main: Path) -> None:
        main.chmod(0o646)
        (line,) = refused(main)
        assert line == (
            f"{main}: is not obeyed, because {main} can be written by everybody; make sure that {main} "
            f"is as you want it, then: chmod o-w {main}"
        )

    def test_one_in_a_directory_that_everybody_may_write(self, main: Path) -> None:
        main.parent.chmod(0o777)
        (line,) = refused(main)
        assert line.endswith(f"chmod o-w {main.parent}")

    def test_nothing_is_said_of_what_stands_in_it(self, main: Path) -> None:
        main.write_text("[")
        main.chmod(0o646)
        (line,) = refused(main)
        assert "TOML" not in line

    def test_an_included_file_beside_all_other_mistakes(self, main: Path) -> None:
        included = main.parent / "mailboxes.d" / "b.toml"
        included.chmod(0o666)
        main.write_text(main.read_text() + "prot = 1")
        first, second = refused(main)
        assert first.startswith(f"{included}: is not obeyed, because {included} can be written by everybody")
        assert "prot" in second

    @pytest.mark.parametrize("mode", [0o777, 0o1777])
    def test_an_included_directory_in_which_everybody_may_put_a_file_though_it_be_empty(
        self, main: Path, mode: int
    ) -> None:
        directory = main.parent / "mailboxes.d"
        (directory / "b.toml").unlink()
        directory.chmod(mode)
        (line,) = refused(main)
        assert line.startswith(f"{directory}: is not obeyed, because {directory} can be written by everybody")
        assert line.endswith(f"chmod o-w {directory}")

    def test_every_directory_that_a_pattern_searches(self, main: Path) -> None:
        main.write_text(main.read_text().replace("mailboxes.d/*", "m*.d/*"))
        (main.parent / "more.d").mkdir()
        (main.parent / "more.d").chmod(0o1777)
        (line,) = refused(main)
        assert line.startswith(f"{main.parent}/more.d: is not obeyed")

    def test_a_directory_that_cannot_be_searched_for_a_fault_in_its_path(self, main: Path) -> None:
        main.write_text(main.read_text().replace("mailboxes.d/*", "mailboxes.d/b.toml/x/*"))
        assert refused(main) == (f"{main.parent}/mailboxes.d/b.toml/x: cannot be searched: Not a directory",)

    def test_certificates_that_everybody_may_write(self, main: Path) -> None:
        ca_file = main.parent / "ca.pem"
        trustme.CA().cert_pem.write_to_path(ca_file)
        ca_file.chmod(0o646)
        main.write_text(f'{main.read_text()}ca_file = "{ca_file}"')
        (line,) = refused(main)
        assert line.startswith(f"{main}: mailboxes.invoices.ca_file: is not obeyed, because {ca_file} can be")

    def test_by_root_a_configuration_of_the_user_that_the_service_runs_as(
        self, ground: Path, whole: str
    ) -> None:
        main = ground / "mailsluice.toml"
        main.write_text(whole)
        os.chown(main, NOBODY, NOGROUP)
        (line,) = refused(main)
        assert "belongs to another user, nobody" in line
        assert "run mailsluice as nobody, or: chown 0" in line
        with acting_as(NOBODY):
            assert load(main).mailboxes


class TestObeyed:
    def test_a_file_of_root_s_that_the_service_s_group_may_read(self, ground: Path, whole: str) -> None:
        main = given(ground / "etc", 0, 0o750) / "mailsluice.toml"
        main.write_text(whole)
        main.chmod(0o640)
        os.chown(main, 0, NOGROUP)
        with acting_as(NOBODY):
            config = load(main)
        assert (list(config.mailboxes), config.warnings) == (["invoices"], ())

    def test_a_user_s_own_in_its_home(self, ground: Path, whole: str) -> None:
        main = given(ground / "ann", ANN, 0o700) / "mailsluice.toml"
        main.write_text(f'service.state_dir = "{ground}/ann/state"\n{whole}')
        main.chmod(0o600)
        os.chown(main, ANN, -1)
        with acting_as(ANN):
            assert load(main).warnings == ()

    def test_our_own_in_a_sticky_directory_if_none_is_searched_for_more(self, main: Path, whole: str) -> None:
        main.write_text(f'include = ["mailboxes.d/b.toml"]\n{whole}')
        main.parent.chmod(0o1777)
        assert list(load(main).mailboxes) == ["invoices", "b"]

    def test_what_standard_input_brings(self, whole: str) -> None:
        reader, writer = os.pipe()
        os.write(writer, whole.encode())
        os.close(writer)
        try:
            assert load(Path("/dev/fd", str(reader))).mailboxes
        finally:
            os.close(reader)


class TestWarnings:
    def test_there_are_none_of_what_nobody_else_may_write(self, main: Path) -> None:
        assert load(main).warnings == ()

    @pytest.mark.parametrize("name", ["mailsluice.toml", "mailboxes.d/b.toml", "mailboxes.d"])
    def test_a_file_or_directory_that_a_group_may_write(self, main: Path, name: str) -> None:
        place = main.parent / name
        place.chmod(place.stat().st_mode | 0o020)
        assert remedies(main) == [f"chmod g-w {place}"]

    def test_a_directory_in_which_a_group_may_put_a_file_though_it_be_empty(self, main: Path) -> None:
        (main.parent / "mailboxes.d" / "b.toml").unlink()
        (main.parent / "mailboxes.d").chmod(0o775)
        assert f"chmod g-w {main.parent}/mailboxes.d" in remedies(main)

    def test_certificates_that_a_group_may_write(self, main: Path) -> None:
        ca_file = main.parent / "ca.pem"
        trustme.CA().cert_pem.write_to_path(ca_file)
        ca_file.chmod(0o664)
        main.write_text(f'{main.read_text()}ca_file = "{ca_file}"')
        assert remedies(main) == [f"chmod g-w {ca_file}"]

    def test_a_token_command_that_a_group_may_write_once_however_many_credentials_name_it(
        self, main: Path
    ) -> None:
        program = main.parent / "token"
        program.touch()
        program.chmod(0o775)
        main.write_text(main.read_text() + helper("/bin/sh", program) + helper(program, name="other"))
        assert remedies(main) == [f"chmod g-w {program}"]

    def test_a_token_command_that_will_not_be_run(self, main: Path) -> None:
        program = main.parent / "token"
        program.touch()
        program.chmod(0o757)
        main.write_text(main.read_text() + helper("/bin/sh", program))
        (warning,) = load(main).warnings
        assert warning.what == (
            f"{main}: credentials.helper: the token command is not run, "
            f"because {program} can be written by everybody"
        )
        assert warning.remedy.endswith(f"chmod o-w {program}")

    @pytest.mark.parametrize("interpreter", [(), ("/bin/sh",)], ids=["itself", "by an interpreter"])
    def test_an_assertion_command_that_will_not_be_run(
        self, main: Path, interpreter: tuple[str, ...]
    ) -> None:
        program = main.parent / "assert"
        program.touch()
        program.chmod(0o757)
        ids = "kind = 'entra'\ntenant_id = 'acme.example'\nclient_id = 'app'\n"
        command = [*interpreter, str(program)]
        main.write_text(f"{main.read_text()}[credentials.pod]\n{ids}assertion_command = {command}\n")
        (warning,) = load(main).warnings
        assert warning.what == (
            f"{main}: credentials.pod: the assertion command is not run, "
            f"because {program} can be written by everybody"
        )
        program.chmod(0o775)
        assert remedies(main) == [f"chmod g-w {program}"]


class TestEnvironment:
    def test_a_token_command_has_none_of_our_variables_but_two_unless_it_says_so(self, main: Path) -> None:
        text = main.read_text()
        main.write_text(text + helper("/bin/token"))
        assert load(main).credentials["helper"].variables == ("HOME", "LANG")  # type: ignore[union-attr]
        main.write_text(text + helper("/bin/token") + "environment = ['HTTPS_PROXY']\n")
        credential = load(main).credentials["helper"]
        assert credential.variables == ("HOME", "LANG", "HTTPS_PROXY")  # type: ignore[union-attr]

    @pytest.mark.parametrize("named", ["OLD", "HOME"])
    def test_a_variable_with_a_secret_in_it_is_for_no_token_command(self, main: Path, named: str) -> None:
        password = f"[credentials.old]\nkind = 'password'\npassword = 'env:{named}'\n"
        main.write_text(main.read_text() + password + helper("/bin/token") + "environment = ['OLD']\n")
        (line,) = refused(main)
        assert line.startswith(f"{main}: credentials.helper.environment: a token command must not be given")
        assert f"env:{named}" in line

    @pytest.mark.parametrize("value", ["['A=canary']", "{ A = 'canary' }", "'canary'", "[1]", "['']"])
    def test_it_has_names_and_no_values(self, main: Path, value: str) -> None:
        main.write_text(main.read_text() + helper("/bin/token") + f"environment = {value}\n")
        (line,) = refused(main)
        assert line.startswith(f"{main}: credentials.helper.environment: must ")
        assert '["HTTPS_PROXY"]' in line
        assert "canary" not in line
