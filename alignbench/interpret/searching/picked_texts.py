"""The texts that `interpret textspan` has found of a store's heads, as directions by which similarities are split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError
from alignbench.extraction.host import side_by_side
from alignbench.files.json_text import checked_object
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.labelling.head_picks import HeadPicks, read_picks
from alignbench.interpret.searching.why import HeadTextDirections
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.interpret.text_span import picked_directions


@dataclass(frozen=True, eq=False)
class PickedTexts:
    """The picked texts of all heads of a store.

    Attributes:
        store: The contributions.
        picks: The picks.
        encoder: The text encoder of the store's model.
        embeddings: Of the texts of the picks, of length 1, (M, d').
    """

    store: HeadStore
    picks: HeadPicks
    encoder: TextEncoder
    embeddings: Floats
    _found: dict[Head, HeadTextDirections] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path, store: HeadStore, encoder: TextEncoder) -> PickedTexts:
        """Read a folder of texts, and embed them.

        Args:
            folder: What `interpret textspan` has left of the store.
            store: The contributions.
            encoder: The text encoder of the store's model.

        Raises:
            DataError: If the folder is none, damaged, or of other contributions or another encoder.
            ModelError: See `unit_embeddings`.
        """
        picks = read_picks(folder)
        settings = picks.record["settings"]
        if settings["heads"] != store.record["settings"]:
            raise DataError(f"{folder} has texts of heads of other contributions than {store.folder}: span those heads")
        if settings["text_fingerprint"] != encoder.fingerprint:
            raise DataError(f"{folder} has texts by another encoder than {encoder.name}: make it again with that model")
        return PickedTexts(store, picks, encoder, unit_embeddings(encoder, picks.texts))

    def of(self, heads: Iterable[Head]) -> dict[Head, HeadTextDirections]:
        """Return the directions of the texts of heads. They are worked out once, about half a second a head.

        Args:
            heads: The heads.

        Raises:
            UsageError: If there is no such head.
            DataError: If the texts are none that were picked of a head.
        """
        wanted = list(dict.fromkeys(heads))
        lacking = [head for head in wanted if head not in self._found]
        self._found.update(zip(lacking, side_by_side(self._directions, lacking), strict=True))
        return {head: self._found[head] for head in wanted}

    def _directions(self, head: Head) -> HeadTextDirections:
        folder, named = self.picks.folder, heads_named([head])
        if head not in self.picks.places:
            raise UsageError(f"{folder} has no texts of head {named}: it has those of other heads")
        place = self.picks.places.index(head)
        numbers = self.picks.picks[place]
        numbers = numbers[numbers >= 0]
        try:
            said = checked_object("head", self.picks.record["ranks"][place], {"rank": (int,)})
            found = picked_directions(self.store.head(*head), self.embeddings[numbers], int(said["rank"]))
        except (LookupError, ValueError, UsageError) as error:
            raise DataError(
                f"{folder} does not fit head {named} ({error}): remove the folder, and make it again by "
                "`alignbench interpret textspan`"
            ) from error
        return HeadTextDirections(tuple(np.array(self.picks.texts, dtype=object)[numbers]), found)
