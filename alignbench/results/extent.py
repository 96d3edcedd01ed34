"""How much of a published data set a curve is of, so that a part of it never looks like the whole.

It is told from what every run folder has: the number of judgments of each subset, the protocol, and `--limit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alignbench.datasets import DATASETS
from alignbench.errors import AlignbenchError
from alignbench.results.layer_curve import LayerCurve

_USUAL: Final = ("all", "test", "testset1")  # subsets by which a data set is known
_TITLES: Final = {
    "tid2013": "TID2013",
    "kadid10k": "KADID-10k",
    "bapps": "BAPPS",
    "nights": "NIGHTS",
    "things": "THINGS",
    "levels": "Levels",
    "cichy2019": "Cichy 2019",
    "king2019": "King 2019",
    "peterson": "Peterson",
}


def data_set_title(dataset: str) -> str:
    """A data set as its authors call it, which is how results name it; others by their own name."""
    return _TITLES.get(dataset, dataset)


def named_subset(subset: str, protocol: str) -> str:
    """The name of a subset where it has to be said: always under the corrected protocol; else empty if it is usual."""
    return "" if subset in _USUAL and protocol == "paper" else subset


def place_name(dataset: str, subset: str, protocol: str) -> str:
    """The title of a data set, and its subset where that has to be said."""
    return " ".join(filter(None, [data_set_title(dataset), named_subset(subset, protocol)]))


def extents(curve: LayerCurve) -> dict[str, str]:
    """For each subset of a curve in how far it differs from what was published, e.g. `12 of 1,824 test triplets`.

    Empty where nothing differs, or where it is not known how much was published and `--limit` left nothing out.
    """
    return _Extents(curve).by_subset


def measured_on(curve: LayerCurve) -> str:
    """The data set of a curve as titles have it, with how much of it was measured if that is a part.

    That the model was trained on such data is said too. Where a curve has one subset only, that is named if it has to
    be.
    """
    found = _Extents(curve)
    alone = place_name(curve.dataset, next(iter(found.counts)), curve.protocol)
    name = alone if len(found.counts) == 1 else data_set_title(curve.dataset)
    said = [text for subset, text in found.by_subset.items() if text and not found.is_broken_down(subset)]
    said += [curve.trained_on] if curve.trained_on else []
    return f"{name} ({'; '.join(said)})" if said else name


def part_of(dataset: str, subsets: Sequence[str], count: int, limit: int | None = None) -> str:
    """In how far the triplets of some subsets together differ from what was published, as `extents` says it.

    Args:
        dataset: Name of the data set.
        subsets: Names of its subsets.
        count: How many triplets of them were taken.
        limit: At most how many of each were to be taken.
    """
    published, named = _published(dataset, "paper"), " and ".join(subset for subset in subsets if subset != "all")
    unit = f"{named} triplets".lstrip()
    if all(subset in published for subset in subsets):
        return _part(count, sum(published[subset] for subset in subsets), unit)
    return f"the first {count:,} {unit}" if limit is not None and count == limit * len(subsets) else ""


def _part(here: int, there: int, unit: str) -> str:
    """How many there are here, beside how many were published; empty if that is the same."""
    if here > there:
        return f"{here:,} {unit}, more than the {there:,} published"
    return f"{here:,} of {there:,} {unit}" if here < there else ""


class _Extents:
    """The subsets of a curve beside what was published of them.

    Args:
        curve: Which.

    Attributes:
        counts: Number of judgments by subset, breakdowns left out.
        by_subset: See `extents`.
    """

    def __init__(self, curve: LayerCurve) -> None:
        counts = curve.main().groupby("subset", sort=False)["n"].max()
        self.counts = {str(subset): int(n) for subset, n in counts.items()}
        self._unit = "ratings" if "spearman" in set(curve.frame["metric"]) else "triplets"
        self._limit = curve.limit
        self._published = _published(curve.dataset, curve.protocol)
        self.by_subset = {subset: self._extent(subset) for subset in self.counts}

    def is_broken_down(self, subset: str) -> bool:
        """Whether another subset of the curve holds it."""
        return self._holder(subset) in {*self.counts} - {subset}

    def _holder(self, subset: str) -> str:
        """The subset itself, or else one that holds it, of which it is known how many judgments were published."""
        if subset in self._published:
            return subset
        return next((name for name in self._published if name == "all" or subset.startswith(f"{name}-")), "")

    def _extent(self, subset: str) -> str:
        here, holder = self.counts[subset], self._holder(subset)
        if not holder:
            return f"the first {here:,} {self._unit_of(subset)}" if here == self._limit else ""
        if self.is_broken_down(subset):
            outer = self._extent(holder)
            return f"{here:,} from {outer}" if outer else ""
        there = self._published[holder]
        return _part(here, there, self._unit_of(subset if here > there else holder))

    def _unit_of(self, subset: str) -> str:
        return self._unit if subset == "all" else f"{subset} {self._unit}"


def _published(dataset: str, protocol: str) -> dict[str, int]:
    """How many judgments were published; of a data set that is not installed nothing is known."""
    if dataset not in DATASETS:
        return {}
    try:
        return DATASETS.load(dataset).published_counts(protocol)
    except AlignbenchError:
        return {}
