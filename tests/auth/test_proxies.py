from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.auth.proxies import Proxies
from mailsluice.auth.secrets import Secrets
from mailsluice.config.load import load
from mailsluice.errors import SecretError
from mailsluice.net.proxy import Barred, Direct, Proxy, Route
from mailsluice.net.trials import Trials
from support.secrecy import CANARY

MAILBOX = """
[mailboxes.a]
address = "a@acme.example"
credential = "helper"
sink = { kind = "spool", path = "/a" }
"""
PASSWORD = f"{CANARY}-of-the-proxy"


Make = Callable[..., tuple[Route, Route]]


@pytest.fixture
def trials() -> Trials:
    return Trials()


@pytest.fixture
def routes(tmp_path: Path, trials: Trials) -> Make:
    """The routes to the provider and to the mailbox's server, by these lines of the two sections."""

    def make(service: str = "", mailbox: str = "") -> tuple[Route, Route]:
        file = tmp_path / "mailsluice.toml"
        file.write_text(
            f'[service]\nstate_dir = "{tmp_path}/state"\n{service}\n'
            '[credentials.helper]\nkind = "command"\ncommand = ["/bin/helper"]\n' + MAILBOX + mailbox
        )
        config = load(file)
        proxies = Proxies(config, Secrets(config.service.state_dir, "sealed"), trials)
        provider = proxies.to_provider("login.acme.example", 443)
        return provider, proxies.to_server(config.mailboxes["a"])

    return make


def at(route: Route) -> tuple[str, int, str]:
    assert isinstance(route, Proxy)
    return route.host, route.port, route.setting


def test_without_a_setting_there_is_no_proxy(routes: Make) -> None:
    assert routes() == (Direct(), Direct())


def test_the_services_proxy_is_for_tokens_and_for_every_mailbox(routes: Make) -> None:
    both = routes('proxy = "http://proxy.acme.example:3128"')
    assert [at(route) for route in both] == [("proxy.acme.example", 3128, "service.proxy")] * 2


def test_a_mailbox_may_have_its_own_and_its_token_comes_by_the_services(routes: Make) -> None:
    provider, server = routes('proxy = "http://one:1"', 'proxy = "http://two:2"')
    assert (at(provider), at(server)) == (("one", 1, "service.proxy"), ("two", 2, "mailboxes.a.proxy"))


def test_a_mailbox_on_a_server_that_the_proxy_does_not_know_has_none(routes: Make) -> None:
    provider, server = routes('proxy = "http://one:1"', 'proxy = "none"')
    assert (at(provider)[0], server) == ("one", Direct())


def test_the_password_is_read_for_each_connection(routes: Make, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    secret.chmod(0o600)
    route, _ = routes(f'proxy = "http://ann@one:1"\nproxy_password = "file:{secret}"')
    assert isinstance(route, Proxy)
    assert route.password
    assert (route.user, route.password()) == ("ann", "old")
    secret.write_text("new\n")
    assert route.password() == "new"
    assert f"file:{secret}" in route.access


@pytest.mark.parametrize(
    "lines", ['proxy = "http://ann@one:1"\nproxy_password = "env:PW"', 'proxy = "environment"']
)
def test_what_is_known_of_a_password_is_known_on_every_route(
    routes: Make, trials: Trials, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    monkeypatch.setenv("PW", PASSWORD)
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:{PASSWORD}@one:1")
    both = [*routes(lines), *routes(lines)]
    assert [isinstance(route, Proxy) and route.trials is trials for route in both] == [True] * 4


@pytest.mark.parametrize("wrong", ["two\nlines", "tab\there", "\x7f"])
def test_a_password_with_a_control_character_is_said_to_be_that(
    routes: Make, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("PW", f"{PASSWORD}{wrong}")
    route, _ = routes('proxy = "http://ann@one:1"\nproxy_password = "env:PW"')
    assert isinstance(route, Proxy)
    assert route.password
    with pytest.raises(SecretError, match="env:PW: the proxy's password has a line end") as caught:
        route.password()
    assert PASSWORD not in str(caught.value)


def test_where_the_password_is_missing_the_proxy_is_given_one_by_these_lines(routes: Make) -> None:
    _, route = routes("", 'proxy = "http://[::1]:1"')
    assert isinstance(route, Proxy)
    assert "write USER@ before the host in mailboxes.a.proxy" in route.access
    assert 'proxy_password = "keyring:proxy"' in route.access
    assert "secret set proxy" in route.access


@pytest.mark.parametrize(
    ("variables", "host", "name"),
    [
        ({"HTTPS_PROXY": "http://one:1"}, "one", "HTTPS_PROXY"),
        ({"https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "one", "https_proxy"),
        ({"ALL_PROXY": "http://one:1"}, "one", "ALL_PROXY"),
        ({"all_proxy": "http://two:2", "HTTPS_PROXY": "http://one:1"}, "one", "HTTPS_PROXY"),
    ],
)
def test_the_environment_decides_where_the_configuration_says_so(
    routes: Make, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], host: str, name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    both = routes('proxy = "environment"')
    assert {at(route) for route in both} == {(host, 1, f"{name} in the environment")}


def test_a_password_of_the_environment_is_used_and_shown_nowhere(
    routes: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:{PASSWORD}%40%3A@one:1")
    route, _ = routes('proxy = "environment"')
    assert isinstance(route, Proxy)
    assert route.password
    assert (route.user, route.password()) == ("ann", f"{PASSWORD}@:")
    assert PASSWORD not in repr(route) + str(route) + route.access


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    "value", ["*", "login.acme.example,outlook.office365.com", ".acme.example, .office365.com"]
)
def test_no_proxy_is_obeyed_where_the_environment_is(
    routes: Make, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one:1")
    monkeypatch.setenv(name, value)
    assert routes('proxy = "environment"') == (Direct(), Direct())


def test_no_proxy_may_name_a_port(routes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one:1")
    monkeypatch.setenv("NO_PROXY", "outlook.office365.com:995")
    provider, server = routes('proxy = "environment"')
    assert (at(provider)[0], server) == ("one", Direct())


def test_an_environment_without_a_proxy_means_none(routes: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://one:1")  # for http alone, which nothing here is
    assert routes('proxy = "environment"') == (Direct(), Direct())


@pytest.mark.parametrize(
    "value", ["https://one:1", "socks5://one:1", "one:1", "http://one:1/path", "ftp://one"]
)
def test_a_variable_that_cannot_be_obeyed_bars_the_way_and_is_not_repeated(
    routes: Make, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    route, _ = routes('proxy = "environment"')
    assert isinstance(route, Barred)
    assert route.why.startswith("HTTPS_PROXY in the environment ")
    assert value not in route.why
    assert "http://proxy.acme.example:3128" in route.why


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("mailbox", ["", 'proxy = "none"'])
def test_a_variable_that_is_not_used_is_named_with_what_would_use_it(
    routes: Make, monkeypatch: pytest.MonkeyPatch, name: str, mailbox: str
) -> None:
    monkeypatch.setenv(name, f"http://ann:{PASSWORD}@one:1")
    for route in routes("", mailbox):
        assert route == Direct(f'{name} is set, but used only with `proxy = "environment"` in [service]')
