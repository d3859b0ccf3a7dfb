"""The race between the addresses of a host."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from mailsluice.net import dialing
from mailsluice.net.dialing import Address, dial
from support.black_hole import black_hole

HOST = "127.0.0.1"


@pytest.fixture
def live() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener


@pytest.fixture
def closed() -> tuple[str, int]:
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        port = unused.getsockname()[1]
    return HOST, port


def at(where: tuple[str, int]) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", where)


def within(seconds: float) -> Callable[[], float]:
    end = time.monotonic() + seconds

    def left() -> float:
        if (seconds := end - time.monotonic()) <= 0:
            raise TimeoutError("the time is over")
        return seconds

    return left


def test_an_address_that_is_dead_costs_the_delay_of_one_attempt(live: socket.socket) -> None:
    begun = time.monotonic()
    with black_hole() as dead, dial([at(dead), at(live.getsockname())], within(30)) as connected:
        seconds = time.monotonic() - begun
        assert connected.getpeername() == live.getsockname()
    print(f"{seconds:.3f} s")
    assert dialing.ATTEMPT_DELAY <= seconds < 5


def test_an_address_that_refuses_costs_nothing(
    live: socket.socket, closed: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "ATTEMPT_DELAY", 3600.0)
    with dial([at(closed), at(live.getsockname())], within(30)) as connected:
        assert connected.getpeername() == live.getsockname()


def test_an_address_that_answers_late_is_waited_for_while_others_are_tried(
    live: socket.socket, closed: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialing, "ATTEMPT_DELAY", 0.01)
    slow = socket.socket.connect
    later = iter([True, False])

    def connect(self: socket.socket, where: tuple[str, int]) -> None:
        slow(self, where)
        if next(later):
            raise BlockingIOError  # as of a server far away

    monkeypatch.setattr(socket.socket, "connect", connect)
    with dial([at(live.getsockname()), at(closed)], within(30)) as connected:
        assert connected.getpeername() == live.getsockname()


def test_families_are_tried_by_turns_so_that_a_dead_one_is_as_one_dead_address() -> None:
    six: list[Address] = [(socket.AF_INET6, 1, 6, "", number) for number in range(3)]
    four: list[Address] = [(socket.AF_INET, 1, 6, "", number) for number in range(2)]
    assert dialing._in_turn([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert dialing._in_turn([*four, *six]) == [four[0], six[0], four[1], six[1], six[2]]


def test_if_no_address_can_be_reached_the_last_failure_is_told(closed: tuple[str, int]) -> None:
    nowhere: Address = (socket.AF_INET, 0xFFFF, 6, "", closed)
    with pytest.raises(ConnectionRefusedError):
        dial([nowhere, at(closed)], within(30))


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_that_a_family_has_no_way_out_is_told_only_if_nothing_else_is(
    closed: tuple[str, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A machine without IPv6, and a firewall that refuses IPv4: the firewall is what somebody can change."""
    here: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", closed)
    there: Address = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 995, 0, 0))
    really = socket.socket.connect_ex

    def connect_ex(self: socket.socket, where: tuple[str, int]) -> int:
        return code if self.family == socket.AF_INET6 else really(self, where)

    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    for addresses in ([here, there], [there, here]):
        with pytest.raises(ConnectionRefusedError):
            dial(addresses, within(30))
    with pytest.raises(OSError, match=os.strerror(code)):
        dial([there], within(30))


def test_the_wait_ends_when_it_may_last_no_longer() -> None:
    with black_hole() as dead, pytest.raises(TimeoutError, match="the time is over"):
        dial([at(dead)], within(0.05))


def test_who_gives_up_meanwhile_is_heard_within_the_delay_of_one_attempt() -> None:
    asked: list[float] = []

    def left() -> float:
        asked.append(time.monotonic())
        if len(asked) == 3:
            raise TimeoutError
        return 3600.0

    with black_hole() as dead, pytest.raises(TimeoutError):
        dial([at(dead)], left)
    assert asked[-1] - asked[0] < 5


def test_a_name_without_an_address_is_a_failure() -> None:
    with pytest.raises(OSError, match="no address"):
        dial([], within(30))


def test_what_lost_the_race_is_closed(live: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Noted(socket.socket):
        def __init__(self, *arguments: int) -> None:
            super().__init__(*arguments)
            made.append(self)

    with black_hole() as dead:
        monkeypatch.setattr(socket, "socket", Noted)
        with dial([at(dead), at(live.getsockname())], within(30)):
            assert [each.fileno() >= 0 for each in made] == [False, True]
