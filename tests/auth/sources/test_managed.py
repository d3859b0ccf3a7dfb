from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msal import managed_identity as library

from auth.sources.machines import asked_of, bare_machine, machine_at
from mailsluice.auth.sources.managed import ManagedSource
from mailsluice.auth.sources.source import problem
from mailsluice.clock import SystemClock
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import TokenError, TokenRefused, TokenUnavailable
from mailsluice.net.metadata import MetadataHttp
from mailsluice.outcome import Disposition
from mailsluice_sandbox import Answer, ArmedFault, Fault, Machine, Silence
from support.black_hole import black_hole

__all__ = ["bare_machine"]

PLACES = ["vm", "app_service", "arc"]
NAMES = {
    "vm": "Azure's metadata service (variables that are set: AZURE_POD_IDENTITY_AUTHORITY_HOST)",
    "app_service": "Azure App Service (variables that are set: IDENTITY_ENDPOINT, IDENTITY_HEADER)",
    "arc": "the Azure Arc agent (variables that are set: IDENTITY_ENDPOINT, IMDS_ENDPOINT)",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setitem(library._supported_arc_platforms_and_their_prefixes, "linux", str(tmp_path))
    with machine_at(tmp_path) as machine:
        yield machine


@pytest.fixture
def place(request: pytest.FixtureRequest, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = getattr(request, "param", "vm")
    enter(monkeypatch, getattr(machine, name))
    return name


def enter(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def source(deadline: float = 5.0, connect: float = 5.0, **keys: str) -> ManagedSource:
    credential = EntraCredential.model_validate({"flow": "managed-identity", **keys})
    return ManagedSource(credential, SystemClock(), deadline, connect)


def answering(machine: Machine, status: int, document: object, **headers: str) -> ArmedFault:
    return machine.faults.add(Fault("IDENTITY", Answer(status, json.dumps(document).encode(), headers)))


def refusal(of: ManagedSource) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        of.ask()
    assert caught.value.remedy
    assert "canary" not in f"{caught.value} {caught.value.remedy}"
    return caught.value


def unavailability(of: ManagedSource) -> TokenUnavailable:
    with pytest.raises(TokenUnavailable) as caught:
        of.ask()
    assert caught.value.remedy
    assert "canary" not in f"{caught.value} {caught.value.remedy}"
    return caught.value


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("place", PLACES, indirect=True)
class TestEverywhere:
    def test_the_machines_own_identity_has_a_token(self, machine: Machine) -> None:
        assert asked_of(source().ask().value) == (machine.system_assigned, "https://outlook.office365.com")

    def test_another_identity_is_chosen_by_its_client_id(self, machine: Machine) -> None:
        machine.assign()
        second = machine.assign()
        assert asked_of(source(client_id=second).ask().value)[0] == second

    def test_the_resource_is_the_scope_without_its_end(self, machine: Machine) -> None:
        refused = source(cloud="gcc-high")
        with pytest.raises((TokenRefused, TokenUnavailable)):
            refused.ask()
        assert machine.requests[-1]["resource"] == "https://outlook.office365.us"

    def test_a_token_for_a_day_lives_a_day(self) -> None:
        assert source().ask().lifetime == pytest.approx(86_400, abs=5)

    def test_a_token_never_lives_longer_than_azures_do(self, machine: Machine) -> None:
        machine.lifetime = timedelta(days=30)
        assert source().ask().lifetime == 86_400

    def test_a_token_that_has_ended_by_our_clock_is_used_once(self, machine: Machine) -> None:
        machine.lifetime = timedelta(hours=-1)
        assert source().ask().lifetime == 0

    def test_each_token_is_asked_for_anew(self, machine: Machine) -> None:
        asking = source()
        asking.ask()
        asked = len(machine.requests)
        asking.ask()
        assert len(machine.requests) == 2 * asked

    def test_an_error_says_which_service_it_was_and_by_which_variables(
        self, machine: Machine, place: str
    ) -> None:
        answering(machine, 503, {})
        assert str(unavailability(source())) == f"no token from {NAMES[place]}: it answered HTTP 503"

    def test_an_identity_that_this_machine_does_not_have_is_refused(self, place: str) -> None:
        error = refusal(source(client_id="nobody"))
        assert str(error).startswith(f"{NAMES[place]} refused a token to the identity nobody: ")
        assert "check `client_id`" in error.remedy

    def test_a_machine_without_an_identity_is_told_to_get_one(self, machine: Machine) -> None:
        machine.system_assigned = None
        error = refusal(source())
        assert "found" in str(error)
        assert "give this machine a system-assigned identity" in error.remedy

    def test_an_identity_that_appears_after_some_minutes_is_found(self, machine: Machine) -> None:
        asking = source()
        identity, machine.system_assigned = machine.system_assigned, None
        error = refusal(asking)
        assert "if this was done just now, wait some minutes" in error.remedy
        assert error.outcome.disposition is Disposition.OPERATOR  # which is tried again, slowly
        machine.system_assigned = identity
        assert asking.ask().value

    @pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
    def test_a_service_that_is_being_updated_or_limits_us_is_asked_again(
        self, machine: Machine, status: int
    ) -> None:
        answering(machine, status, {"error": "canary"}, **{"Retry-After": "70"})
        error = unavailability(source())
        assert f"it answered HTTP {status}" in str(error)
        assert error.retry_after == 70
        assert error.outcome.disposition is Disposition.BACK_OFF
        assert "within minutes" in error.remedy
        assert source().ask().value

    def test_a_service_that_is_slow_for_a_moment_is_asked_again(self, machine: Machine) -> None:
        silence = machine.faults.add(Fault("IDENTITY", Silence()))
        assert "it did not answer in time" in str(unavailability(source(deadline=0.3)))
        silence.release()
        assert source().ask().value

    def test_a_token_that_cannot_be_one_is_not_shown(self, machine: Machine, place: str) -> None:
        document = {"access_token": "canary token", "expires_in": "5", "expires_on": "9999999999"}
        if place == "arc":  # the first answer is the challenge
            machine.faults.add(Fault("IDENTITY", Answer(200, json.dumps(document).encode()), skip=1))
        else:
            answering(machine, 200, document)
        assert "no usable token: it has spaces" in str(unavailability(source()))

    @pytest.mark.parametrize("life", ["soon", [], {"a": "b"}, "1e5", "9" * 5000])
    def test_a_lifetime_that_is_no_number_makes_no_sense(
        self, machine: Machine, place: str, life: object
    ) -> None:
        document = {"access_token": "canary-token", "expires_in": life, "expires_on": life}
        fault = Fault("IDENTITY", Answer(200, json.dumps(document).encode()), skip=place == "arc")
        machine.faults.add(fault)
        try:
            assert source().ask().lifetime == 0
        except TokenUnavailable as exc:
            assert "canary" not in str(exc)  # noqa: PT017  either is in order


class TestMetadataService:
    @pytest.mark.usefixtures("place")
    def test_several_identities_and_none_chosen_is_told_as_such(self, machine: Machine) -> None:
        machine.system_assigned = None
        machine.assign()
        machine.assign()
        error = refusal(source())
        assert "Multiple user assigned identities exist" in str(error)
        assert "write the client ID of one as `client_id`" in error.remedy

    @pytest.mark.usefixtures("place")
    def test_a_wrong_audience_is_told_as_such(self) -> None:
        error = refusal(source(scope="https://graph.microsoft.com/.default"))
        assert "invalid_resource: AADSTS500011" in str(error)
        assert error.remedy.startswith("check `scope` and `cloud`")

    def test_a_machine_outside_azure_is_told_so_within_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with black_hole() as (host, port):
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://{host}:{port}")
            error = unavailability(source(deadline=30, connect=0.2))
        assert "it did not answer in time" in str(error)
        assert "this machine is not in Azure, or 169.254.169.254 is blocked" in error.remedy
        assert "IPAddressDeny=" in error.remedy

    def test_without_variables_the_error_says_that_none_was_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_to_dial(monkeypatch)
        error = unavailability(source())
        assert str(error) == (
            "no token from Azure's metadata service (variables that are set: none): "
            "it cannot be reached: Network is unreachable"
        )
        assert "start mailsluice with all variables, which sudo drops" in error.remedy

    def test_variables_that_came_through_only_in_part_are_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_to_dial(monkeypatch)
        monkeypatch.setenv("IDENTITY_HEADER", "canary")
        assert "(variables that are set: IDENTITY_HEADER)" in str(unavailability(source()))


def refuse_to_dial(monkeypatch: pytest.MonkeyPatch, address: str = "169.254.169.254") -> None:
    def dial(addresses: list[tuple[object, ...]], _left: object) -> socket.socket:
        assert {address[-1] for address in addresses} == {(address, 80)}
        raise OSError(101, os.strerror(101))

    monkeypatch.setattr("mailsluice.net.metadata.dial", dial)


@pytest.mark.parametrize("address", ["172.16.1.3", "100.64.100.2"])
def test_only_app_service_is_between_a_container_and_its_host(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    refuse_to_dial(monkeypatch, address)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{address}/msi/token")
    with monkeypatch.context() as app_service:
        app_service.setenv("IDENTITY_HEADER", "canary")
        assert "Network is unreachable" in str(unavailability(source()))
    monkeypatch.setenv("IMDS_ENDPOINT", "http://127.0.0.1")
    assert "the Azure Arc agent" in str(refusal(source()))


@pytest.mark.parametrize("address", ["169.254.169.254", "https://169.254.169.254", "http://203.0.113.7"])
def test_a_metadata_service_on_another_machine_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", address)
    assert "correct or unset AZURE_POD_IDENTITY_AUTHORITY_HOST" in refusal(source()).remedy


class TestAppService:
    @pytest.mark.parametrize("endpoint", ["", "http://203.0.113.7/msi/token", "https://login.example/"])
    def test_the_machines_secret_goes_to_no_other_address(
        self, monkeypatch: pytest.MonkeyPatch, endpoint: str
    ) -> None:
        enter(monkeypatch, {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": "canary"})
        error = refusal(source())
        assert "is not one that Azure has on a machine; nothing was sent" in str(error)
        assert "correct or unset IDENTITY_ENDPOINT" in error.remedy
        assert "203.0.113.7" not in f"{error} {error.remedy}"

    def test_a_wrong_header_is_refused_and_not_shown(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enter(monkeypatch, {**machine.app_service, "IDENTITY_HEADER": "canary-other"})
        assert "HTTP 401: Unauthorized" in str(refusal(source()))


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("place", ["arc"], indirect=True)
class TestArc:
    def test_a_key_that_we_may_not_read_names_the_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_: object) -> None:
            raise PermissionError(13, "Permission denied", "/canary")

        monkeypatch.setattr(library, "open", denied, raising=False)
        error = refusal(source())
        assert str(error) == f"no token from {NAMES['arc']}: its key cannot be read: Permission denied"
        assert "usermod --append --groups himds " in error.remedy
        assert error.denied

    def test_a_key_that_is_gone_is_asked_for_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(library._supported_arc_platforms_and_their_prefixes, "linux", "/nowhere")
        assert "its key cannot be read: No such file" in str(unavailability(source()))

    def test_a_challenge_names_no_file_outside_the_agents_directory(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "other.key").write_text("canary")
        realm = f"Basic realm={tmp_path}/elsewhere/other.key"
        answering(machine, 401, {}, **{"WWW-Authenticate": realm})
        assert "its key cannot be read" in str(unavailability(source()))
        assert len(machine.requests) == 1

    def test_a_key_that_is_not_the_challenges_is_refused_and_not_shown(
        self, machine: Machine, tmp_path: Path
    ) -> None:
        (tmp_path / "other.key").write_text("canary-key\n")
        answering(machine, 401, {}, **{"WWW-Authenticate": "Basic realm=other.key"})
        assert "the key is not the one of a challenge" in str(refusal(source()))

    def test_an_agent_that_gives_another_identity_than_asked_for_is_not_believed(
        self, machine: Machine
    ) -> None:
        machine.is_old = True
        error = refusal(source(client_id=machine.assign()))
        assert "did not give a token of the identity" in str(error)
        assert "remove `client_id`" in error.remedy

    def test_a_token_without_a_challenge_is_not_believed_and_not_shown(self, machine: Machine) -> None:
        answering(machine, 200, {"access_token": "canary-token", "expires_in": "60"})
        assert "no usable token: it is empty" in str(unavailability(source()))

    @pytest.mark.parametrize("realm", ["Basic realm=a=b", "Basic realm="])
    def test_a_challenge_that_names_no_key_makes_no_sense(self, machine: Machine, realm: str) -> None:
        answering(machine, 401, {}, **{"WWW-Authenticate": realm})
        unavailability(source())


def test_an_arc_agent_that_is_installed_needs_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = os.path.exists
    monkeypatch.setattr(
        library.os.path, "exists", lambda path: path == "/opt/azcmagent/bin/himds" or exists(path)
    )
    asking = source()
    assert str(asking.unavailable("x")) == (
        "no token from the Azure Arc agent (variables that are set: none): x"
    )


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        (("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"), "Azure Service Fabric"),
        (("MSI_ENDPOINT", "MSI_SECRET"), "Azure Machine Learning"),
        (("AZUREPS_HOST_ENVIRONMENT",), "Azure Cloud Shell"),
    ],
)
def test_a_service_that_we_cannot_ask_is_named_and_not_asked(
    monkeypatch: pytest.MonkeyPatch, variables: tuple[str, ...], name: str
) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, "cloud-shell-canary")
    error = refusal(source())
    assert str(error) == (
        f"mailsluice cannot get a token of a managed identity from {name} "
        f"(variables that are set: {', '.join(variables)})"
    )
    assert "use another way in" in error.remedy


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("canary-token"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
_NAMES = ["access_token", "expires_in", "expires_on", "token_type", "client_id", "resource"]
_DOCUMENTS = st.dictionaries(st.sampled_from([*_NAMES, "error", "error_description", "message"]), _JSON)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(PLACES),
    status=st.sampled_from([200, 400, 401, 403, 503]),
    document=_DOCUMENTS,
    challenge=st.text() | st.just("Basic realm=x.key"),
)
def test_whatever_is_answered_there_is_a_token_or_an_error_in_order(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
    status: int,
    document: dict[str, object],
    challenge: str,
) -> None:
    (tmp_path / "x.key").write_text("canary-key")
    answers = iter([(401, {"Www-Authenticate": challenge}, b""), (status, {}, json.dumps(document).encode())])
    if place != "arc":
        next(answers)
    with monkeypatch.context() as patch:
        patch.setitem(library._supported_arc_platforms_and_their_prefixes, "linux", str(tmp_path))
        patch.setattr(MetadataHttp, "_connected", lambda *_: nullcontext())
        patch.setattr(MetadataHttp, "_exchange", lambda *_: next(answers))
        for name in {"vm": (), "app_service": ("ENDPOINT", "HEADER"), "arc": ("ENDPOINT",)}[place]:
            patch.setenv(f"IDENTITY_{name}", "http://127.0.0.1/")
        if place == "arc":
            patch.setenv("IMDS_ENDPOINT", "http://127.0.0.1/")
        try:
            token = source().ask()
        except TokenError as exc:
            assert "canary" not in str(exc) or status in {400, 401, 403}  # noqa: PT017  a refusal's words
        else:
            assert problem(token.value) == ""
            assert 0 <= token.lifetime <= 86_400
