from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mailsluice.config.change import Change
from mailsluice.config.load import load
from mailsluice.config.models import Config
from mailsluice.config.proxy import ProxyAddress, parse_proxy
from mailsluice.config.types import SecretRef
from mailsluice.errors import ConfigurationError
from support.secrecy import CANARY

TEXT = """
[credentials.acme]
kind = "entra"
tenant_id = "acme.example"
client_id = "app"
client_secret = "keyring:acme"
[credentials.helper]
kind = "command"
command = ["/bin/helper"]
{defaults}
[mailboxes.a]
address = "a@acme.example"
credential = "acme"
sink = {{ kind = "spool", path = "/a" }}
{a}
[mailboxes.b]
address = "b@acme.example"
credential = "helper"
sink = {{ kind = "spool", path = "/b" }}
{b}
[service]
state_dir = "/state"
{service}
"""
USER = 'proxy = "http://ann@one:1"'
PASSWORD = 'proxy_password = "keyring:proxy"'
Read = Callable[..., Config]


@pytest.fixture
def read(write: Callable[..., Path]) -> Read:
    def make(service: str = "", a: str = "", b: str = "", defaults: str = "") -> Config:
        return load(write(TEXT.format(service=service, a=a, b=b, defaults=f"[defaults]\n{defaults}")))

    return make


def mistakes(read: Read, *sections: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(*sections)
    print(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://proxy.acme.example:3128", ProxyAddress("proxy.acme.example", 3128)),
        ("http://proxy.acme.example", ProxyAddress("proxy.acme.example", 80)),
        ("http://proxy.acme.example:3128/", ProxyAddress("proxy.acme.example", 3128)),
        ("HTTP://10.0.0.1:8080", ProxyAddress("10.0.0.1", 8080)),
        ("http://[::1]:3128", ProxyAddress("::1", 3128)),
        ("http://ann@one:1", ProxyAddress("one", 1, "ann")),
        ("http://ACME%5Cann@one:1", ProxyAddress("one", 1, "ACME\\ann")),
        ("http://ann%40acme.example@one:1", ProxyAddress("one", 1, "ann@acme.example")),
    ],
)
def test_an_address_is_a_url_of_http(text: str, address: ProxyAddress) -> None:
    assert parse_proxy(text) == address
    assert parse_proxy(address) == address


@pytest.mark.parametrize("word", ["environment", "none"])
def test_two_words_have_a_meaning_of_their_own(word: str) -> None:
    assert parse_proxy(word) == word


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("https://proxy:3128", "TLS begins behind a proxy"),
        ("socks5://proxy:1080", "SOCKS proxy"),
        ("socks5h://proxy:1080", "SOCKS proxy"),
        ("ftp://proxy", "must begin with http://"),
        ("proxy.acme.example:3128", "no scheme"),
        ("proxy", "no scheme"),
        ("", "no URL has"),
        ("http://", "host and port alone"),
        ("http://:3128", "host and port alone"),
        ("http://proxy:0", "host and port alone"),
        ("http://proxy:99999", "not a URL"),
        ("http://proxy:port", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://proxy:3128/path", "host and port alone"),
        ("http://proxy:3128?x", "host and port alone"),
        ("http://pro xy", "no URL has"),
        ("http://proxy\r\nX: y", "no URL has"),
        ("http://pröxy", "no URL has"),
        ("http://under_score", "host name or an IP address"),
        ("http://a%3Ab@proxy", "a user with a colon"),
        ("http://a%0Ab@proxy", "control characters"),
        (True, "must be a string"),
        (3128, "must be a string"),
    ],
)
def test_anything_else_is_told_what_is_right(value: object, what: str) -> None:
    with pytest.raises(ValueError, match=r"http://proxy.acme.example:3128|told") as caught:
        parse_proxy(value)
    assert what in str(caught.value)


def test_a_password_in_the_url_is_refused_with_what_to_do_and_never_repeated(read: Read) -> None:
    url = f"http://ann:{CANARY}@one:1"
    said = mistakes(read, f'proxy = "{url}"', f'proxy = "{url}"')
    assert CANARY not in said
    assert "service.proxy: has a password in it" in said
    assert "mailboxes.a.proxy: has a password in it" in said
    assert 'proxy_password = "keyring:proxy"' in said


def test_a_password_itself_in_the_place_of_its_reference_is_refused(read: Read) -> None:
    assert CANARY not in mistakes(read, f'{USER}\nproxy_password = "{CANARY}"')


def test_the_service_has_no_proxy_unless_it_says_so_and_a_mailbox_follows_the_service(read: Read) -> None:
    config = read()
    assert (config.service.proxy, config.mailboxes["a"].proxy) == ("none", None)


def test_a_user_has_a_password_beside_it(read: Read) -> None:
    config = read(f"{USER}\n{PASSWORD}")
    assert config.service.proxy == ProxyAddress("one", 1, "ann")
    assert config.service.proxy_password == SecretRef("keyring", "proxy")


@pytest.mark.parametrize(
    "line", [USER, PASSWORD, f'proxy = "http://one:1"\n{PASSWORD}', f'proxy = "none"\n{PASSWORD}']
)
def test_a_user_and_its_password_go_together(read: Read, line: str) -> None:
    assert "proxy_password" in mistakes(read, line)
    assert "mailboxes.a" in mistakes(read, "", line)


def test_a_mailbox_with_a_proxy_of_its_own_does_not_take_the_password_of_the_defaults(read: Read) -> None:
    config = read("", 'proxy = "none"', "", f"{USER}\n{PASSWORD}")
    assert (config.mailboxes["a"].proxy, config.mailboxes["a"].proxy_password) == ("none", None)
    assert config.mailboxes["b"].proxy_password == SecretRef("keyring", "proxy")


@pytest.mark.parametrize("section", ["service", "a"])
def test_a_token_command_is_not_given_the_password(write: Callable[..., Path], section: str) -> None:
    helper = 'command = ["/bin/helper"]'
    text = TEXT.replace(helper, f'{helper}\nenvironment = ["PROXY_PASSWORD"]')
    lines = dict.fromkeys(("service", "a", "b", "defaults"), "")
    lines[section] = f'{USER}\nproxy_password = "env:PROXY_PASSWORD"'
    with pytest.raises(ConfigurationError, match="must not be given the secret env:PROXY_PASSWORD"):
        load(write(text.format(**lines)))


@pytest.mark.parametrize(
    ("a", "b", "changed"),
    [
        ("", "", {"a", "b"}),
        ('proxy = "none"', 'proxy = "none"', {"a"}),  # its token comes by the service's
        ("", 'proxy = "environment"', {"a"}),
    ],
)
@pytest.mark.parametrize("after", ['proxy = "http://two:2"', f"{USER}\n{PASSWORD}", 'proxy = "environment"'])
def test_another_proxy_of_the_service_changes_whoever_uses_it(
    read: Read, a: str, b: str, changed: set[str], after: str
) -> None:
    assert Change.between(read("", a, b), read(after, a, b)) == Change(
        frozenset(), frozenset(changed), frozenset()
    )


def test_another_reference_to_the_password_changes_whoever_uses_it(read: Read) -> None:
    before, after = f"{USER}\n{PASSWORD}", f'{USER}\nproxy_password = "keyring:other"'
    assert Change.between(read(before), read(after)).changed == {"a", "b"}


def test_a_proxy_of_a_mailbox_changes_that_mailbox(read: Read) -> None:
    assert Change.between(read(), read("", "", 'proxy = "http://two:2"')).changed == {"b"}
