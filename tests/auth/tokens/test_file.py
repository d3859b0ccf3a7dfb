"""One token in a file: sealed, private, and never a reason to fail."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from auth.hand_clock import HandClock
from mailsluice.auth.tokens import file as token_file
from mailsluice.auth.tokens.file import TokenFile, Turn, token_name
from mailsluice.auth.tokens.kept import Kept
from mailsluice.auth.tokens.said import SaidToday
from mailsluice.config.credentials import EntraCredential
from mailsluice.files.private import locked, locked_within

KEPT = Kept("canary-token", 1.0, 3600.0, 2700.0)
ENTRA = {"tenant_id": "contoso", "client_id": "app"}
DAYS = 86_400.0


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir(0o700)
    return state


@pytest.fixture
def file(state: Path, clock: HandClock) -> TokenFile:
    return opened(state, clock)


def opened(state: Path, clock: HandClock, name: str = "one") -> TokenFile:
    """The file as another process sees it."""
    return TokenFile(state, name, SaidToday(state / "tokens.said", clock), clock)


@contextmanager
def warnings() -> Iterator[list[str]]:
    """What is warned about, with what to do."""
    said: list[str] = []
    with capture_logs() as logged:
        yield said
    assert {line["event"] for line in logged} <= {"token not kept"}
    said += [f"{line['error']}: {line['remedy']}" for line in logged]


def of(state: Path, name: str = "one") -> Path:
    return state / "tokens" / f"{name}.token"


def test_what_is_written_is_there_for_the_next_process(
    file: TokenFile, state: Path, clock: HandClock
) -> None:
    assert file.read() is None
    file.write(KEPT)
    assert opened(state, clock).read() == KEPT


def test_nobody_else_can_read_it_and_nobody_at_all_without_the_key(file: TokenFile, state: Path) -> None:
    with file.turn(0):
        file.write(KEPT)
    assert (state / "tokens").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_file()} == {0o600}
    assert not [path for path in state.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]


def test_a_directory_whose_umask_is_odd_is_private_all_the_same(file: TokenFile, state: Path) -> None:
    before = os.umask(0)
    try:
        file.write(KEPT)
    finally:
        os.umask(before)
    assert (state / "tokens").stat().st_mode & 0o777 == 0o700
    assert of(state).stat().st_mode & 0o777 == 0o600


def damage(path: Path) -> None:
    octets = path.read_bytes()
    path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def replace_by_a_vault(path: Path) -> None:
    path.write_text('{"version": 1}')


def let_others_read(path: Path) -> None:
    path.chmod(0o644)


def put_another_key(path: Path) -> None:
    (path.parent.parent / "vault.key").write_bytes(b"x" * 32)


def swap(path: Path) -> None:
    shutil.copy(path.with_name("other.token"), path)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damage, "is damaged"),
        (cut, "is damaged"),
        (replace_by_a_vault, "is damaged"),
        (let_others_read, "can be used by others.*chmod go="),
        (put_another_key, "sealed with another key than .*vault.key"),
        (swap, "is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_warning_and_is_healed_by_the_next_token(
    file: TokenFile, state: Path, clock: HandClock, harm: Callable[[Path], None], said: str
) -> None:
    file.write(KEPT)
    opened(state, clock, "other").write(KEPT)
    harm(of(state))
    with warnings() as warned:
        assert file.read() is None
    (warning,) = warned
    assert str(of(state)) in warning
    assert re.search(said, warning)

    with warnings() as warned:
        file.write(KEPT)
        assert opened(state, clock).read() == KEPT
    assert warned == []


def test_an_empty_file_is_what_a_power_cut_may_leave_and_no_warning(file: TokenFile, state: Path) -> None:
    file.write(KEPT)
    of(state).write_bytes(b"")
    with warnings() as warned:
        assert file.read() is None
    assert warned == []


def make_a_file(state: Path) -> None:
    (state / "tokens").write_text("")


def make_a_link(state: Path) -> None:
    (state / "tokens").symlink_to(state.parent)


def open_to_the_group(state: Path) -> None:
    (state / "tokens").mkdir()
    (state / "tokens").chmod(0o770)


def spoil_the_key(state: Path) -> None:
    (state / "vault.key").touch(0o600)


def lose_the_key(state: Path) -> None:
    (state / "secrets.vault").touch(0o600)


def open_the_key(state: Path) -> None:
    (state / "vault.key").touch()
    (state / "vault.key").chmod(0o644)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (make_a_file, "tokens: .*mv "),
        (make_a_link, "tokens: .*mv "),
        (open_to_the_group, "tokens can be written by others: chmod go="),
        (spoil_the_key, "vault.key is not a key.*restore"),
        (lose_the_key, "the key of .*secrets.vault is not here.*restore"),
        (open_the_key, "vault.key can be used by others.*chmod go="),
    ],
)
def test_what_lasts_is_said_once_a_day_however_often_cron_polls(
    state: Path, clock: HandClock, harm: Callable[[Path], None], said: str
) -> None:
    harm(state)
    with warnings() as warned:
        for _ in range(3 * 60):
            file = opened(state, clock)
            with file.turn(1) as turn:
                assert turn is Turn.OURS
                assert file.read() is None
                file.write(KEPT)
            clock.seconds += 60
    (warning,) = warned
    assert re.search(said, warning)


def test_a_lost_key_of_a_vault_is_not_replaced(file: TokenFile, state: Path) -> None:
    lose_the_key(state)
    with warnings():
        file.write(KEPT)
    assert not (state / "vault.key").exists()


@pytest.mark.parametrize("call", ["write", "replace", "create"])
def test_a_full_disk_is_a_warning_and_leaves_the_old_token(
    file: TokenFile, state: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    file.write(KEPT)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    target = {"write": "os.write", "replace": "os.rename", "create": "os.open"}[call]
    with warnings() as warned, monkeypatch.context() as patched:
        if call == "create":
            real = os.open
            patched.setattr(
                "os.open",
                lambda path, flags, *a, **k: full() if flags & os.O_CREAT else real(path, flags, *a, **k),
            )
        else:
            patched.setattr(target, full)
        file.write(Kept("canary-other", 2.0, 3600.0, 2700.0))
    (warning,) = warned
    assert "No space left" in warning
    assert "free space" in warning
    assert opened(state, clock).read() == KEPT


def test_a_state_directory_that_is_missing_or_another_users_is_left_alone(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = opened(tmp_path / "missing", clock)
    other = tmp_path / "other"
    other.mkdir(0o700)
    owner = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with warnings() as warned:
        for file in (missing, opened(other, clock)):
            with file.turn(0) as turn:
                assert turn is Turn.OURS
                file.write(KEPT)
                assert file.read() is None
    assert warned == []
    assert list(other.iterdir()) == []
    assert not (tmp_path / "missing").exists()


def test_only_one_has_its_turn_and_nobody_waits_for_ever(
    file: TokenFile, state: Path, clock: HandClock
) -> None:
    with file.turn(0) as ours, opened(state, clock).turn(0.05) as others:
        assert (ours, others) == (Turn.OURS, Turn.OTHERS)
    with opened(state, clock).turn(0) as turn:
        assert turn is Turn.OURS
    with opened(state, clock, "two").turn(0) as another, file.turn(0) as turn:
        assert (another, turn) == (Turn.OURS, Turn.OURS)


def test_a_stopped_secret_set_delays_a_token_and_stops_none(
    file: TokenFile, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_file, "_KEY_WAIT", 0.05)
    with warnings() as warned, locked(state / "secrets.lock"):
        file.write(KEPT)
    (warning,) = warned
    assert "secrets.lock" in warning


def test_files_that_nobody_wrote_for_two_days_are_removed_with_their_locks(
    file: TokenFile, state: Path, clock: HandClock
) -> None:
    now = clock.now().timestamp()
    for name, age in (("old", 2.1), ("young", 1.9), ("one", 9.0), ("locked", 9.0), ("failing", 9.0)):
        other = opened(state, clock, name)
        with other.turn(0):
            if name != "failing":
                other.write(KEPT)
        for path in (state / "tokens").glob(f"{name}.*"):
            os.utime(path, (now, now - age * DAYS))
    (state / "tokens" / ".old.token.new").touch()
    os.utime(state / "tokens" / ".old.token.new", (now, now - 3 * DAYS))
    (state / "tokens" / "README").touch()

    with opened(state, clock, "locked").turn(0):
        file.sweep()

    left = {path.name for path in (state / "tokens").iterdir()}
    assert left == {
        *("young.token", "young.lock", "one.token", "one.lock", "locked.token", "locked.lock", "README")
    }


def test_who_waits_for_a_lock_that_is_swept_is_not_beside_another(state: Path, clock: HandClock) -> None:
    first = locked_within(state / "x.lock", 0)
    assert first is not None
    with first:
        (state / "x.lock").unlink()
    second = locked_within(state / "x.lock", 0)
    assert second is not None
    with second:
        assert locked_within(state / "x.lock", 0) is None


def name(section: str = "acme", **keys: object) -> str:
    secret = {} if "flow" in keys else {"client_secret": "keyring:acme"}
    return token_name(section, EntraCredential.model_validate({**ENTRA, **secret, **keys}))


def test_the_name_tells_apart_what_is_asked_for_and_nothing_else() -> None:
    assert name() == name("another section") == name(cloud="worldwide")
    told_apart = [
        name(),
        name(tenant_id="fabrikam"),
        name(client_id="other"),
        name(client_secret="keyring:other"),
        name(cloud="china"),
        name(scope="https://x.example/.default"),
        name(authority="https://login.example/x"),
        name(ca_file="/ca.pem"),
        name(flow="device-code"),
    ]
    assert len(set(told_apart)) == len(told_apart)


def test_when_a_secret_ends_decides_nothing() -> None:
    assert name(expires=date(2027, 5, 1)) == name()


def test_two_persons_who_sign_in_by_one_application_do_not_share() -> None:
    assert name("anna", flow="device-code") != name("bert", flow="device-code")


def test_the_name_is_safe_in_any_file_system() -> None:
    assert name().isalnum()
    assert len(name()) == 32
