from __future__ import annotations

import mailbox
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from mailsluice.model import Listed
from mailsluice.sink.hold import Hold
from mailsluice.sink.maildir import LfLines
from support.sinks import Sink, held

NOW = datetime(2026, 3, 1, 12, 30, 45, 42, tzinfo=UTC)
MAIL = b"Subject: x\r\n\r\nbody\r\n"
SPLIT = st.lists(st.binary(max_size=5) | st.lists(st.sampled_from([b"\r", b"\n", b"a"])).map(b"".join))


def deliver(sorting: Hold, *chunks: bytes) -> str:
    with sorting.batch() as batch:
        batch.add(Listed(1, b"u"), iter(chunks), NOW)
        batch.stage()
        return batch.publish()[0].name


def test_a_message_arrives_in_new_with_lf_line_ends(sorting: Hold, tmp_path: Path) -> None:
    name = deliver(sorting, MAIL)
    assert (tmp_path / "maildir" / "new" / name).read_bytes() == b"Subject: x\n\nbody\n"


def test_its_name_has_the_sizes(sorting: Hold) -> None:
    assert deliver(sorting, MAIL).endswith(",S=17,W=20")


def test_a_maildir_reader_sees_the_message_and_no_other_folder(sorting: Hold, tmp_path: Path) -> None:
    deliver(sorting, MAIL)
    reader = mailbox.Maildir(tmp_path / "maildir", create=False)
    assert [message["Subject"] for message in reader] == ["x"]
    assert reader.list_folders() == []


def test_its_three_directories_are_made_private(sorting: Hold, tmp_path: Path) -> None:
    deliver(sorting, MAIL)
    for name in (".", "cur", "new", "tmp", "mailsluice-staging"):
        assert (tmp_path / "maildir" / name).stat().st_mode & 0o7777 == 0o700
    assert list((tmp_path / "maildir" / "tmp").iterdir()) == []


def test_readers_may_write_where_the_maildir_was_made_so(maildir: Sink, tmp_path: Path) -> None:
    (tmp_path / "maildir" / "new").mkdir(parents=True)
    (tmp_path / "maildir" / "new").chmod(0o2770)
    with held(maildir) as sorting:
        deliver(sorting, MAIL)
    assert (tmp_path / "maildir" / "new").stat().st_mode & 0o7777 == 0o2770


@given(SPLIT)
@example([b"a\r", b"\nb"])
def test_line_ends_are_converted_wherever_the_chunks_were_cut(chunks: list[bytes]) -> None:
    assert b"".join(LfLines().converted(chunks)) == b"".join(chunks).replace(b"\r\n", b"\n")


@given(SPLIT)
@example([b"a\r\r", b"\n"])
def test_sizes_are_those_a_reader_counts(chunks: list[bytes]) -> None:
    lines = LfLines()
    on_disk = b"".join(lines.converted(chunks))
    assert lines.size == len(on_disk)
    assert lines.virtual_size == len(on_disk.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def test_a_message_of_proper_lines_has_the_virtual_size_it_was_sent_with() -> None:
    lines = LfLines()
    list(lines.converted([MAIL]))
    assert lines.virtual_size == len(MAIL)


def test_a_cr_or_lf_that_stands_alone_stays() -> None:
    assert b"".join(LfLines().converted([b"a\rb\n\r", b"\r\n", b"c\r"])) == b"a\rb\n\r\nc\r"
