"""A disk that buffers: what is left of a directory after a power cut, call by call.

Owns what a sync promises here. A sync of a file makes its octets and its size durable, not its name; a sync of
a directory makes the names in it durable, not what is behind them. All else may be lost or kept, each call
apart, and of a write a part. Of a rename the new name comes first: a disk that may lose both is not modelled.
A sync that failed keeps nothing, and no later one keeps what was written before it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ALL_SUBSETS = 6
"""So many unsynced calls are lost and kept in every combination; more only in chosen ones."""

_ROOT = 0


@dataclass(frozen=True)
class Call:
    """One line of a trace; `octets` of a write."""

    name: str
    fields: tuple[str, ...]
    octets: bytes = b""


def calls_of(trace: bytes) -> list[Call]:
    calls, at = [], 0
    while at < len(trace):
        end = trace.index(b"\n", at)
        name, *fields = trace[at:end].decode().split("\t")
        at = end + 1
        octets = b""
        if name == "write":
            octets = trace[at : at + int(fields[2])]
            at += len(octets)
        calls.append(Call(name, tuple(fields), octets))
    return calls


@dataclass(eq=False)
class Effect:
    """One change that a power cut may undo.

    Of a file: `octets` at `offset`, or without octets, `offset` as its size. Of a directory: `name` means the
    object `target`, or nothing. `needs` is the effect without which it cannot be.
    """

    owner: int
    offset: int = 0
    octets: bytes | None = None
    name: str = ""
    target: int | None = None
    needs: Effect | None = None
    durable: bool = False
    doomed: bool = False


@dataclass
class State:
    """Directories as names of objects, and files as octets, by object."""

    names: dict[int, dict[str, int]] = field(default_factory=lambda: {_ROOT: {}})
    octets: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> State:
        return State({number: dict(names) for number, names in self.names.items()}, dict(self.octets))

    def apply(self, effect: Effect, length: int | None = None) -> None:
        """Let the effect come about; of a write, the first `length` octets only."""
        if effect.name and effect.target is not None:
            self.names[effect.owner][effect.name] = effect.target
        elif effect.name:
            self.names[effect.owner].pop(effect.name, None)
        elif effect.octets is None:
            self.octets[effect.owner] = self.octets[effect.owner][: effect.offset].ljust(effect.offset, b"\0")
        else:
            new, old = effect.octets[:length], self.octets[effect.owner].ljust(effect.offset, b"\0")
            self.octets[effect.owner] = old[: effect.offset] + new + old[effect.offset + len(new) :]

    def tree(self) -> Tree:
        return dict(self._below(_ROOT, ""))

    def _below(self, directory: int, path: str) -> Iterator[tuple[str, tuple[int, bytes | None]]]:
        for name, target in sorted(self.names[directory].items()):
            yield path + name, (target, self.octets.get(target))
            if target in self.names:
                yield from self._below(target, f"{path}{name}/")


Tree = dict[str, tuple[int, bytes | None]]
"""By path: the object's number, two names of one file having the same, and its octets; a directory has none."""


@dataclass(frozen=True)
class Kept:
    """What of the unsynced effects reached the disk, and the one of which only a part did."""

    effects: frozenset[Effect]
    torn: Effect | None = None


class Disk:
    """Takes the calls of a trace, one by one, on what lies below `root` now and is durable."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable = State()
        self._effects: list[Effect] = []
        self._numbers = itertools.count(1)
        self._directories = {str(root): _ROOT}
        self._files: dict[str, int] = {}  # by inode, which the kernel may use again
        self._live = State()
        self._find(root, _ROOT)
        self._live = self._durable.copy()

    def _find(self, directory: Path, number: int) -> None:
        for path in directory.iterdir():
            if path.is_dir():
                new = self._new_directory(str(path))
                self._find(path, new)
            else:
                inode = str(path.stat().st_ino)
                new = self._files.get(inode) or self._new_file(inode)
                self._durable.octets[new] = path.read_bytes()
            self._durable.names[number][path.name] = new

    def _new_directory(self, path: str) -> int:
        number = self._directories[path] = next(self._numbers)
        self._durable.names[number], self._live.names[number] = {}, {}
        return number

    def _new_file(self, inode: str) -> int:
        number = self._files[inode] = next(self._numbers)
        self._durable.octets[number], self._live.octets[number] = b"", b""
        return number

    def take(self, call: Call) -> None:
        """One more call has been made."""
        match call.name, call.fields:
            case "mark", _:
                pass
            case "create", (path, inode):
                self._add(self._named(path, self._new_file(inode)))
            case "mkdir", (path,):
                self._add(self._named(path, self._new_directory(path)))
            case "unlink", (path,):
                self._add(self._named(path, None))
            case "rename", (old, new):
                there = self._named(new, self._object(old))
                self._add(there)
                gone = self._named(old, None)
                gone.needs = there
                self._add(gone)
            case "write", (inode, offset, _):
                self._add(Effect(self._files[inode], int(offset), call.octets))
            case "truncate", (inode, size):
                self._add(Effect(self._files[inode], int(size)))
            case (("sync" | "sync-failed"), (inode,)):
                self._sync(self._files[inode], failed=call.name == "sync-failed")
            case (("sync-names" | "sync-names-failed"), (path,)):
                self._sync(self._directories[path], failed=call.name == "sync-names-failed")
            case _:
                raise AssertionError(call)

    def _named(self, path: str, target: int | None) -> Effect:
        parent, _, name = path.rpartition("/")
        return Effect(self._directories[parent], name=name, target=target)

    def _object(self, path: str) -> int:
        parent, _, name = path.rpartition("/")
        return self._live.names[self._directories[parent]][name]

    def _add(self, effect: Effect) -> None:
        self._effects.append(effect)
        self._live.apply(effect)

    def _sync(self, owner: int, *, failed: bool) -> None:
        for effect in self._effects:
            if effect.owner != owner or effect.doomed:
                continue
            if failed:
                effect.doomed = not effect.name  # names are the journal's: a later commit has them
            else:
                effect.durable = True
                if effect.needs is not None:
                    effect.needs.durable = True
        while self._effects and self._effects[0].durable:
            self._durable.apply(self._effects.pop(0))

    @property
    def unsynced(self) -> list[Effect]:
        return [effect for effect in self._effects if not effect.durable]

    def live(self) -> Tree:
        """What a process sees."""
        return self._live.tree()

    def left(self, kept: Kept) -> Tree:
        """What is there after a power cut now."""
        state = self._durable.copy()
        for effect in self._effects:
            if effect.durable or (effect in kept.effects and _possible(effect, kept)):
                torn = effect is kept.torn and effect.octets is not None
                state.apply(effect, _part(effect.octets or b"") if torn else None)
        return state.tree()


def _possible(effect: Effect, kept: Kept) -> bool:
    return effect.needs is None or effect.needs.durable or effect.needs in kept.effects


def _part(octets: bytes) -> int:
    """Half of it, and whole sectors where there are some."""
    half = len(octets) // 2
    return half - half % 512 or half


def choices(unsynced: list[Effect], most: int, chance: random.Random) -> list[Kept]:
    """What may be kept: nothing and all of it first, then at most `most` others, by chance if there are more."""
    others = list(_others(unsynced))
    if len(others) > most:
        others = chance.sample(others, most)
    return [Kept(frozenset()), Kept(frozenset(unsynced)), *others]


def _others(unsynced: list[Effect]) -> Iterator[Kept]:
    whole = frozenset(unsynced)
    for effect in unsynced:
        if effect.octets:
            yield Kept(whole, torn=effect)
    for size in range(1, len(unsynced)):
        first = frozenset(unsynced[:size])
        yield Kept(first)
        if unsynced[size - 1].octets:
            yield Kept(first, torn=unsynced[size - 1])
    if len(unsynced) <= ALL_SUBSETS:
        for size in range(1, len(unsynced)):
            yield from (Kept(frozenset(some)) for some in itertools.combinations(unsynced, size))
        return
    for effect in unsynced:
        yield Kept(frozenset({effect}))
        yield Kept(whole - {effect})


def lay_down(tree: Tree, root: Path) -> None:
    """Make the tree in this empty directory."""
    first: dict[int, Path] = {}
    for name, (number, octets) in tree.items():
        path = root / PurePosixPath(name)
        if octets is None:
            path.mkdir(mode=0o700)
        elif number in first:
            path.hardlink_to(first[number])
        else:
            path.write_bytes(octets)
            path.chmod(0o600)
            first[number] = path
