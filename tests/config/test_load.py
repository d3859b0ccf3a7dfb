from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from mailsluice.config.credentials import EntraCredential
from mailsluice.config.load import load
from mailsluice.config.models import SpoolSink
from mailsluice.errors import ConfigurationError
from support.secrecy import CANARY
from support.users import unprivileged

Write = Callable[..., Path]
Told = Callable[[str], list[str]]


def test_a_whole_configuration_loads(write: Write, whole: str) -> None:
    config = load(write(whole))
    assert isinstance(config.credentials["acme"], EntraCredential)
    mailbox = config.mailboxes["invoices"]
    assert (mailbox.name, mailbox.credential, mailbox.host) == ("invoices", "acme", "outlook.office365.com")
    assert mailbox.sink == SpoolSink(path=Path("/spool"))
    assert (config.service.max_sessions, config.log.level, config.keyring.backend) == (16, "info", "sealed")


def test_every_mistake_is_told_at_once(mistakes: Told, whole: str) -> None:
    text = whole.replace("invoices@", "invoices").replace('"spool"', '"pool"').replace("tenant_id", "tenant")
    keys = [line.split(": ")[1] for line in mistakes(text)]
    assert keys == [
        "credentials.acme.tenant_id",
        "credentials.acme.tenant",
        "mailboxes.invoices.sink.kind",
        "mailboxes.invoices.address",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("servce = 1", 'servce: unknown key; did you mean "service"?'),
        ("[service]\nmax_session = 1", 'service.max_session: unknown key; did you mean "max_sessions"?'),
        ("[service]\nmax_sessions = 0", "service.max_sessions: must be at least 1"),
        ("[service]\nmax_sessions = 9999", "service.max_sessions: must be at most 1000"),
        (
            "[service]\nmax_sessions = '4'",
            "service.max_sessions: must be a whole number without quotes, such as 16",
        ),
        ("[log]\nlevel = 'all'", 'log.level: must be "debug", "info", "warning" or "error"'),
        (
            "[keyring]\nbackend = 'plaintext'",
            'keyring.backend: must be "sealed", "systemd" or "secret-service"',
        ),
        ("service = 1", "service: must be a table"),
        ("mailboxes = []", "mailboxes: must be a table"),
        ("mailboxes.a = 1", "mailboxes.a: must be a table"),
        (
            "credentials.a = 1",
            'credentials.a: must be a table with kind = "entra" or "command" or "password"',
        ),
        ("[credentials.a]", 'credentials.a.kind: is missing; write "entra" or "command" or "password"'),
        ("[credentials.a]\nkind = 7", 'credentials.a.kind: must be "entra" or "command" or "password"'),
        ("[log]\nxyzzy = 1", "log.xyzzy: unknown key; known are: format, level"),
    ],
)
def test_a_mistake_names_the_key_and_what_would_be_right(mistakes: Told, text: str, line: str) -> None:
    assert f"mailsluice.toml: {line}" in mistakes(text)


def test_what_is_missing_is_told_with_an_example(mistakes: Told) -> None:
    told = mistakes("[credentials.a]\nkind = 'password'\n[mailboxes.m]\ncredential='a'\nhost='pop.example'")
    assert (
        'mailsluice.toml: credentials.a.password: is missing; write it like password = "keyring:old"' in told
    )
    assert any("mailboxes.m.sink: is missing; write it like sink = { kind =" in line for line in told)


def test_keys_that_a_terminal_would_obey_are_told_quoted(mistakes: Told) -> None:
    assert all(line.isprintable() for line in mistakes('"a\\u001b[31mb" = 1\n[mailboxes."x\\ny"]'))


def test_an_unknown_credential_is_told_with_the_nearest(mistakes: Told, whole: str) -> None:
    (line,) = mistakes(whole.replace('credential = "acme"', 'credential = "amce"'))
    assert line == 'mailsluice.toml: mailboxes.invoices.credential: unknown credential; did you mean "acme"?'


def test_a_mailbox_of_a_wrong_credential_is_not_blamed(mistakes: Told, whole: str) -> None:
    (line,) = mistakes(whole.replace("keyring:acme", ""))
    assert "credentials.acme.client_secret" in line


def test_the_key_name_is_refused_for_a_section_is_named_by_its_header(mistakes: Told, whole: str) -> None:
    (line,) = mistakes(whole + 'name = "other"')
    assert "mailboxes.invoices.name: unknown key" in line


class TestDefaults:
    def test_a_mailbox_has_what_defaults_say_unless_it_says_otherwise(self, write: Write, whole: str) -> None:
        config = load(write("[defaults]\nport = 1995\nmax_per_poll = 5\n" + whole + "max_per_poll = 7\n"))
        assert (config.mailboxes["invoices"].port, config.mailboxes["invoices"].max_per_poll) == (1995, 7)

    def test_any_key_of_a_mailbox_may_be_a_default(self, write: Write, whole: str) -> None:
        head, mailbox = whole.split("[mailboxes.invoices]")
        config = load(write(head + "[defaults]" + mailbox + "[mailboxes.invoices]\n"))
        assert config.mailboxes["invoices"].credential == "acme"

    def test_a_mailbox_with_a_cron_line_does_not_inherit_the_interval(self, write: Write, whole: str) -> None:
        mailbox = load(write('[defaults]\nevery = "5m"\n' + whole + 'cron = "0 3 * * *"')).mailboxes[
            "invoices"
        ]
        assert (mailbox.every, mailbox.cron) == (None, "0 3 * * *")

    def test_a_mailbox_with_an_interval_does_not_inherit_the_cron_line(
        self, write: Write, whole: str
    ) -> None:
        mailbox = load(write('[defaults]\ncron = "0 3 * * *"\n' + whole + 'every = "5m"')).mailboxes[
            "invoices"
        ]
        assert (mailbox.every, mailbox.cron) == (timedelta(minutes=5), None)

    @pytest.mark.parametrize(
        ("default", "key"),
        [
            ("port = 0", "port"),
            ("prot = 1", "prot"),
            ("sink = { kind = 'spool', path = 'x' }", "sink.path"),
            ("credential = 'b'", "credential"),
            ("ca_file = '/nonexistent'", "ca_file"),
            ("name = 'x'", "name"),
        ],
    )
    def test_a_mistake_in_defaults_is_told_once_and_there(
        self, mistakes: Told, whole: str, default: str, key: str
    ) -> None:
        again = whole[whole.index("[mailboxes") :].replace("invoices", "orders")
        (line,) = mistakes(f"[defaults]\n{default}\n{whole}\n{again}")
        assert line.startswith(f"mailsluice.toml: defaults.{key}: ")

    def test_a_mailbox_is_not_said_to_lack_what_is_wrong_in_defaults(self, mistakes: Told) -> None:
        told = mistakes(
            "[defaults]\nhost = 'a b'\ncredential = 'x'\nsink = { kind = 'spool', path = 'x' }\n"
            "[mailboxes.m]\naddress = 'm@b.example'"
        )
        assert [line.split(": ")[1] for line in told] == [
            "defaults.sink.path",
            "defaults.credential",
            "defaults.host",
        ]

    def test_defaults_with_both_schedules_are_a_mistake(self, mistakes: Told) -> None:
        (line,) = mistakes("[defaults]\nevery = '5m'\ncron = '0 3 * * *'")
        assert line.startswith("mailsluice.toml: defaults: `every` and `cron` exclude each other")

    def test_a_mistake_in_defaults_does_not_hide_those_of_a_mailbox(self, mistakes: Told, whole: str) -> None:
        assert len(mistakes("[defaults]\nport = 0\n" + whole + "max_per_poll = 0")) == 2


class TestMailboxesTogether:
    def test_one_address_on_one_host_is_polled_by_one_mailbox(self, mistakes: Told, whole: str) -> None:
        again = (
            whole[whole.index("[mailboxes") :]
            .replace("mailboxes.invoices", "mailboxes.b")
            .replace("invoices@", "INVOICES@")
        )
        (line,) = mistakes(whole + again)
        assert "mailboxes.b: has the same host and address as mailsluice.toml: mailboxes.invoices" in line

    def test_several_mailboxes_may_share_a_spool(self, write: Write, whole: str) -> None:
        again = whole[whole.index("[mailboxes") :].replace("invoices", "b")
        assert len(load(write(whole + again)).mailboxes) == 2

    def test_a_directory_is_a_spool_or_a_maildir_not_both(self, mistakes: Told, whole: str) -> None:
        again = whole[whole.index("[mailboxes") :].replace("invoices", "b").replace('"spool"', '"maildir"')
        (line,) = mistakes(whole + again)
        assert line.startswith("mailsluice.toml: mailboxes.b.sink.path: is already a spool in ")


class TestHosts:
    PASSWORD = "[credentials.old]\nkind = 'password'\npassword = 'keyring:old'\n"
    MAILBOX = (
        "[mailboxes.m]\naddress = 'm@b.example'\ncredential = 'old'\nsink = { kind = 'spool', path = '/s' }\n"
    )

    def test_the_host_is_that_of_the_credentials_cloud(self, write: Write, whole: str) -> None:
        text = whole.replace("tenant_id =", 'cloud = "china"\ntenant_id =')
        assert load(write(text)).mailboxes["invoices"].host == "partner.outlook.cn"

    def test_the_host_of_a_command_is_exchange_online(self, write: Write) -> None:
        text = "[credentials.old]\nkind = 'command'\ncommand = ['/bin/token']\n" + self.MAILBOX
        assert load(write(text)).mailboxes["m"].host == "outlook.office365.com"

    def test_a_mailbox_with_a_password_names_its_host(self, mistakes: Told) -> None:
        (line,) = mistakes(self.PASSWORD + self.MAILBOX)
        assert line.startswith("mailsluice.toml: mailboxes.m.host: is missing")

    def test_a_password_is_no_use_at_exchange_online(self, mistakes: Told) -> None:
        (line,) = mistakes(self.PASSWORD + self.MAILBOX + "host = 'Outlook.Office365.com'")
        assert "Exchange Online refuses" in line


class TestCaFiles:
    def test_one_with_certificates_is_accepted(self, write: Write, whole: str, tmp_path: Path) -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
        assert load(write(f'{whole}ca_file = "{tmp_path}/ca.pem"')).mailboxes["invoices"].ca_file

    def test_one_that_is_not_there_is_a_mistake(self, mistakes: Told, whole: str) -> None:
        (line,) = mistakes(whole + 'ca_file = "/nonexistent/ca.pem"')
        assert (
            line == "mailsluice.toml: mailboxes.invoices.ca_file: cannot be read: No such file or directory"
        )

    def test_one_without_certificates_is_a_mistake(self, mistakes: Told, whole: str, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("nothing")
        (line,) = mistakes(f'{whole}ca_file = "{tmp_path}/ca.pem"')
        assert "mailboxes.invoices.ca_file: contains no certificate" in line

    def test_one_with_a_nul_in_its_name_is_a_mistake(self, mistakes: Told, whole: str) -> None:
        (line,) = mistakes(whole + 'ca_file = "/ca\\u0000.pem"')
        assert "mailboxes.invoices.ca_file: contains control characters" in line


class TestSecrecy:
    @pytest.mark.parametrize(
        "key",
        [
            "tenant_id",
            "client_id",
            "client_secret",
            "cloud",
            "authority",
            "scope",
            "kind",
            "ca_file",
            "certificate",
            "unknown",
        ],
    )
    @pytest.mark.parametrize("value", [f'"{CANARY} ~x"', f'["{CANARY}"]', f'{{ x = "{CANARY}" }}'])
    def test_no_key_of_a_credential_has_its_value_told(
        self, mistakes: Told, whole: str, key: str, value: str
    ) -> None:
        lines = [line for line in whole.splitlines() if not line.startswith(f"{key} =")]
        lines.insert(lines.index("[credentials.acme]") + 1, f"{key} = {value}")
        assert CANARY not in "\n".join(mistakes("\n".join(lines)))

    @pytest.mark.parametrize(
        "key",
        [
            "address",
            "credential",
            "host",
            "port",
            "every",
            "cron",
            "sink",
            "leave_on_server",
            "max_message",
            "ca_file",
            "x",
        ],
    )
    @pytest.mark.parametrize("section", ["defaults", "mailboxes.other"])
    @pytest.mark.parametrize("value", [f'"{CANARY} ~x"', f'["{CANARY}"]', f'{{ kind = "{CANARY}" }}'])
    def test_no_key_of_a_mailbox_has_its_value_told(
        self, mistakes: Told, whole: str, section: str, key: str, value: str
    ) -> None:
        assert CANARY not in "\n".join(mistakes(f"{whole}\n[{section}]\n{key} = {value}"))

    @pytest.mark.parametrize(
        "text",
        [f"password = {CANARY}", f'password = "{CANARY}', f'[a]\nb = "{CANARY}\\q"', f"a = 1 {CANARY}"],
    )
    def test_what_is_not_toml_is_not_told(self, mistakes: Told, text: str) -> None:
        (line,) = mistakes(text)
        assert CANARY not in line
        assert "is not TOML" in line
        assert "(at " in line


class TestUnreadable:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"none\.toml: there is no such file"):
            load(tmp_path / "none.toml")

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
            load(tmp_path)

    def test_a_file_that_may_not_be_read(
        self, write: Write, whole: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(whole)
        path.chmod(0o644)
        path.parent.chmod(0o755)
        monkeypatch.chdir(path.parent)  # whose parents are not for everybody
        with unprivileged():
            assert load(Path(path.name)).mailboxes
        path.chmod(0)
        with (
            unprivileged(),
            pytest.raises(ConfigurationError, match="cannot be read: Permission denied") as error,
        ):
            load(Path(path.name))
        assert "ls -l" in error.value.remedy

    def test_a_file_that_is_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / "latin.toml").write_bytes(b"# Sch\xf6n\n")
        with pytest.raises(ConfigurationError, match=r"is not UTF-8 text \(octet 5\)"):
            load(tmp_path / "latin.toml")

    def test_a_file_that_nests_too_deep(self, write: Write) -> None:
        with pytest.raises(ConfigurationError, match="is not TOML"):
            load(write("a = " + "[" * 5000))

    def test_a_byte_order_mark_does_no_harm(self, write: Write, whole: str) -> None:
        assert load(write("\ufeff" + whole)).mailboxes


def test_a_default_that_cannot_be_had_is_told_with_the_file(
    mistakes: Told, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/x")
    (line,) = mistakes(whole)
    assert line.startswith("mailsluice.toml: service.state_dir: is not set; ")


def test_many_mailboxes_load(write: Write, whole: str) -> None:
    head, mailbox = whole.split("[mailboxes.invoices]")
    sections = (f"[mailboxes.m{n}]{mailbox.replace('invoices@', f'm{n}@')}" for n in range(500))
    assert len(load(write(head + "".join(sections))).mailboxes) == 500


def test_a_zone_that_cannot_be_read_is_a_mistake_where_a_cron_line_needs_it(
    mistakes: Told, write: Write, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlln")
    assert load(write(whole)).zone is None
    (line,) = mistakes(whole + 'cron = "0 6 * * *"\n')
    assert line.startswith("TZ: there is no time zone /usr/share/zoneinfo/Europe/Berlln; ")


def test_the_zone_of_cron_lines_is_part_of_the_configuration(
    write: Write, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    zone = load(write(whole + 'cron = "0 6 * * *"\n')).zone
    assert zone is not None
    assert zone.name == "CET-1CEST,M3.5.0,M10.5.0/3, by TZ"


def test_no_file_sets_the_zone(mistakes: Told, whole: str) -> None:
    (line,) = mistakes(f"zone = 1\n{whole}")
    assert line.startswith("mailsluice.toml: zone: unknown key")
