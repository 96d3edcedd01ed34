"""What is browsed: a store, its pictures, and its model, which is loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignbench.datasets import DATASETS
from alignbench.datasets.shapes import SceneImages
from alignbench.errors import DataError, UsageError
from alignbench.interpret.browser.head_grid import HeadGrid
from alignbench.interpret.browser.model_on_demand import LoadedModel, ModelOnDemand
from alignbench.interpret.browser.pictures import StorePictures, open_pictures
from alignbench.interpret.searching.comparing import fitting_transform
from alignbench.interpret.searching.differences import check_same_pictures
from alignbench.interpret.searching.judged_pairs import JudgedStore
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.of_store import model_of
from alignbench.transforms.named import NamedTransform

if TYPE_CHECKING:
    from alignbench.interpret.text_encoders.encoder import TextEncoder
    from alignbench.models.towers import Tower

_NO_SPAN: Final = (
    "neighbours are not explained: no texts of these heads lie beside them, as `interpret textspan` leaves"
)


@dataclass(frozen=True)
class BrowserJob:
    """What is to be browsed.

    Attributes:
        store: Folder of the contributions.
        model: Their model, where its name in the store is that of a folder.
        images: Folder of their pictures, if there is one.
        than: Contributions of another model to the same pictures.
        transform: A transform of the model's projection: a file, or a name.
        datasets: Data sets of what people say of these pictures, beside those of the packaged world.
        data_root: Folder of the data set, if it is one; see `Cell`.
    """

    store: Path
    model: str | None = None
    images: Path | None = None
    than: Path | None = None
    transform: str | None = None
    datasets: tuple[str, ...] = ()
    data_root: Path | None = None


@dataclass(frozen=True, eq=False)
class OtherSide:
    """What neighbours are compared with.

    Attributes:
        title: What it is called.
        than: Contributions of another model, or a transform.
    """

    title: str
    than: HeadStore | NamedTransform


@dataclass(frozen=True, eq=False)
class HeadWorld:
    """What is browsed.

    Attributes:
        store: The contributions.
        pictures: Their pictures, if they are there.
        on_demand: Their model; none if there is none.
        grid: What other stages say of the heads; none if nobody has looked.
        others: What neighbours are compared with, by short names.
        people: What people say of pairs of these pictures, by data set.
        lacking: Why something cannot be done, as far as it is known without the model; see `cannot`.
        places: Folders that errors may name.
    """

    store: HeadStore
    pictures: StorePictures | None = None
    on_demand: ModelOnDemand | None = None
    grid: HeadGrid | None = None
    others: Mapping[str, OtherSide] = field(default_factory=dict)
    people: Mapping[str, JudgedStore] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    places: tuple[Path, ...] = ()

    @property
    def model(self) -> str:
        """Name of the model."""
        return model_of(self.store)

    def load(self) -> LoadedModel:
        """Load the model, unless that was done before."""
        return LoadedModel() if self.on_demand is None else self.on_demand.load()

    @property
    def tower(self) -> Tower | None:
        """The model, if it can be had; it is loaded for that."""
        return self.load().tower

    @property
    def encoder(self) -> TextEncoder | None:
        """The encoder of its texts, if it has one; it is loaded for that."""
        return self.load().encoder

    @property
    def span(self) -> Path | None:
        """The folder of texts by which similarities are explained, if there is one; the model is loaded for that."""
        return _span(self, self.encoder)

    @property
    def is_loading(self) -> bool:
        """Whether the model is not loaded yet, so that more may turn out to be impossible."""
        return self.on_demand is not None and self.on_demand.loaded is None

    @property
    def cannot(self) -> Mapping[str, str]:
        """Why something cannot be done, as far as it is known: by `pictures`, `maps`, `texts`, `why` and so on."""
        loaded = None if self.on_demand is None else self.on_demand.loaded
        known = {**self.lacking, **({} if loaded is None else loaded.cannot)}
        if "why" not in known and loaded is not None and _span(self, loaded.encoder) is None:
            known["why"] = _NO_SPAN
        return known


def open_world(job: BrowserJob) -> HeadWorld:
    """Open what is to be browsed. A model that was named is loaded; what another lacks is said in `cannot` in time.

    Args:
        job: What is to be browsed.

    Raises:
        DataError: If there is no store, it is of another model, or its pictures have changed.
        AlignbenchError: If a model that was named cannot be had.
    """
    store = HeadStore.open(job.store)
    cannot: dict[str, str] = {}
    pictures = open_pictures(store, job.images)
    if pictures is None:
        cannot["pictures"] = "pictures are not shown: name their folder with --images"
    model = ModelOnDemand(store, job.model)
    if job.model is not None:
        model.check()
    grid = HeadGrid.read(store)
    if not grid.folders.spans:
        cannot["why"] = _NO_SPAN
    others = {f"o{number}": other for number, other in enumerate(_others(store, job))}
    if not others:
        cannot["others"] = (
            "there is nothing to compare with: name another model's contributions with --than, or --transform"
        )
    people = dict(_people(store, job, grid, pictures))
    if not people:
        cannot["people"] = "nobody is known to have judged these pictures: name judgments of them with --dataset"
    given = [each for each in (job.store, job.images, job.than) if each is not None]
    return HeadWorld(store, pictures, model, grid, others, people, cannot, tuple(given))


def _span(world: HeadWorld, encoder: TextEncoder | None) -> Path | None:
    """The first folder of texts of these heads by this encoder."""
    if encoder is not None and world.grid is not None:
        for each in world.grid.folders.spans:
            if each.settings.get("text_fingerprint") == encoder.fingerprint:
                return world.store.folder.parent / each.name
    return None


def _others(store: HeadStore, job: BrowserJob) -> Iterator[OtherSide]:
    if job.than is not None:
        other = HeadStore.open(job.than)
        check_same_pictures(store, other)
        yield OtherSide(model_of(other), other)
    if job.transform is not None:
        yield OtherSide(
            f"{model_of(store)} aligned by {job.transform}", fitting_transform(store, job.transform, job.model)
        )


def _people(
    store: HeadStore, job: BrowserJob, grid: HeadGrid, pictures: StorePictures | None
) -> Iterator[tuple[str, JudgedStore]]:
    """What people say of these pictures.

    By the data sets that were named; and, as far as they are there, by those that `interpret align` has decomposed, and
    for scenes by those that are packaged.
    """
    for name in job.datasets:
        yield name, JudgedStore.read(store, name, job.data_root)
    is_scenes = pictures is not None and isinstance(pictures.images, SceneImages)
    packaged = [name for name, data_set in DATASETS.own() if is_scenes and data_set.packaged]
    for name in dict.fromkeys((*grid.datasets, *packaged)):
        if name not in job.datasets:
            with suppress(DataError, UsageError):  # they are not where they usually are, or judge other pictures
                yield name, JudgedStore.read(store, name)
