"""All that is known of a store's heads: grids of layers and heads, and a card for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.errors import UsageError, unknown
from alignbench.interpret.browser.aligned_places import AlignedPlace, aligned_places
from alignbench.interpret.browser.colourings import Colouring, colourings
from alignbench.interpret.browser.head_cards import HeadCard, head_card
from alignbench.interpret.browser.head_folders import HeadFolders, head_folders
from alignbench.interpret.head_names import Head, heads_named

if TYPE_CHECKING:
    from alignbench.interpret.store import HeadStore


@dataclass(frozen=True)
class HeadGrid:
    """What other stages have found out about a store's heads.

    Attributes:
        heads: The heads of the store, by layer and head.
        colourings: The grids that there are.
        folders: The folders that they are of.
        places: Where its heads are scored.
        settings: Those of the store.
    """

    heads: tuple[Head, ...]
    colourings: tuple[Colouring, ...]
    folders: HeadFolders
    places: tuple[AlignedPlace, ...]
    settings: Mapping[str, Any]

    @staticmethod
    def read(store: HeadStore, places: Sequence[Path] = ()) -> HeadGrid:
        """Read the folders that lie beside a store; of its contributions nothing is read.

        Args:
            store: The contributions.
            places: Where the folders are; none for the folder in which the store lies.

        Raises:
            DataError: If a place is no folder.
        """
        heads = tuple((layer, head) for layer in store.layers for head in range(store.heads))
        folders = head_folders(store, places)
        scored = aligned_places(folders.alignments)
        grids = tuple(colourings(heads, folders, scored))
        return HeadGrid(heads, grids, folders, tuple(scored), store.record["settings"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, and why: a line each."""
        return self.folders.notes

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that the store's own pictures are of, as `interpret align` has decomposed them."""
        own = [each for each in self.folders.alignments if each.settings["heads"] == self.settings]
        return tuple(dict.fromkeys(str(each.settings["dataset"]) for each in own if "dataset" in each.settings))

    def colouring(self, name: str) -> Colouring:
        """Return the grid of that id.

        Raises:
            UsageError: If there is none.
        """
        found = {each.id: each for each in self.colourings}
        if name not in found:
            raise unknown("colouring", name, found)
        return found[name]

    def card(self, head: Head) -> HeadCard:
        """Return what there is to say of a head.

        Raises:
            UsageError: If the store does not hold it.
        """
        if head not in self.heads:
            ends = heads_named([self.heads[0], self.heads[-1]]).replace(",", " to ")
            raise UsageError(f"the store holds no head {heads_named([head])}: it has {ends}")
        return head_card(head, self.folders, self.places)
