"""In which cloud a tenant is, by what the login hosts tell everybody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.hand_clock import HandClock
from auth.token_endpoint import Answer, TokenEndpoint, as_json
from checking.meaning import means_of
from mailsluice.checking import clouds
from mailsluice.checking.clouds import Searched, found_in, search
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import Cloud, EntraCredential
from mailsluice.errors import SecretError
from mailsluice.net.proxy import Proxy, Route
from support.black_hole import black_hole

TENANT = "acme.example"
LOGIN_CLOUDS: tuple[Cloud, ...] = ("worldwide", "gcc-high", "china")


class LoginHosts:
    """A login host for each of the clouds that have one; none of them knows a tenant."""

    def __init__(self, directory: Path) -> None:
        self.of: dict[Cloud, TokenEndpoint] = {}
        for cloud in LOGIN_CLOUDS:
            (directory / cloud).mkdir()
            self.of[cloud] = TokenEndpoint(directory / cloud)
        self.ca_file = directory / "all.pem"
        self.ca_file.write_text("".join(host.ca_file.read_text() for host in self.of.values()))
        self.names: dict[Cloud, str] = {
            cloud: host.address.removeprefix("https://") for cloud, host in self.of.items()
        }
        self.names["dod"] = self.names["gcc-high"]

    def forget(self) -> None:
        for host in self.of.values():
            host.paths.clear()
            host.configuration = not_there

    def know(self, *asked: Cloud, of: Cloud, **more: object) -> None:
        """Have these hosts answer with a tenant of the cloud `of`."""
        document = {"issuer": f"https://{self.names[of]}/00000000-aaaa/v2.0", **more}
        for cloud in asked:
            self.of[cloud].configuration = lambda: as_json(200, document)

    def credential(self, cloud: Cloud = "worldwide", **keys: object) -> EntraCredential:
        return EntraCredential.model_validate(
            {
                "tenant_id": TENANT,
                "client_id": "app",
                "client_secret": "keyring:acme",
                "cloud": cloud,
                "authority": f"https://{self.names[cloud]}/{TENANT}",
                "ca_file": str(self.ca_file),
                **keys,
            }
        )

    def asked(self) -> list[Cloud]:
        return [cloud for cloud, host in self.of.items() if host.paths]


def not_there() -> Answer:
    said = "AADSTS90002: Tenant 'acme.example' not found. Check to make sure you have the correct tenant ID."
    return as_json(400, {"error": "invalid_tenant", "error_description": said, "error_codes": [90002]})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoginHosts]:
    hosts = LoginHosts(tmp_path_factory.mktemp("hosts"))
    yield hosts
    for host in hosts.of.values():
        host.close()


@pytest.fixture
def hosts(running: LoginHosts) -> LoginHosts:
    running.forget()
    return running


def found(hosts: LoginHosts, credential: EntraCredential) -> Cloud | None:
    return search(credential, clock=HandClock(), login_hosts=hosts.names).cloud


@pytest.mark.parametrize("cloud", ["gcc-high", "china"])
def test_the_cloud_whose_login_host_has_the_tenant_is_named(hosts: LoginHosts, cloud: Cloud) -> None:
    hosts.know(cloud, of=cloud)

    assert found(hosts, hosts.credential()) == cloud


def test_the_worldwide_cloud_is_found_from_another_one(hosts: LoginHosts) -> None:
    hosts.know("worldwide", of="worldwide")

    assert found(hosts, hosts.credential("china")) == "worldwide"


def test_the_document_says_which_cloud_and_not_the_host_that_answers(hosts: LoginHosts) -> None:
    """The host of China also answers for tenants of the worldwide cloud."""
    hosts.know("china", "worldwide", of="worldwide")

    assert found(hosts, hosts.credential("gcc-high")) == "worldwide"


@pytest.mark.parametrize(
    ("scope", "cloud"), [("DOD", "dod"), ("DODCON", "gcc-high"), ("GCC", "gcc-high"), (["DOD"], "gcc-high")]
)
def test_the_two_clouds_of_one_login_host_are_told_apart_by_the_scope(
    hosts: LoginHosts, scope: object, cloud: Cloud
) -> None:
    hosts.know("gcc-high", of="gcc-high", tenant_region_sub_scope=scope)

    assert found(hosts, hosts.credential()) == cloud


def test_a_name_that_two_clouds_have_is_found_in_none(hosts: LoginHosts) -> None:
    hosts.know("worldwide", of="worldwide")
    hosts.know("china", of="china")

    assert found(hosts, hosts.credential("gcc-high")) is None


def test_the_cloud_that_is_configured_is_never_the_other_one(hosts: LoginHosts) -> None:
    hosts.know("gcc-high", "china", of="worldwide")

    assert found(hosts, hosts.credential()) is None


def test_a_tenant_that_no_cloud_has_is_found_in_none(hosts: LoginHosts) -> None:
    assert found(hosts, hosts.credential()) is None
    assert hosts.asked() == ["gcc-high", "china"]


@pytest.mark.parametrize(
    "answer",
    [
        as_json(200, {}),
        as_json(200, {"issuer": None}),
        as_json(200, {"issuer": "https://["}),
        as_json(200, {"issuer": "https://login.example/x/v2.0"}),
        as_json(200, {"issuer": ["https://login.microsoftonline.com/x"]}),
        as_json(200, [1]),
        as_json(404, {"error": 1}),
        as_json(503, {}),
        (302, {"Location": "https://127.0.0.1:1/"}, b""),
        (200, {}, b"<html>sign in to the hotel's network</html>"),
        (200, {}, b"[" * 100_000),
        (400, {}, b"\xff\xfe"),
    ],
)
def test_any_other_answer_is_unknown(hosts: LoginHosts, answer: Answer) -> None:
    hosts.of["gcc-high"].configuration = lambda: answer

    assert found(hosts, hosts.credential()) is None


def test_a_host_that_cannot_be_asked_does_not_hide_another_one(hosts: LoginHosts) -> None:
    hosts.know("china", of="china")
    names = {**hosts.names, "gcc-high": "127.0.0.1:1", "dod": "127.0.0.1:1"}

    assert search(hosts.credential(), clock=HandClock(), login_hosts=names).cloud == "china"


def test_a_host_that_drops_everything_costs_its_deadline_and_no_more(
    hosts: LoginHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "DEADLINE", 0.2)
    hosts.know("china", of="china")
    begun = time.monotonic()
    with black_hole() as hole:
        silent = f"{hole[0]}:{hole[1]}"
        names = {**hosts.names, "gcc-high": silent, "dod": silent}

        assert search(hosts.credential(), clock=SystemClock(), login_hosts=names).cloud == "china"

    assert time.monotonic() - begun < 5


def test_each_host_is_asked_on_its_route(hosts: LoginHosts) -> None:
    routes: list[tuple[str, int]] = []

    def find_route(host: str, port: int) -> Route:
        routes.append((host, port))
        return Proxy("127.0.0.1", 1, "service.proxy", "")

    assert (
        search(hosts.credential(), clock=HandClock(), find_route=find_route, login_hosts=hosts.names)
        == Searched()
    )
    assert hosts.asked() == []
    assert {f"{host}:{port}" for host, port in routes} == {hosts.names["gcc-high"], hosts.names["china"]}


def test_a_proxy_whose_password_cannot_be_read_leaves_it_unknown(hosts: LoginHosts) -> None:
    def password() -> str:
        raise SecretError("the keyring is locked")

    def find_route(_host: str, _port: int) -> Route:
        return Proxy("127.0.0.1", 1, "service.proxy", "", "user", password)

    assert (
        search(hosts.credential(), clock=HandClock(), find_route=find_route, login_hosts=hosts.names)
        == Searched()
    )


def test_an_authority_that_is_not_trusted_leaves_it_unknown(hosts: LoginHosts, tmp_path: Path) -> None:
    hosts.know("china", of="china")

    assert found(hosts, hosts.credential(ca_file=str(tmp_path / "missing.pem"))) is None


def test_only_the_name_of_the_tenant_goes_out(hosts: LoginHosts) -> None:
    found(hosts, hosts.credential())

    assert hosts.of["china"].paths == ["/acme.example/v2.0/.well-known/openid-configuration"]
    assert "authorization" not in hosts.of["china"].headers[-1]


def test_an_identity_of_the_machine_has_no_tenant_to_look_for(hosts: LoginHosts) -> None:
    credential = EntraCredential.model_validate({"flow": "managed-identity"})

    assert found(hosts, credential) is None
    assert hosts.asked() == []


def test_a_check_asks_the_login_hosts_on_the_route_to_providers(
    hosts: LoginHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "LOGIN_HOSTS", hosts.names)
    hosts.know("china", of="china")

    assert found_in(hosts.credential(), means_of(tmp_path)).cloud == "china"


def test_that_no_other_cloud_has_the_tenant_is_known_only_if_every_host_says_so(hosts: LoginHosts) -> None:
    def searched() -> Searched:
        return search(hosts.credential(), clock=HandClock(), login_hosts=hosts.names)

    assert searched() == Searched(nowhere=True)
    hosts.of["china"].configuration = lambda: as_json(503, {})
    assert searched() == Searched()
