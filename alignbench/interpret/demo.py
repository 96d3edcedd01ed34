"""All stages one after another on the packaged model, in whose world the attributes of every picture are known.

scenes -> contributions -> texts -> labels -> scores; contributions -> linear probes; people -> heads alone, left out

Each stage leaves its folder below one output, and takes that where it is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import yaml

from alignbench.datasets import scenes
from alignbench.errors import DataError
from alignbench.extraction.progress import EmbeddingListener
from alignbench.files import whole_folder, write_whole
from alignbench.interpret.align_job import AlignJob, Nulls
from alignbench.interpret.aligning import Surroundings, align
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labeller import LabellerRequest, make_labeller
from alignbench.interpret.labelling.labelling import LabelJob, label_heads, read_labels
from alignbench.interpret.labelling.scoring import ScoreJob, score_heads
from alignbench.interpret.probing import COLUMNS as PROBED
from alignbench.interpret.probing import probe_heads
from alignbench.interpret.scene_attributes import attribute_scenes, attribute_texts
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore
from alignbench.interpret.store_job import StoreJob
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.measurement.cell import Cell
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from alignbench.results.csv_table import read_csv_table
from alignbench.results.folders import folder_of
from alignbench.results.head_stages import PROBES
from alignbench.results.run_folder import run_hash

MODEL: Final = "shapes-clip"
PEOPLE: Final = ("shapes-low", "shapes-middle", "shapes-high")
STAGES: Final = ("contributions", "texts", "labels", "scores", "probes", *PEOPLE)
_LISTS: Final = "attributes.yaml"
_BATCH: Final = 64


@dataclass(frozen=True)
class DemoSettings:
    """How much is done.

    Attributes:
        scenes: Pictures of known attributes.
        picks: Texts of a head.
        resamples: Draws of these pictures, for intervals of scores.
        draws: Permutations, and random subspaces.
        splits: Halvings for sums of heads.
        limit: Judgments of each data set; none for all.
        limits: Those of some data sets, by name.
    """

    scenes: int = 600
    picks: int = 10
    resamples: int = 50
    draws: int = 199
    splits: int = 5
    limit: int | None = 5_000
    limits: Mapping[str, int] = field(default_factory=dict)


QUICK: Final = DemoSettings(scenes=120, picks=4, resamples=3, draws=19, splits=1, limit=300)
"""All stages in seconds, to see that they work."""


@dataclass(frozen=True)
class DemoListener:
    """Hears of all stages; this one ignores it all.

    Attributes:
        began: Hears which of `STAGES` begins.
        ended: Hears which one is over, its folder, the seconds that it took, and whether it had been finished before.
        pictures: Hears of pictures that are decomposed.
        notice: Hears of what is not scored.
    """

    began: Callable[[str], None] = lambda stage: None
    ended: Callable[[str, Path, float, bool], None] = lambda stage, folder, seconds, was_finished: None
    pictures: EmbeddingListener = field(default_factory=EmbeddingListener)
    notice: Callable[[str], None] = lambda text: None

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[Path, bool], Path]]:
        """Tell of a stage; what is yielded takes its folder, and whether it had been finished before."""
        self.began(name)
        start = time.monotonic()

        def done(folder: Path, was_finished: bool) -> Path:
            self.ended(name, folder, time.monotonic() - start, was_finished)
            return folder

        yield done


@dataclass(frozen=True)
class DemoFolders:
    """What all stages left.

    Attributes:
        store: Contributions of heads to scenes of known attributes.
        labels: Labels of heads.
        scores: How well the labels hold for texts that the labeller has not seen.
        probes: What can be read of each head.
        people: How close heads are to people, a folder for each of `PEOPLE`.
    """

    store: Path
    labels: Path
    scores: Path
    probes: Path
    people: tuple[Path, ...]


def run_demo(output: Path, settings: DemoSettings, listener: DemoListener) -> DemoFolders:
    """Run all stages, or take what is finished.

    Args:
        output: Folder of the folders.
        settings: How much is done.
        listener: Hears of the stages.

    Raises:
        AlignbenchError: If something cannot be written.
    """
    images, attributes = attribute_scenes(settings.scenes)
    request = TowerRequest(MODEL, "all", accelerator="cpu", batch_size=_BATCH, workers=0, layers=("all",))
    with listener.stage("contributions") as done:
        job = StoreJob("all", output=output)
        store, was_finished = store_contributions(job, load_ready_tower(request), images, listener.pictures)
        done(store.folder, was_finished)
    labels, scores = label_stages(store, settings, listener)
    with listener.stage("probes") as done:
        probes = done(*_probed(store, attributes))
    people = people_scores(output, settings, listener)
    return DemoFolders(store.folder, labels, scores, probes, people)


def label_stages(store: HeadStore, settings: DemoSettings, listener: DemoListener) -> tuple[Path, Path]:
    """Find the texts, the labels and the scores of these labels of heads of `MODEL`, or take what is finished.

    Args:
        store: Contributions of its heads.
        settings: How much is done.
        listener: Hears of the stages.

    Returns:
        The folders of labels and of scores.

    Raises:
        AlignbenchError: If something cannot be written.
    """
    texts = attribute_texts()
    with listener.stage("texts") as done:
        span = SpanJob(picks=settings.picks, rank=None, resamples=settings.resamples)
        picks = done(*span_store(store, load_text_encoder(MODEL), list(texts), span))
    with listener.stage("labels") as done:
        labeller = make_labeller("words", LabellerRequest(attribute_words()))
        labels = done(*label_heads(read_picks(picks), labeller, LabelJob("words")))
    with listener.stage("scores") as done:
        truth = LabellerRequest(attribute_words(), file=_written(store.folder.parent / _LISTS, texts))
        scores = done(*score_heads(read_labels(labels), make_labeller("file", truth), ScoreJob("file")))
    return labels, scores


def people_scores(output: Path, settings: DemoSettings, listener: DemoListener) -> tuple[Path, ...]:
    """Score how close heads are to people, or take what is finished.

    Args:
        output: Folder of the folders.
        settings: How much is done.
        listener: Hears of the stages.

    Returns:
        A folder for each of `PEOPLE`.

    Raises:
        AlignbenchError: If something cannot be written.
    """
    found = []
    for name in PEOPLE:
        with listener.stage(name) as done:
            limit = settings.limits.get(name, settings.limit)
            cell = Cell(MODEL, name, accelerator="cpu", batch_size=_BATCH, workers=0, limit=limit)
            nulls = Nulls(settings.draws, 1, settings.splits)
            job = AlignJob(cell, ("corrected",), output=output, nulls=nulls)
            scored = align(job, Surroundings(listener.pictures, listener.notice))
            assert scored is not None  # one process alone leads
            found.append(done(*scored))
    return tuple(found)


def attribute_words() -> dict[str, tuple[str, ...]]:
    """Return the words that name each attribute's values."""
    return {
        name: tuple(scenes.words_of(name, value) if name == "count" else str(value) for value in values)
        for name, values in scenes.ATTRIBUTES.items()
    }


def heads_and_truth(found: DemoFolders) -> pd.DataFrame:
    """Put what is said of each head beside what is true of it.

    Returns:
        A row for each head: `layer`, `head`, `label` (empty for none); `most`, the attribute that has the largest share
        of its variance, with that `share`; `accuracy` and `chance` of the probe of the label's attribute, and
        `label_share`, its share of the variance, not a number without a label.
    """
    probes = read_probes(found.probes)
    most = probes.loc[probes.groupby(["layer", "head"])["share"].idxmax()].rename(columns={"attribute": "most"})
    labels = read_labels(found.labels).table[["layer", "head", "label"]]
    own = probes.rename(columns={"attribute": "label", "share": "label_share"})
    both = labels.merge(most[["layer", "head", "most", "share"]], on=["layer", "head"])
    return both.merge(own, on=["layer", "head", "label"], how="left")


def agreeing_labels(heads: pd.DataFrame) -> tuple[int, int, float]:
    """Count labels that name what their head varies by most.

    Args:
        heads: See `heads_and_truth`.

    Returns:
        How many do, how many heads have a label, and how many would do if these labels were dealt to them at random.
    """
    labelled = heads[heads["label"] != ""]
    named, true = labelled["label"].value_counts(), labelled["most"].value_counts()
    expected = float((named * true.reindex(named.index, fill_value=0)).sum()) / max(len(labelled), 1)
    return int((labelled["label"] == labelled["most"]).sum()), len(labelled), expected


def read_probes(folder: Path) -> pd.DataFrame:
    """Read what can be read of each head, see `probe_heads`.

    Raises:
        DataError: If it is not there, or damaged.
    """
    try:
        return read_csv_table(folder / PROBES, texts=("attribute",))[list(PROBED)]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder / PROBES} cannot be read: remove {folder}, and run the demo again") from error


def _probed(store: HeadStore, attributes: dict[str, list[object]]) -> tuple[Path, bool]:
    folder = store.folder.parent / folder_of(MODEL, "probes", run_hash(store.record["settings"]))
    if (folder / PROBES).is_file():
        return folder, True
    places = ((layer, head) for layer in store.layers for head in range(store.heads))
    heads = ((*place, np.asarray(store.head(*place), dtype=np.float64)) for place in places)
    found = probe_heads(heads, attributes)
    with whole_folder(folder) as scratch:
        found.to_csv(scratch / PROBES, index=False)
    return folder, False


def _written(path: Path, texts: dict[str, str]) -> Path:
    """Write the texts of each attribute, as a judge by hand reads them."""
    lists: dict[str, list[str]] = {}
    for text, name in texts.items():
        lists.setdefault(name, []).append(text)
    write_whole(path, yaml.safe_dump(lists, sort_keys=False).encode())
    return path
