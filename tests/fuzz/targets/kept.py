"""What one process left for the next: a token's file, the text in it, and the note of what was warned about."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from structlog.testing import capture_logs

from auth.hand_clock import HandClock
from fuzz.feed import Feed
from mailsluice.auth.keyrings.seal import Key, _binding
from mailsluice.auth.sources.source import problem
from mailsluice.auth.tokens.file import TOKENS, TokenFile
from mailsluice.auth.tokens.kept import LONGEST_LIFE, LONGEST_QUIET, Kept, NotKept, Quiet
from mailsluice.auth.tokens.said import SaidToday

KEY = bytes(range(32))
NAME = "one"
QUIET = Quiet(5.0, 90.0, "too often", "wait")
KEPT = Kept("canary-token", 1.0, 3600.0, 2700.0, 3.0, 4.0, QUIET)


@cache
def sealed() -> bytes:
    """A right file, always the same."""
    nonce = bytes(12)
    blob = nonce + AESGCM(KEY).encrypt(nonce, KEPT.encode().encode(), _binding((TOKENS, NAME)))
    return b"mailsluice token 1 " + Key(KEY, Path("/")).id.encode() + b"\n" + blob


TEXT = KEPT.encode().encode()
SEEDS = (
    b"\x00" + sealed(),
    b"\x00" + sealed().replace(b"token 1", b"token 2"),
    b"\x00",
    b"\x01" + TEXT,
    b"\x01" + TEXT.replace(b"3600.0", b"1e999"),
    b"\x01" + TEXT.replace(b"2700.0", b"NaN"),
    b"\x01" + TEXT.replace(b"too often", b"\\u001b[0m"),
    b"\x01" + Kept().encode().encode(),
    b"\x020123456789abcdef 1767225600\n",
    b"\x02\xff\xfe",
)
WORDS = (b"1e999", b"NaN", b"-1", b"true", b"null", b"[[[[", b'"quiet":', b"\\ud800", b"9" * 400, b"\n", b" ")


def check(data: bytes) -> None:
    feed = Feed(data)
    what = feed.octet() % 3
    content = feed.rest()
    if what == 1:
        _check_text(content.decode(errors="replace"))
        return
    with TemporaryDirectory() as folder, capture_logs() as logged:
        state = Path(folder)
        if what == 0:
            _check_file(state, content)
            assert len(logged) <= 1
        else:
            _check_note(state / "said", content)
        for line in logged:
            assert "canary" not in str(line)
            assert f"{line['error']}{line['remedy']}".isprintable()
            assert len(str(line)) < 1000


def _check_text(text: str) -> None:
    try:
        kept = Kept.decode(text)
    except NotKept as error:
        assert "canary" not in repr(error)
        return
    assert Kept.decode(kept.encode()) == kept
    assert not kept.token or not problem(kept.token)
    times = (kept.asked, kept.lifetime, kept.renew, kept.let_in, kept.refused)
    assert all(math.isfinite(time) and time >= 0 for time in times)
    if kept.token:
        assert kept.renew <= kept.lifetime <= LONGEST_LIFE
    if kept.quiet:
        assert 0 <= kept.quiet.seconds <= LONGEST_QUIET
        assert f"{kept.quiet.said}{kept.quiet.remedy}".isprintable()


def _check_file(state: Path, content: bytes) -> None:
    (state / "vault.key").touch(mode=0o600)
    (state / "vault.key").write_bytes(KEY)
    (state / TOKENS).mkdir(0o700)
    path = state / TOKENS / f"{NAME}.token"
    path.touch(mode=0o600)
    path.write_bytes(content)
    clock = HandClock()
    file = TokenFile(state, NAME, SaidToday(state / "said", clock), clock)
    kept = file.read()
    assert kept == (KEPT if content == sealed() else None)
    file.write(KEPT)
    assert file.read() == KEPT


def _check_note(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    said = SaidToday(path, HandClock())
    said.is_new("canary")
    assert not said.is_new("canary")
    assert len(path.read_bytes()) < 40_000
