"""The expiries: what is known about the ends of all credentials' proofs, kept for the next process.

Owns the file `expiries.json` in the state directory, and that each warning comes once. The ends are no
secrets, but to find one out may take a secret that only the service can read: so who finds one out notes it,
and `status` reads the file. It can be lost: the next request for a token notes everything again. So nothing
fails because of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mailsluice.auth.expiry import Expiry, Proof, declared, proof_of, remedy
from mailsluice.clock import Clock
from mailsluice.config.credentials import Credential, EntraCredential
from mailsluice.files.private import locked_within, read_own, replace_private

FILE = "expiries.json"

_PATIENCE = 2.0
"""Seconds to wait for whoever has the lock: nobody holds it for long."""
_MOST = 2**20
"""The most octets of the file that are read."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """What the file says of one proof. `warned`: the warning that was logged last."""

    ends: datetime | None
    proof: Proof | None = None
    warned: int | None = None


class Expiries:
    """The ends of the proofs of credentials. Safe among processes."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / FILE
        self._clock = clock

    def note(self, name: str, credential: EntraCredential, ends: datetime) -> None:
        """Note when the proof of this credential ends."""
        proof = proof_of(credential)
        key = _key(name, credential)
        known = self._read().get(key)
        if known is None or (known.ends, known.proof) != (ends, proof):
            self._update({key: _Noted(ends, proof)})

    def known(self, credentials: Mapping[str, Credential]) -> list[Expiry]:
        """What is known about these, in their order: from the configuration, or from the file."""
        return [expiry for _, expiry, _ in self._each(credentials)]

    def warn(self, credentials: Mapping[str, Credential], *, again: bool = False) -> None:
        """Log a warning for each proof that ends soon, once at each of its warnings. `again`: in any case."""
        now = self._clock.now()
        changed: dict[str, _Noted] = {}
        for key, expiry, warned in self._each(credentials):
            warning = expiry.warning(now)
            if warning is not None and (again or warning != warned):
                _warn_of(expiry, now)
            if warning != warned:
                changed[key] = _Noted(expiry.ends, expiry.proof, warning)
        if changed:
            self._update(changed)

    def _each(self, credentials: Mapping[str, Credential]) -> Iterator[tuple[str, Expiry, int | None]]:
        noted = self._read()
        for name, credential in credentials.items():
            if not isinstance(credential, EntraCredential) or (proof := proof_of(credential)) is None:
                continue
            key = _key(name, credential)
            known = noted.get(key, _Noted(None))
            if known.proof is not proof:  # the section proves itself in another way now
                known = _Noted(None)
            ends = known.ends if proof is not Proof.SECRET else declared(credential)
            if ends is not None:
                warned = known.warned if known.ends == ends else None
                yield key, Expiry(name, proof, ends, remedy(name, credential, proof)), warned

    def _update(self, changed: Mapping[str, _Noted]) -> None:
        try:
            lock = locked_within(self._path.with_name("expiries.lock"), _PATIENCE)
            if lock is None:  # who has it is stopped; no poll waits for that
                return
            with lock:
                entries = {**self._read(), **changed}
                replace_private(self._path, _encode(entries), durable=False)
        except OSError as error:
            _warn_not_noted(self._path, error)

    def _read(self) -> Mapping[str, _Noted]:
        try:
            octets = read_own(self._path, _MOST)
            return {} if octets is None else _decode(octets)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}


def _key(name: str, credential: EntraCredential) -> str:
    """What the file calls the proof of the credential with this name.

    A certificate is called by its place, because sections with the same content share a token: it is asked
    for in the name of one of them, and after a reload that may be a former name.
    """
    return name if credential.certificate is None else str(credential.certificate)


def _warn_of(expiry: Expiry, now: datetime) -> None:
    from mailsluice.obs import events, logger  # noqa: PLC0415  `status` does without them

    logger.get_logger(__name__).warning(
        events.CREDENTIAL_ENDS,
        credential=expiry.credential,
        warning=expiry.words(now),
        ends=expiry.ends.isoformat(timespec="seconds"),
        remedy=expiry.remedy,
    )


def _warn_not_noted(path: Path, error: OSError) -> None:
    from mailsluice.obs import events, logger  # noqa: PLC0415  as above

    remedy = getattr(error, "remedy", "")  # a plain OSError has none
    log = logger.get_logger(__name__)
    log.warning(events.EXPIRIES_NOT_NOTED, file=str(path), error=str(error), remedy=remedy)


def _encode(entries: Mapping[str, _Noted]) -> bytes:
    document = {
        name: {
            "ends": entry.ends.isoformat() if entry.ends else None,
            "proof": entry.proof.value if entry.proof else None,
            "warned": entry.warned,
        }
        for name, entry in entries.items()
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _decode(octets: bytes) -> Mapping[str, _Noted]:
    return {
        str(name): _Noted(
            datetime.fromisoformat(entry["ends"]).astimezone(UTC),
            Proof(entry["proof"]),
            entry["warned"] if entry["warned"] in {0, 7, 14, 30} else None,
        )
        for name, entry in json.loads(octets).items()
    }
