"""The packaged world for the head browser: scenes that its people judge, and all that other stages say of their heads.

It is made once, in the caches, and taken from there: half a minute on two cores.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from alignbench.datasets import DATASETS
from alignbench.datasets.scene_names import named_scenes
from alignbench.datasets.shapes import SceneImages
from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.extraction.progress import EmbeddingListener
from alignbench.files import cache_folder
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.demo import MODEL, DemoListener, DemoSettings, label_stages, people_scores
from alignbench.interpret.store import HeadStore
from alignbench.interpret.store_job import StoreJob
from alignbench.measurement.sources import TowerRequest, load_ready_tower

LIMITS: Final = {"shapes-low": 200, "shapes-middle": 60, "shapes-high": 1_000}  # judgments of each data set
_SETTINGS: Final = DemoSettings(picks=10, resamples=20, draws=99, splits=1, limits=LIMITS)
_BATCH: Final = 64
_NOT_PICKED: Final = r".* texts of .* are none of those that are judged"  # texts of the world that no head picks


def packaged_pictures() -> SceneImages:
    """Return the scenes that these people judge, each once."""
    judged = []
    for name, limit in LIMITS.items():
        data_set = DATASETS.load(name)
        judged.append(data_set.read(None, (data_set.default_subset,)).limited(limit).images.names)
    scenes = named_scenes(list(dict.fromkeys(name for names in judged for name in names)))
    assert scenes is not None  # the name of a scene is all that there is to it
    return scenes


def packaged_twin(store: Path) -> Path:
    """Make the contributions of the same model with weights at random, or take them: what neighbours are compared with.

    Args:
        store: The packaged world; they are beside it.

    Returns:
        Their folder.

    Raises:
        AlignbenchError: If they cannot be written.
    """
    return _contributions(store.parent, EmbeddingListener(), random_init=True)[0].folder


def _contributions(place: Path, pictures: EmbeddingListener, random_init: bool = False) -> tuple[HeadStore, bool]:
    """Contributions to the packaged pictures, and whether they were there."""
    request = TowerRequest(MODEL, "all", random_init, accelerator="cpu", batch_size=_BATCH, workers=0, layers=("all",))
    job = StoreJob("all", output=place)
    return store_contributions(job, load_ready_tower(request), packaged_pictures(), pictures)


def packaged_store(listener: DemoListener, folder: Path | None = None) -> Path:
    """Make the packaged world ready, or take it from the caches.

    Args:
        listener: Hears of the stages.
        folder: Where it is; none for the caches.

    Returns:
        The contributions of its heads, with everything else beside them.

    Raises:
        UsageError: If there is no place for caches.
        AlignbenchError: If something cannot be written.
    """
    place = folder or cache_folder("heads")
    if place is None:
        raise UsageError("there is no home folder for what is made: name a folder by the variable ALIGNBENCH_CACHE")
    with listener.stage("contributions") as done:
        store, was_finished = _contributions(place, listener.pictures)
        done(store.folder, was_finished)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _NOT_PICKED, AlignbenchWarning)
        label_stages(store, _SETTINGS, listener)
    people_scores(place, _SETTINGS, listener)
    return store.folder
