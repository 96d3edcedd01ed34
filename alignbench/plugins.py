"""Registries of names that stand for objects, of the package or of any installed plug-in, loaded only when chosen.

A plug-in enters a name in its `pyproject.toml`, in one of the groups `alignbench.datasets`, `alignbench.models`,
`alignbench.metrics` and `alignbench.labellers`; the package's own names use the same form (`module:attribute`). What is
wrong with one plug-in is said when it is chosen, and hurts no other name.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Generic, TypeVar

from alignbench.errors import AlignbenchWarning, UsageError, unknown

T = TypeVar("T")
Fault = Callable[[str, object], str]
OURS: Final = "alignbench"  # the distribution whose entries are no plug-ins


def callable_with(*attributes: str) -> Fault:
    """Make a check that an object can be called and has some attributes; a class, which has them too, is refused."""

    def fault(name: str, candidate: object) -> str:
        if attributes and isinstance(candidate, type):
            return "it is a class and not an object of it"
        missing = [attribute for attribute in attributes if not hasattr(candidate, attribute)]
        if missing:
            return f"it has no {' and no '.join(missing)}"
        return "" if callable(candidate) else "it cannot be called"

    return fault


class Registry(Generic[T]):
    """The objects of one group, by name.

    Args:
        group: Entry-point group, e.g. `alignbench.datasets`.
        kind: What its members are called in messages, e.g. `data set`.
        built_in: The package's own members, name to `module:attribute`. A plug-in cannot take their names.
        fault: Says what keeps an object from being a member of a name; empty if nothing does.
        unnamed: Those of the package's own members that nobody asks for by name: only `own` has them, and a plug-in
            can take their names.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        built_in: Mapping[str, str],
        fault: Fault = lambda name, candidate: "",
        unnamed: Collection[str] = (),
    ) -> None:
        self.group, self.kind, self.fault = group, kind, fault
        self._own = dict(built_in)
        self.built_in = {name: home for name, home in built_in.items() if name not in unnamed}

    def _entries(self) -> dict[str, list[EntryPoint]]:
        """The entries of each name that installed packages make, each once."""
        return _installed(self.group, tuple((place, _modified(place)) for place in sys.path))

    def names(self) -> list[str]:
        """List all names, the package's own first."""
        return [*self.built_in, *(name for name in self._entries() if name not in self.built_in)]

    def __contains__(self, name: str) -> bool:
        return name in self.built_in or name in self._entries()

    def own(self) -> Iterator[tuple[str, T]]:
        """Load the package's own members, with their names, in the order of registration."""
        for name in self._own:
            yield name, self._own_member(name)

    def _own_member(self, name: str) -> T:
        member: T = EntryPoint(name, self._own[name], self.group).load()
        return member

    def plug_in(self, name: str) -> str:
        """Name the installed package or packages that a name comes from; empty for alignbench itself."""
        entries = [] if name in self.built_in else self._entries().get(name, [])
        return "" if all(_package_name(entry) == OURS for entry in entries) else " and ".join(map(_package, entries))

    def usable(self) -> Iterator[str]:
        """Yield the names of all that can be used; warns of plug-ins that cannot."""
        for name in self.names():
            try:
                if self.plug_in(name):
                    self.load(name)
            except UsageError as error:
                warnings.warn(str(error), AlignbenchWarning, stacklevel=2)
            else:
                yield name

    def load(self, name: str) -> T:
        """Load the object of a name.

        Raises:
            UsageError: If there is none (names the nearest), if several plug-ins claim the name, or if the plug-in
                cannot be imported or is not what its group asks for.
        """
        if name in self.built_in:
            self.warn_of_ignored(name)
            return self._own_member(name)
        entries = self._entries()
        claims = entries.get(name, [])
        if not claims:
            raise unknown(self.kind, name, entries | self.built_in)
        if len(claims) > 1:
            packages = " and ".join(_described(entry) for entry in claims)
            raise UsageError(f"{self.kind} '{name}' is claimed by {packages}: uninstall one, or choose another name")
        return self._load(claims[0])

    def warn_of_ignored(self, name: str) -> None:
        """Warn, once a process, of plug-ins that claim a name of the package's own."""
        for entry in self._entries().get(name, []) if name in self.built_in else []:
            _warn_once(f"{self.kind} '{name}' of {_described(entry)} is ignored: alignbench has one of that name")

    def _load(self, entry: EntryPoint) -> T:
        remedy = f"correct or uninstall {_package_name(entry)}"
        try:
            member: T = entry.load()
            fault = self.fault(entry.name, member)
        except (Exception, SystemExit) as error:  # whatever the import of someone else's module raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise UsageError(
                f"{self.kind} '{entry.name}' of {_described(entry)} cannot be imported ({reason}): {remedy}"
            ) from error
        if fault:
            raise UsageError(f"'{entry.name}' of {_described(entry)} is no {self.kind}, {fault}: {remedy}")
        return member


@lru_cache(maxsize=8)
def _installed(group: str, path: tuple[tuple[str, int], ...]) -> dict[str, list[EntryPoint]]:
    """Read the entries of each name that installed packages make in a group, each once.

    This takes 10 ms, a run asks a dozen times, and a sweep once a cell: they are read once for a state of `sys.path`.

    Args:
        group: Entry-point group.
        path: The folders of `sys.path`, each with the time at which something was installed into it or removed.
    """
    by_name: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=group):
        by_name.setdefault(entry.name, {}).setdefault((_package_name(entry), entry.value), entry)
    return {name: list(entries.values()) for name, entries in by_name.items()}


def _modified(place: str) -> int:
    try:
        return os.stat(place or os.curdir).st_mtime_ns
    except OSError:
        return 0


def _package_name(entry: EntryPoint) -> str:
    return (entry.dist.name if entry.dist is not None else None) or "an unnamed package"


def _package(entry: EntryPoint) -> str:
    """Name and version of the installed package that an entry comes from, as far as they are known."""
    version = entry.dist.version if entry.dist is not None else None
    return f"{_package_name(entry)} {version}" if version else _package_name(entry)


def _described(entry: EntryPoint) -> str:
    return f"{_package(entry)} ({entry.value})"


@cache
def _warn_once(text: str) -> None:
    """Warn, the first time that this is said in the process."""
    warnings.warn(text, AlignbenchWarning, stacklevel=4)
