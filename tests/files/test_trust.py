"""Whether other users have a hand in a place: the rule of its own, on real files."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailsluice.files.trust import problem_of_file, problem_of_place, problem_of_way
from mailsluice.system.users import user_name
from support.users import ANN, NOBODY, common_ground, given, need_root


@pytest.fixture
def ground() -> Iterator[Path]:
    need_root()
    with common_ground() as ground:
        yield ground


def test_a_way_through_directories_of_our_own_is_sound(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert problem_of_way(tmp_path / "a" / "b" / "sink") is None


def test_a_directory_above_that_everybody_can_write_is_named_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    above = tmp_path / "above"
    (above / "sink").mkdir(parents=True)
    above.chmod(0o777)

    problem = problem_of_way(above / "sink")

    assert problem is not None
    assert problem.what.startswith(f"{above}, on the way to {above}/sink, ")
    assert problem.remedy == f"chmod o-w {above}"
    above.chmod(0o775)
    assert problem_of_way(above / "sink") is None


def test_in_a_sticky_directory_nobody_can_swap_what_is_ours(tmp_path: Path) -> None:
    above = tmp_path / "above"
    (above / "sink").mkdir(parents=True)
    above.chmod(0o1777)
    assert problem_of_way(above / "sink" / "deeper") is None


def test_what_is_another_user_s_in_a_sticky_directory_can_be_swapped(ground: Path) -> None:
    given(ground / "tmp", 0, 0o1777)
    given(ground / "tmp" / "planted", NOBODY, 0o755)

    problem = problem_of_way(ground / "tmp" / "planted" / "sink")

    assert problem is not None
    assert "belongs to another user, nobody" in problem.what
    assert problem.what.startswith(f"{ground}/tmp/planted ")


def test_below_another_user_s_directory_the_advice_is_to_be_that_user_and_never_to_take_it(
    ground: Path,
) -> None:
    given(ground / "ann", ANN, 0o755)

    problem = problem_of_way(ground / "ann" / "Maildir")

    assert problem is not None
    assert problem.remedy == f"run mailsluice as #{ANN}, or choose another place than {ground}/ann/Maildir"


def test_a_group_that_may_write_above_is_trusted(ground: Path) -> None:
    assert problem_of_way(given(ground / "shared", 0, 0o2775) / "sink") is None


def test_root_s_directories_are_trusted_by_everybody(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailsluice.files.trust.os.geteuid", lambda: NOBODY)
    assert problem_of_way(given(ground / "of-root", 0) / "sink") is None


def test_a_link_is_followed_to_where_it_leads_and_the_way_there_is_judged(tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    (tmp_path / "real" / "sink").mkdir(parents=True)
    (public / "b").symlink_to(tmp_path / "real")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a").symlink_to("../public/b")
    assert problem_of_way(tmp_path / "c" / "a" / "sink") is None

    public.chmod(0o777)  # neither on the path as it is written, nor on the one it comes to

    problem = problem_of_way(tmp_path / "c" / "a" / "sink")
    assert problem is not None
    assert problem.remedy == f"chmod o-w {public}"


def test_a_link_that_another_user_made_is_refused_though_it_leads_to_our_own(ground: Path) -> None:
    given(ground / "mine", 0)
    (ground / "link").symlink_to("mine")
    os.chown(ground / "link", NOBODY, -1, follow_symlinks=False)

    problem = problem_of_way(ground / "link")

    assert problem is not None
    assert str(ground / "link") in problem.what
    assert problem.remedy.startswith("run mailsluice as nobody, or choose ")
    assert problem.remedy.endswith(f"chown --no-dereference 0 {ground}/link")


def test_what_is_missing_has_no_problem_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    assert problem_of_way(tmp_path / "missing" / "too") is None
    assert problem_of_way(tmp_path / "dangling" / "too") is None


def test_links_that_lead_in_a_circle_are_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="a") as error:
        problem_of_way(tmp_path / "a" / "sink")
    assert error.value.errno == errno.ELOOP


def test_a_step_up_is_taken_from_where_a_link_led_to(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "far" / "sink").mkdir()
    (tmp_path / "here").symlink_to("far/away")
    (tmp_path / "far").chmod(0o777)
    problem = problem_of_way(tmp_path / "here" / ".." / "sink")
    assert problem is not None
    assert problem.remedy == f"chmod o-w {tmp_path}/far"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_place_that_everybody_can_write_is_refused_sticky_or_not(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    problem = problem_of_place(tmp_path, tmp_path.stat())
    assert problem is not None
    assert problem.remedy == f"chmod o-w {tmp_path}"


def test_a_place_of_ours_that_a_group_may_write_is_sound(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    assert problem_of_place(tmp_path, tmp_path.stat()) is None


@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_place_may_be_root_s_or_our_own(ground: Path, monkeypatch: pytest.MonkeyPatch, owner: int) -> None:
    monkeypatch.setattr("mailsluice.files.trust.os.geteuid", lambda: NOBODY)
    assert problem_of_place(ground, given(ground / "x", owner, 0o770).stat()) is None


def test_a_place_of_another_user_is_refused_even_for_root(ground: Path) -> None:
    problem = problem_of_place(ground / "x", given(ground / "x", ANN, 0o700).stat())
    assert problem is not None
    assert problem.what.startswith(f"{ground}/x belongs to another user, #{ANN}")
    assert problem.remedy == f"run mailsluice as #{ANN}, or: chown 0 {ground}/x"


@pytest.mark.parametrize("plant", ["link", "dangling", "fifo", "socket", "directory"])
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 octets
    path = Path("planted")
    (tmp_path / "ours").touch(mode=0o600)
    match plant:
        case "link":
            path.symlink_to("ours")
        case "dangling":
            path.symlink_to("nowhere")
        case "fifo":
            os.mkfifo(path, 0o600)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case _:
            path.mkdir(mode=0o700)
    problem = problem_of_file(path)
    assert problem is not None
    assert "planted" in problem.what
    assert "planted" in problem.remedy


def test_a_file_of_another_user_is_refused(ground: Path) -> None:
    (ground / "file").touch(mode=0o600)
    assert problem_of_file(ground / "file") is None
    os.chown(ground / "file", ANN, -1)
    problem = problem_of_file(ground / "file")
    assert problem is not None
    assert problem.remedy.endswith(f"; if it is right: chown 0 {ground}/file")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(mode)
    problem = problem_of_file(tmp_path / "file")
    assert problem is not None
    assert problem.remedy == f"chmod go= {tmp_path}/file"


def test_a_missing_file_has_no_problem(tmp_path: Path) -> None:
    assert problem_of_file(tmp_path / "missing") is None


def test_a_user_without_a_name_is_called_by_the_number() -> None:
    assert (user_name(0), user_name(ANN)) == ("root", f"#{ANN}")
