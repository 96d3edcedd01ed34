"""From a store of contributions to the accuracy of a model without parts of them: a folder beside the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError, unknown
from alignbench.files import whole_folder
from alignbench.interpret.ablation.accuracy import ArmScore, arm_scores
from alignbench.interpret.ablation.arms import KINDS, WHOLE, Arm, StoredArms, arms_of, random_groups
from alignbench.interpret.ablation.class_texts import ClassTexts, class_embeddings
from alignbench.interpret.ablation.labelled import LabelledPictures
from alignbench.interpret.ablation.replacing import WAYS, drawn_donors, replaced
from alignbench.interpret.ablation.zero_shot import classified_right
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.head_ablations import COLUMNS, RECORD, TABLE, is_ablation
from alignbench.results.run_folder import run_hash

STAGE: Final = "ablate"
_MOST: Final = 10_000  # drawn groups, and pictures drawn for each
Heard = Callable[[int, int], None]


@dataclass(frozen=True)
class AblationJob:
    """What is ablated, and how.

    Attributes:
        by: Kinds of arms, see `arms_of`.
        groups: Groups of heads.
        labels: Labels with the heads of each, which are groups too.
        ways: What is put in the place of what is ablated: `mean`, `zero`, `resample`.
        random: Groups of as many other heads that are drawn for each group.
        draws: How often another picture is drawn for each, for `resample`.
        seed: Seed of these draws, and of the bootstrap.
        marked: Hears of the folder before it is whole, to mark it.
    """

    by: tuple[str, ...] = ("head", "layer", "mlp", "mlps", "early")
    groups: tuple[tuple[Head, ...], ...] = ()
    labels: tuple[tuple[str, tuple[Head, ...]], ...] = ()
    ways: tuple[str, ...] = ("mean",)
    random: int = 0
    draws: int = 10
    seed: int = 0
    marked: Callable[[Path], None] | None = None

    def checked(self) -> AblationJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        for option, given, known in (("--by", self.by, KINDS), ("--way", self.ways, WAYS)):
            for name in given:
                if name not in known:
                    raise unknown(option, name, known)
        if not self.ways:
            raise UsageError(f"--way is empty: give one or more of {', '.join(WAYS)}")
        if not self.by and not self.groups and not self.labels:
            raise UsageError(f"nothing is to be ablated: give --group, or --by with one or more of {', '.join(KINDS)}")
        for option, number, least, most in (
            ("--random", self.random, 0, _MOST),
            ("--draws", self.draws, 1, _MOST),
            ("--seed", self.seed, 0, None),
        ):
            if number < least or (most is not None and number > most):
                raise UsageError(f"{option} {number}: give {least} or more{f', up to {most:,}' if most else ''}")
        if self.random and not self.groups and not self.labels:
            raise UsageError("--random draws groups beside those of --group or --labels: give one")
        return self


@dataclass(frozen=True)
class ZeroShot:
    """How pictures are classified.

    Attributes:
        pictures: The pictures of the store, in its order.
        texts: The texts of each class.
        encoder: The text encoder of the store's model.
        by_group: Whether accuracies of groups are wanted.
    """

    pictures: LabelledPictures
    texts: ClassTexts
    encoder: TextEncoder
    by_group: bool = False


def ablate_store(
    store: HeadStore,
    zero_shot: ZeroShot,
    job: AblationJob,
    reference: HeadStore | None = None,
    heard: Heard = lambda done, of: None,
) -> tuple[Path, bool]:
    """Ablate parts of a model's output, and leave a folder `<model>__ablate__<hash8>` beside the store.

    Args:
        store: The contributions.
        zero_shot: How pictures are classified.
        job: What is ablated, and how.
        reference: Contributions of the pictures whose means, or parts, are put in the place of what is ablated; those
            of the store itself where there is none.
        heard: Hears how many arms are done, and of how many.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the job is impossible, or the texts are of another space.
        DataError: If the reference is of another model, a group is empty, or the store is damaged.
        AlignbenchError: If the folder cannot be written.
    """
    job = job.checked()
    if zero_shot.encoder.width != store.width:
        raise UsageError(
            f"{zero_shot.encoder.name} encodes texts in {zero_shot.encoder.width} numbers, and {store.folder} has "
            f"contributions of {store.width}: give the model that the store is of"
        )
    if zero_shot.pictures.names != store.names:
        raise UsageError(f"the classes are of other pictures than {store.folder}: give those of its pictures, in order")
    if reference is not None:
        _check_reference(store, reference)
    groups = zero_shot.pictures.groups() if zero_shot.by_group else None
    arms = _arms(store, job)
    settings = _settings(store, zero_shot, job, reference)
    label = str(store.record["settings"].get("model", ""))
    folder = store.folder.parent / folder_of(label, STAGE, run_hash(settings))
    if is_ablation(folder):
        return folder, True
    check_writable(folder.parent)
    total = len(arms) * len(job.ways)
    found: list[tuple[Arm, str, Floats]] = []
    for each in _classified(store, zero_shot, job, reference, arms):
        heard(len(found), total)  # the whole model comes first, and is no arm
        found.append(each)
    scores, kind = arm_scores(np.stack([right for _, _, right in found]), groups, job.seed)
    rows = [_row(arm, way, score) for (arm, way, _), each in zip(found, scores, strict=True) for score in each]
    record = {"settings": settings, "store": store.folder.name, "intervals": kind, **_described(zero_shot, groups)}
    record["reference"] = (reference or store).folder.name
    with whole_folder(folder, lambda: is_ablation(folder)) as scratch:
        pd.DataFrame(rows)[list(COLUMNS)].to_csv(scratch / TABLE, index=False)
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if job.marked is not None:
            job.marked(scratch)
    return folder, False


def _check_reference(store: HeadStore, reference: HeadStore) -> None:
    """Refuse a reference of another model, or one that keeps other heads."""
    keys = ("model_fingerprint", "resize")
    ours, theirs = ([each.record["settings"].get(key) for key in keys] for each in (store, reference))
    if ours != theirs:
        what = "another model" if ours[0] != theirs[0] else "pictures that were resized in another way"
        raise DataError(f"{reference.folder} is of {what} than {store.folder}: decompose --reference as these were")
    sizes = [(each.layers, each.heads, each.width, each.shape.blocks) for each in (store, reference)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{reference.folder} keeps other heads than {store.folder}: decompose both with the same --layers"
        )


def _arms(store: HeadStore, job: AblationJob) -> list[Arm]:
    """All arms, groups before the rest."""
    arms: list[Arm] = []
    groups = [*(("", heads) for heads in job.groups), *job.labels]
    for number, (label, heads) in enumerate(groups):
        for head in heads:
            store.head(*head)  # which refuses one that is not there
        arms += [Arm("group", heads=heads, label=label), *random_groups(store, heads, job.random, job.seed + number)]
    return [*arms, *(arm for kind in job.by for arm in arms_of(store, kind))]


def _classified(
    store: HeadStore, zero_shot: ZeroShot, job: AblationJob, reference: HeadStore | None, arms: list[Arm]
) -> Iterator[tuple[Arm, str, Floats]]:
    """The whole model, then each arm in each way: whether each picture is classified right, (n,)."""
    classes = class_embeddings(zero_shot.encoder, zero_shot.texts)
    places = {name: number for number, name in enumerate(zero_shot.texts)}
    labels: Indices = np.array([places[name] for name in zero_shot.pictures.classes], dtype=np.int64)
    own, other = StoredArms(store), None if reference is None else StoredArms(reference)
    whole = own.rows(WHOLE)
    count = len(store.names)
    yield WHOLE, "", classified_right(whole, classes, labels)
    donors: Indices = np.empty((0, count), dtype=np.int64)
    if "resample" in job.ways:
        donors = drawn_donors(count, None if reference is None else len(reference.names), job.draws, job.seed)
    for arm in arms:
        part = own.rows(arm)
        theirs = part if other is None else other.rows(arm)
        for way in job.ways:
            drawn = donors if way == "resample" else [None]
            right = [classified_right(replaced(whole, part, theirs, way, each), classes, labels) for each in drawn]
            yield arm, way, np.mean(right, axis=0)


def _settings(store: HeadStore, zero_shot: ZeroShot, job: AblationJob, reference: HeadStore | None) -> dict[str, Any]:
    """Everything that can change a number."""
    texts = json.dumps([[name, list(each)] for name, each in zero_shot.texts.items()])
    return {
        "heads": store.record["settings"],
        "reference": "the pictures themselves" if reference is None else reference.record["settings"],
        "text_fingerprint": zero_shot.encoder.fingerprint,
        "class_texts": hashlib.sha256(texts.encode()).hexdigest(),
        "pictures": zero_shot.pictures.digest(),
        "by_group": zero_shot.by_group,
        "by": list(job.by),
        "groups": list(map(heads_named, job.groups)),
        **({"labels": {name: heads_named(heads) for name, heads in job.labels}} if job.labels else {}),
        "ways": list(job.ways),
        "seed": job.seed,
        **({"random": job.random} if job.random else {}),
        **({"draws": job.draws} if "resample" in job.ways else {}),
    }


def _described(zero_shot: ZeroShot, groups: tuple[tuple[str, ...], Indices] | None) -> dict[str, Any]:
    """What the classes are called, and how many pictures there are of each, and of each group."""
    classes = zero_shot.pictures.classes
    said: dict[str, Any] = {
        "classes": {name: {"texts": list(texts), "n": classes.count(name)} for name, texts in zero_shot.texts.items()}
    }
    if groups is not None:
        said["groups"] = {name: int((groups[1] == number).sum()) for number, name in enumerate(groups[0])}
    return said


def _row(arm: Arm, way: str, score: ArmScore) -> dict[str, Any]:
    named = {"kind": arm.kind, "layer": arm.layer, "head": arm.head, "heads": heads_named(arm.heads)}
    return {**named, "label": arm.label, "way": way, **asdict(score)}
