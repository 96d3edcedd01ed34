"""Neighbours of a picture here and elsewhere: in another model's store, or behind a transform of the projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.errors import DataError, UsageError
from alignbench.interpret.components import OutputParts, check_of_projection
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.searching.analysis import COUNTS, all_heads, head_rows
from alignbench.interpret.searching.asked import StoredPicture
from alignbench.interpret.searching.differences import Compared, check_same_pictures, compare_neighbours, part_rows
from alignbench.interpret.searching.neighbours import HeadRows
from alignbench.interpret.searching.search import FoundTable, keep_search
from alignbench.interpret.searching.similarity import check_count, check_measure
from alignbench.interpret.searching.tables import table_of
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.of_store import model_of, store_tower
from alignbench.transforms.named import NamedTransform, resolve

_ANOTHER = "take another"
Side = Callable[[Sequence[Head]], Iterator[HeadRows]]


@dataclass(frozen=True)
class DifferenceJob:
    """What is compared.

    Attributes:
        heads: The heads; all that are kept where there are none.
        others: Those of the other side, as many as `heads` unless they are taken together; the same where there are
            none.
        together: Whether all heads of a side are taken together, by the mean of their similarities; otherwise each
            head is compared with the one that stands at its place on the other side.
        measure: See `similarities`.
        count: Number of neighbours; 4 for heads together and 8 for each, as for one side alone.
    """

    heads: tuple[Head, ...] = ()
    others: tuple[Head, ...] = ()
    together: bool = False
    measure: str = "dot"
    count: int | None = None

    @property
    def neighbours(self) -> int:
        """Number of neighbours."""
        return self.count or COUNTS["property" if self.together else "picture"]

    def checked(self) -> DifferenceJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        check_measure(self.measure)
        check_count(self.count)
        return self


def compare_sides(
    store: HeadStore, than: HeadStore | NamedTransform, job: DifferenceJob, picture: StoredPicture
) -> list[Compared]:
    """Compare the neighbours of a picture in a store with those elsewhere.

    Args:
        store: The contributions.
        than: Contributions of another model to the same pictures, or a transform of the projection of this one, which
            `fitting_transform` has found to fit. On both sides of a transform contributions are in the units of the
            output that it takes.
        job: What is compared.
        picture: The picture.

    Returns:
        A comparison for each head, or one for all together.

    Raises:
        UsageError: If the job is impossible, or a store holds no such head.
        DataError: If the stores are not of the same pictures, or damaged.
    """
    heads, others = _heads(store, than, job)
    before, after = _sides(store, than, picture)
    pairs = (
        [(heads, others)] if job.together else [((one,), (other,)) for one, other in zip(heads, others, strict=True)]
    )
    return [
        compare_neighbours(before(mine), after(theirs), job.neighbours, job.measure, picture.number)
        for mine, theirs in pairs
    ]


def difference_store(
    store: HeadStore, than: HeadStore | NamedTransform, job: DifferenceJob, picture: StoredPicture
) -> tuple[Path, bool]:
    """Compare neighbours, and leave a folder `<model>__search__<hash8>` beside the store; see `compare_sides`.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: See `compare_sides`.
        DataError: See `compare_sides`.
        AlignbenchError: If the folder cannot be written.
    """
    heads, others = _heads(store, than, job)
    settings: dict[str, Any] = {
        "heads": store.record["settings"],
        "analysis": "difference",
        "among": heads_named(heads),
        "others": heads_named(others),
        "together": job.together,
        "measure": job.measure,
        "count": job.neighbours,
        "picture": picture.name,
    }
    if isinstance(than, HeadStore):
        settings["than"] = than.record["settings"]
    else:
        settings["transform"] = than.settings()
    return keep_search(store, settings, lambda: FoundTable(table_of(store, compare_sides(store, than, job, picture))))


def fitting_transform(store: HeadStore, transform: str | Path, model: str | None = None) -> NamedTransform:
    """Find a transform that fits the projection of the model of a store.

    Args:
        store: The contributions.
        transform: A file, or the name of a published transform.
        model: The model of the store, where its label there is that of a folder.

    Raises:
        UsageError: If there is no such transform, or it is of another model, layer, width or other pictures.
        DataError: If it cannot be read, or the store is of another model.
    """
    from alignbench.transforms.aligned_layer import Remedies, Use, transformed_layer

    label = model or model_of(store)
    chosen = resolve(transform, model=label)
    check_of_projection(chosen)
    resize = str(store.record["settings"].get("resize", "checkpoint"))
    use = Use(label, "all", resize=resize, remedies=Remedies(_ANOTHER, _ANOTHER, _ANOTHER))
    transformed_layer(store_tower(store, model), chosen, use)
    return chosen


def picture_of_both(store: HeadStore, name: str) -> StoredPicture:
    """Find the picture that is compared.

    Raises:
        DataError: If the store does not hold it.
    """
    if name not in store.names:
        raise DataError(f"{name} is no picture of {store.folder}: difference takes the name of one by --picture")
    return StoredPicture(name, store.names.index(name))


def _heads(
    store: HeadStore, than: HeadStore | NamedTransform, job: DifferenceJob
) -> tuple[tuple[Head, ...], tuple[Head, ...]]:
    """The heads of both sides, all of which are there."""
    job.checked()
    other = than if isinstance(than, HeadStore) else store
    if isinstance(than, HeadStore):
        check_same_pictures(store, than)
    elif job.others:
        raise UsageError("a transform is of the same heads: leave out --than-group")
    heads = job.heads or all_heads(store)
    others = job.others or job.heads or all_heads(other)
    for each, named in ((store, heads), (other, others)):
        for head in named:
            each.check_head(*head)
    if not job.together and len(heads) != len(others):
        raise UsageError(
            f"{len(heads)} heads are compared with {len(others)} one by one: name as many by --group and --than-group, "
            "or add --together"
        )
    return heads, others


def _sides(store: HeadStore, than: HeadStore | NamedTransform, picture: StoredPicture) -> tuple[Side, Side]:
    """What gives the contributions of heads on both sides."""
    if isinstance(than, HeadStore):
        return (lambda heads: head_rows(store, heads, picture), lambda heads: head_rows(than, heads, picture))
    sides = OutputParts(store), OutputParts(store, transform=than.transform)
    return (
        lambda heads: part_rows(sides[0], heads, picture.number),
        lambda heads: part_rows(sides[1], heads, picture.number),
    )
