"""From a data set and a store of its pictures to the pairs that people find alike, in a folder beside the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignbench.datasets import DATASETS
from alignbench.datasets.images import images_digest
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.scene_names import named_scenes
from alignbench.datasets.shapes import SceneImages
from alignbench.errors import DataError, UsageError
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.searching.analysis import COUNTS, all_heads
from alignbench.interpret.searching.people import AlikePairs, Likeness, likeness, people_pairs
from alignbench.interpret.searching.search import FoundTable, keep_search
from alignbench.interpret.searching.similarity import check_count, check_measure
from alignbench.interpret.searching.tables import table_of
from alignbench.interpret.store import HeadStore
from alignbench.report.panels import SIMULATED
from alignbench.results.layer_curve import is_simulated


@dataclass(frozen=True)
class PeopleJob:
    """What is asked of pairs that people find alike.

    Attributes:
        heads: The heads; all that are kept where there are none.
        picture: Number of a picture of which all pairs are; none for pairs of any pictures.
        measure: See `similarities`.
        count: Number of pairs; 8 by default.
    """

    heads: tuple[Head, ...] = ()
    picture: int | None = None
    measure: str = "dot"
    count: int | None = None

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.count or COUNTS["people"]

    def checked(self) -> PeopleJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        check_measure(self.measure)
        check_count(self.count)
        return self


@dataclass(frozen=True, eq=False)
class JudgedStore:
    """A store of pictures of a data set, and how alike people find them.

    Attributes:
        store: The contributions.
        dataset: Name of the data set.
        alike: How alike people find pairs of its pictures.
        fingerprint: What tells these judgments from others.
    """

    store: HeadStore
    dataset: str
    alike: Likeness
    fingerprint: str

    @staticmethod
    def read(store: HeadStore, dataset: str, data_root: Path | None = None) -> JudgedStore:
        """Read what people said of the pictures of a store: in all subsets that `align` scores.

        Args:
            store: Contributions to pictures of the data set, all or some.
            dataset: Name of the data set.
            data_root: Its folder; none for the usual one.

        Raises:
            UsageError: If there is no such data set, or it needs a folder.
            DataError: If it cannot be read, or the store holds other pictures.
        """
        data_set = DATASETS.load(dataset)
        rule = data_set.corrected
        subsets = dict.fromkeys((data_set.default_subset, *(() if rule is None else rule.subsets)))
        judgments = data_set.read(data_root or data_set.usual_root(), tuple(subsets))
        _check_pictures(store, judgments)
        alike = likeness(judgments, store.names)
        return JudgedStore(store, dataset, alike, judgments.fingerprint(judgments.images.names))

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said of it: that its people are simulated, and how many judgments were left out."""
        left_out, of = self.alike.left_out, self.alike.left_out + self.alike.judgments
        lacking = f"{left_out:,} of {of:,} judgments are left out: the contributions lack a picture of them"
        people = f"{self.dataset}: {SIMULATED}"
        return (*((people,) if is_simulated(self.dataset) else ()), *((lacking,) if left_out else ()))

    def pairs(self, job: PeopleJob) -> list[AlikePairs]:
        """Find the pairs that people find most alike, and how alike each head finds them.

        Args:
            job: What is asked.

        Raises:
            UsageError: If the job is impossible, the store holds no such head, or no pair of the picture was judged.
            DataError: If the store is damaged.
        """
        heads = self._heads(job)
        rows = ((head, self.store.head(*head)) for head in heads)
        return people_pairs(rows, self.alike, job.pairs, job.measure, job.picture)

    def keep(self, job: PeopleJob) -> tuple[Path, bool]:
        """Find such pairs, and leave a folder `<model>__search__<hash8>` beside the store; see `pairs`.

        Returns:
            The folder, and whether it was there already.

        Raises:
            AlignbenchError: See `pairs`; or if the folder cannot be written.
        """
        settings: dict[str, Any] = {
            "heads": self.store.record["settings"],
            "analysis": "people",
            "among": heads_named(self._heads(job)),
            "measure": job.measure,
            "count": job.pairs,
            "dataset": self.dataset,
            "judgments": self.fingerprint,
            **({} if job.picture is None else {"picture": self.store.names[job.picture]}),
        }
        told = {"unit": self.alike.unit, "notes": list(self.notes)}
        return keep_search(
            self.store, settings, lambda: FoundTable(table_of(self.store, self.pairs(job)), {"people": told})
        )

    def _heads(self, job: PeopleJob) -> tuple[Head, ...]:
        """The heads that are asked, all of which are there."""
        heads = job.checked().heads or all_heads(self.store)
        for head in heads:
            self.store.check_head(*head)
        if job.picture is not None and not 0 <= job.picture < len(self.store.names):
            raise UsageError(f"there is no picture {job.picture}: they are counted from 0")
        return heads


def _check_pictures(store: HeadStore, judgments: Judgments) -> None:
    """Refuse a store of other pictures than those that people saw, whatever they are called.

    Of scenes of the packaged world a store may hold some more: their names settle what is on them.
    """
    told, scenes = store.record["settings"].get("images"), named_scenes(store.names)
    known = scenes if isinstance(judgments.images, SceneImages) else None
    if known is not None and images_digest(known.names, known.identities()) == told:
        return
    make = f"`alignbench interpret align --dataset {judgments.dataset}` leaves one of its pictures"
    place = {name: number for number, name in enumerate(judgments.images.names)}
    other = next((name for name in store.names if name not in place), None)
    if other is not None:
        raise DataError(f"{store.folder} holds {other}, which is no picture of {judgments.dataset}: {make}")
    images = judgments.images.select(np.array([place[name] for name in store.names], dtype=np.int64))
    if images_digest(images.names, images.identities()) != told:
        raise DataError(f"{store.folder} is of other pictures than {judgments.dataset} has under their names: {make}")
