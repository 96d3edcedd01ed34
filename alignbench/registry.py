"""Doors: names that stand for objects, of the package or of any installed plug-in, loaded only when chosen.

A plug-in enters a name in its `pyproject.toml`, in one of the groups `alignbench.datasets`, `alignbench.models` and
`alignbench.metrics`; the package's own names use the same form (`module:attribute`).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from alignbench.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """The objects of one group, by name.

    Args:
        group: Entry-point group, e.g. `alignbench.datasets`.
        kind: What its members are called in messages, e.g. `data set`.
        built_in: The package's own members, name to `module:attribute`.
    """

    def __init__(self, group: str, kind: str, built_in: Mapping[str, str]) -> None:
        self.group, self.kind, self.built_in = group, kind, dict(built_in)

    def _entries(self) -> dict[str, EntryPoint]:
        found = {entry.name: entry for entry in entry_points(group=self.group)}
        own = {name: EntryPoint(name, value, self.group) for name, value in self.built_in.items()}
        return {**found, **own}

    def names(self) -> list[str]:
        """All names, the package's own first."""
        return sorted(self._entries(), key=lambda name: name not in self.built_in)

    def __contains__(self, name: str) -> bool:
        return name in self._entries()

    def load(self, name: str) -> T:
        """The object of that name.

        Raises:
            UsageError: If there is none; names the nearest.
        """
        entries = self._entries()
        if name not in entries:
            raise unknown(self.kind, name, entries)
        loaded: T = entries[name].load()
        return loaded
