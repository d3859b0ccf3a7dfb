"""What the benchmark takes for arrived: a run that lost, doubled or changed a message must not count."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.mail import Load, Stock, mistakes

LOAD = Load("tests", 6, pdf_every=3)


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    return Stock(LOAD, tmp_path / "stock")


@pytest.fixture
def arrived(stock: Stock, tmp_path: Path) -> list[Path]:
    """All of it, as a fetcher delivers it: with LF, and a field before the others."""
    folder = tmp_path / "new"
    folder.mkdir()
    for number, path in enumerate(stock.files):
        text = b"Delivered-To: me\r\n" + path.read_bytes()
        (folder / str(number)).write_bytes(text.replace(b"\r\n", b"\n"))
    return sorted(folder.iterdir())


def test_all_of_it_once_is_right(stock: Stock, arrived: list[Path]) -> None:
    assert mistakes(stock.expected, iter(arrived)) == ""


def test_one_that_is_missing_is_told(stock: Stock, arrived: list[Path]) -> None:
    assert mistakes(stock.expected, iter(arrived[1:])) == "1 missing"


def test_one_that_came_twice_is_told(stock: Stock, arrived: list[Path]) -> None:
    assert mistakes(stock.expected, iter([*arrived, arrived[0]])) == "1 twice"


def test_one_octet_that_changed_is_told(stock: Stock, arrived: list[Path]) -> None:
    octets = bytearray(arrived[3].read_bytes())
    octets[-100] ^= 1
    arrived[3].write_bytes(octets)
    assert mistakes(stock.expected, iter(arrived)) == "1 missing, 1 unknown"


def test_one_that_was_cut_short_is_told(stock: Stock, arrived: list[Path]) -> None:
    os.truncate(arrived[2], 1000)
    assert mistakes(stock.expected, iter(arrived)) == "1 missing, 1 unknown"


def test_a_dot_that_was_left_doubled_is_told(stock: Stock, arrived: list[Path]) -> None:
    text = arrived[0].read_bytes()
    arrived[0].write_bytes(text.replace(b"\n", b"\n.", 30))
    assert mistakes(stock.expected, iter(arrived)) == "1 missing, 1 unknown"


def test_a_load_is_the_same_each_time() -> None:
    assert list(LOAD.messages()) == list(LOAD.messages())


def test_a_load_has_the_sizes_it_says() -> None:
    sizes = [len(message) for message in Load("sizes", 100, pdf_every=5).messages()]
    with_pdf = sizes[::5]
    assert all(3_000 <= size <= 8_200 for size in sizes if size not in with_pdf)
    assert all(150_000 * 4 // 3 <= size <= 400_000 * 1.5 for size in with_pdf)
    (big,) = Load("big", 1, octets=20_000_000).messages()
    assert len(big) == pytest.approx(20_000_000, rel=0.01)


def test_some_lines_begin_with_a_dot() -> None:
    assert any(b"\r\n." in message for message in LOAD.messages())
