from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from auth.token_endpoint import TENANT, TokenEndpoint, as_json
from mailsluice.auth.signing.sign_in import DeviceCode, Signing
from mailsluice.auth.signing.sign_ins import SignIn
from mailsluice.config.credentials import EntraCredential
from mailsluice.errors import MailsluiceError, TokenRefused, TokenUnavailable
from mailsluice.net.https import ProviderHttp
from mailsluice.outcome import ExitCode
from mailsluice_sandbox import Answer, Close, Fault, Sandbox
from support.people import open_address

ANN = "ann@acme.example"


class HandClock:
    """Time that passes when somebody waits. Then `meanwhile` happens."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waits: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.seconds += seconds
        self.waits.append(seconds)
        self.meanwhile()


class Recorded:
    """A person who notes what they are told, and does it with the browser, if there is one."""

    def __init__(self, browser: Callable[[str], object] = lambda _: None) -> None:
        self.codes: list[DeviceCode] = []
        self._browser = browser

    def enter(self, code: DeviceCode) -> None:
        self.codes.append(code)

    def open(self, address: str, port: int) -> None:
        assert f"localhost%3A{port}" in address
        self._browser(address)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def credential(sandbox: Sandbox) -> EntraCredential:
    return EntraCredential.model_validate(
        {
            "flow": "device-code",
            "tenant_id": sandbox.tenant_id,
            "client_id": sandbox.client_id,
            "authority": sandbox.authority,
            "ca_file": str(sandbox.ca_file),
        }
    )


def signing_to(credential: EntraCredential, clock: HandClock) -> Signing:
    return Signing("ann", credential, lambda: ProviderHttp(credential.ca_file, clock), clock, clock.pause)


@pytest.fixture
def signing(credential: EntraCredential, clock: HandClock) -> Signing:
    return signing_to(credential, clock)


def enter(sandbox: Sandbox, person: str = ANN) -> None:
    for code in sandbox.sign_ins.waiting:
        sandbox.sign_ins.approve(code, person)


class TestDeviceCode:
    def test_a_person_enters_the_code_and_is_signed_in(
        self, sandbox: Sandbox, signing: Signing, credential: EntraCredential, clock: HandClock
    ) -> None:
        clock.meanwhile = lambda: enter(sandbox)
        person = Recorded()
        sign_in = signing.by_device_code(person)
        (code,) = person.codes
        assert code == DeviceCode(code.code, "https://microsoft.com/devicelogin", 900)
        assert sign_in == SignIn.to(credential, ANN, sign_in.refresh_token, clock.now())
        assert sign_in.refresh_token.startswith("canary-refresh")

    def test_it_asks_at_the_interval_of_the_provider(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.sign_ins.interval = 7
        clock.meanwhile = lambda: enter(sandbox) if len(clock.waits) == 3 else None
        signing.by_device_code(Recorded())
        assert clock.waits == [7, 7, 7]

    def test_it_slows_down_when_the_provider_says_so(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.sign_ins.interval, sandbox.sign_ins.slow_down = 5, 2
        clock.meanwhile = lambda: enter(sandbox) if len(clock.waits) == 4 else None
        signing.by_device_code(Recorded())
        assert clock.waits == [5, 10, 15, 15]

    def test_a_network_that_fails_for_a_while_ends_nothing(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.faults.add(Fault("TOKEN", Answer(503), times=2))
        clock.meanwhile = lambda: enter(sandbox) if len(clock.waits) == 4 else None
        assert signing.by_device_code(Recorded()).account == ANN
        assert clock.waits == [1, 2, 4, 1]

    def test_a_network_that_fails_to_the_end_is_told(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.faults.add(Fault("TOKEN", Answer(503), times=None))
        with pytest.raises(TokenUnavailable, match="HTTP 503"):
            signing.by_device_code(Recorded())
        assert max(clock.waits) <= 60
        assert clock.seconds < 900 + 60

    def test_a_code_that_nobody_enters_expires(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.sign_ins.interval = 60
        with pytest.raises(TokenRefused, match="the code expired before anybody signed in") as caught:
            signing.by_device_code(Recorded())
        assert caught.value.exit_code == ExitCode.REFUSED
        assert "login ann`" in caught.value.remedy
        assert clock.seconds == 900

    def test_a_code_that_the_provider_calls_expired_has_expired(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        """As after a night in which the machine slept: our clock did not go on."""
        clock.meanwhile = lambda: sandbox.sign_ins.expire(*sandbox.sign_ins.waiting)
        with pytest.raises(TokenRefused, match="expired_token: AADSTS70020") as caught:
            signing.by_device_code(Recorded())
        assert "login ann`" in caught.value.remedy

    def test_an_answer_that_was_lost_on_its_way_is_asked_for_by_a_new_sign_in(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        def meanwhile() -> None:
            if len(clock.waits) == 1:
                enter(sandbox)
                sandbox.faults.add(Fault("TOKEN", Close(after_octets=0)))

        clock.meanwhile = meanwhile
        with pytest.raises(TokenRefused, match="bad_verification_code") as caught:
            signing.by_device_code(Recorded())
        assert "login ann`" in caught.value.remedy

    def test_a_person_may_decline(self, sandbox: Sandbox, signing: Signing, clock: HandClock) -> None:
        clock.meanwhile = lambda: sandbox.sign_ins.decline(*sandbox.sign_ins.waiting)
        with pytest.raises(TokenRefused, match="authorization_declined") as caught:
            signing.by_device_code(Recorded())
        assert "login ann`" in caught.value.remedy

    def test_without_a_refresh_token_nobody_is_signed_in(
        self, sandbox: Sandbox, signing: Signing, clock: HandClock
    ) -> None:
        sandbox.sign_ins.gives_refresh_tokens = False
        clock.meanwhile = lambda: enter(sandbox)
        with pytest.raises(TokenRefused, match="gave no refresh token") as caught:
            signing.by_device_code(Recorded())
        assert "offline_access" in caught.value.remedy

    def test_an_application_that_is_not_known_is_told(
        self, credential: EntraCredential, clock: HandClock
    ) -> None:
        other = credential.model_copy(update={"client_id": "other"})
        with pytest.raises(TokenRefused, match="AADSTS700016") as caught:
            signing_to(other, clock).by_device_code(Recorded())
        assert "`client_id`" in caught.value.remedy
        assert " check`" not in caught.value.remedy  # it would say to sign in first

    def test_ctrl_c_ends_it(self, signing: Signing, clock: HandClock) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        clock.meanwhile = interrupt
        with pytest.raises(KeyboardInterrupt):
            signing.by_device_code(Recorded())


class TestBrowser:
    def test_a_person_signs_in_there(
        self, sandbox: Sandbox, signing: Signing, credential: EntraCredential, clock: HandClock
    ) -> None:
        sandbox.sign_ins.in_browser = ANN
        person = Recorded(lambda address: open_address(address, sandbox.ca_file))
        sign_in = signing.by_browser(person)
        assert sign_in == SignIn.to(credential, ANN, sign_in.refresh_token, clock.now())

    def test_a_person_may_decline(self, sandbox: Sandbox, signing: Signing) -> None:
        person = Recorded(lambda address: open_address(address, sandbox.ca_file))
        with pytest.raises(TokenRefused, match="access_denied: AADSTS65004") as caught:
            signing.by_browser(person)
        assert "login ann`" in caught.value.remedy

    def test_a_browser_that_is_closed_is_told_in_one_sentence(self, signing: Signing) -> None:
        with pytest.raises(
            TokenRefused, match="no browser came back with a sign-in within 0 minutes"
        ) as caught:
            signing.by_browser(Recorded(), patience=0.01)
        assert caught.value.exit_code == ExitCode.REFUSED
        assert "login ann`" in caught.value.remedy

    def test_the_code_of_another_sign_in_is_refused(
        self, sandbox: Sandbox, credential: EntraCredential, clock: HandClock
    ) -> None:
        """PKCE: a code is of no use to whoever did not ask for it."""
        sandbox.sign_ins.in_browser = ANN

        def steal(address: str) -> None:
            other = address.replace("code_challenge=", "code_challenge=x")
            open_address(other, sandbox.ca_file)

        with pytest.raises(TokenRefused, match="invalid_grant: AADSTS501481") as caught:
            signing_to(credential, clock).by_browser(Recorded(steal))
        assert "canary" not in str(caught.value)

    def test_the_person_is_asked_which_account(self, signing: Signing) -> None:
        """Otherwise the one that the browser knows is taken: an administrator's, on an administrator's desk."""
        shown: list[str] = []
        with pytest.raises(TokenRefused):
            signing.by_browser(Recorded(shown.append), patience=0.01)
        (address,) = shown
        assert address.startswith("https://")
        assert "prompt=select_account" in address
        assert "code_challenge_method=S256" in address
        assert "offline_access" in address


def token(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}."


class TestHostile:
    @pytest.fixture
    def signing(self, endpoint: TokenEndpoint, clock: HandClock) -> Signing:
        discovery = endpoint.discovery

        def with_device_codes() -> tuple[int, dict[str, str], bytes]:
            status, headers, body = discovery()
            fields = {"device_authorization_endpoint": f"{endpoint.address}/devicecode"}
            return status, headers, json.dumps(json.loads(body) | fields).encode()

        endpoint.configuration = with_device_codes
        credential = EntraCredential.model_validate(
            {
                "flow": "device-code",
                "tenant_id": TENANT,
                "client_id": "app",
                "authority": endpoint.authority,
                "ca_file": str(endpoint.ca_file),
            }
        )
        return signing_to(credential, clock)

    @pytest.fixture
    def flow(self) -> dict[str, object]:
        return {"device_code": "canary-d", "user_code": "ABCD", "verification_uri": "https://a.example/d"}

    @pytest.mark.parametrize(
        "wrong",
        [
            {"user_code": None},
            {"user_code": "AB\x1b[2J"},
            {"user_code": ["x"]},
            {"user_code": "x" * 1000},
            {"verification_uri": "http://a.example"},
            {"verification_uri": "file:///etc/passwd"},
            {"verification_uri": "https://a.example/\nx"},
            {"device_code": 7},
            {"device_code": None},
            {"interval": "soon"},
            {"expires_in": [1]},
        ],
    )
    def test_a_code_that_nobody_could_use_is_not_shown(
        self, endpoint: TokenEndpoint, signing: Signing, flow: dict[str, object], wrong: dict[str, object]
    ) -> None:
        endpoint.answer = lambda _: as_json(200, flow | wrong)
        person = Recorded()
        with pytest.raises(TokenUnavailable):
            signing.by_device_code(person)
        assert person.codes == []

    @pytest.mark.parametrize(("interval", "waits"), [(0, 5), (-1, 5), (10**9, 5), (300, 60), ("4", 4)])
    def test_no_interval_is_absurd(
        self,
        endpoint: TokenEndpoint,
        signing: Signing,
        flow: dict[str, object],
        clock: HandClock,
        interval: object,
        waits: float,
    ) -> None:
        answers = iter([flow | {"interval": interval}, {"error": "access_denied"}])
        endpoint.answer = lambda _: as_json(200, next(answers))
        with pytest.raises(TokenRefused):
            signing.by_device_code(Recorded())
        assert clock.waits == [waits]

    @pytest.mark.parametrize(
        "id_token",
        [
            "",
            "x",
            "a.b.c",
            "e30.bnVsbA.",
            token([]),
            token(7),
            token({}),
            token({"sub": 7}),
            token({"sub": "\x1b"}),
            f"e30.{base64.urlsafe_b64encode(b'[' * 99_999).decode()}.",
        ],
    )
    def test_an_id_token_of_any_kind_ends_in_one_sentence_or_does_not_matter(
        self, endpoint: TokenEndpoint, signing: Signing, flow: dict[str, object], id_token: str
    ) -> None:
        granted = {"access_token": "canary-a", "refresh_token": "canary-r", "id_token": id_token}
        answers = iter([flow, granted])
        endpoint.answer = lambda _: as_json(200, next(answers, granted))
        try:
            told = signing.by_device_code(Recorded()).account
        except MailsluiceError as error:
            told = str(error)
        assert told.isprintable()
        assert "canary" not in told

    def test_a_provider_without_device_codes_names_the_browser(
        self, endpoint: TokenEndpoint, signing: Signing
    ) -> None:
        endpoint.configuration = endpoint.discovery
        with pytest.raises(TokenRefused, match="offers no device codes") as caught:
            signing.by_device_code(Recorded())
        assert "login ann --browser`" in caught.value.remedy

    def test_a_page_to_sign_in_that_is_not_https_is_not_opened(
        self, endpoint: TokenEndpoint, signing: Signing
    ) -> None:
        discovery = endpoint.discovery

        def with_a_file() -> tuple[int, dict[str, str], bytes]:
            status, headers, body = discovery()
            return (
                status,
                headers,
                json.dumps(json.loads(body) | {"authorization_endpoint": "file:///x"}).encode(),
            )

        endpoint.configuration = with_a_file
        with pytest.raises(TokenUnavailable, match="not https"):
            signing.by_browser(Recorded(lambda _: pytest.fail("opened")))
