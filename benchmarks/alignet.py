"""AligNet from judgments to a judged student, in worlds whose truth is known, with the arms that must gain nothing.

    python benchmarks/alignet.py --output FOLDER [--seeds 9,10,11,12,13] [--arms main,untransformed,...] [--steps 1500]
    python benchmarks/alignet.py --output FOLDER --table

Each world is new: tree, people, pictures, the base student (2,000 steps of its own) and the teacher are of its seed.
Worlds 0 to 8 are left out, as settings were chosen on them. What is finished is taken from FOLDER/results.jsonl, a
line a world and arm. All arms of a world start from the same base, and make the same number of steps.

Stated before any student of worlds 9 to 13 was judged; means over worlds with 95 % t intervals that have to lie inside:

- main (cluster-border triplets of 48 clusters, KL, the teacher of people's choices): coarse accuracy rises by 10 points
  or more; fine falls by 2 at most; boundary is at 90 % of its ceiling or more before and after; the rank correlations
  with the true similarity of leaves (RSA), and of the model's entropy with people's entropy and response times (mean
  of the levels; 0 of a model at chance, which has no entropies) rise; 5-shot classification of leaves and accuracy on
  shifted pictures fall by 2 points at most.
- untransformed (the student's own base, centred and scaled, in the teacher's place), shuffled (labels of other
  triplets), followed (people who choose by the base's own cosines, and a teacher of theirs): no coarse gain, 2 points
  being none; the latter two none in the mean of the levels, too. Shuffled labels without a way back (lambda 0) from
  random weights: chance, 28 to 39 %.
- lambda 0, a tenth of main's, and main's, which is lambda x sum(lr) 0, 0.5 and 5, order the distance to the start.
- random triplets: fine accuracy is lower than with cluster-border ones, which hold two alike pictures each; coarse is
  no lower than theirs by 2 points, as three of four random triplets have two of one superordinate kind.
- K 2 and K 64: in the mean of the levels K 48 beats 2, and is not below 64 by 2 points.
- soft teacher: teachers of soft targets (the probabilistic embedding, and frequencies of the four judgments of each
  triplet) have less log loss of held-out choices than that of choices as they are. More worlds can be asked for, by
  --arms "soft teacher" --seeds 1,...,20.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alignbench.alignet.chain import PEOPLE, STUDENT, Chain, ChainSettings
from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.run import evaluate_student
from alignbench.alignet.training.folder import read_student
from alignbench.alignet.world_student import Pretraining
from alignbench.alignet.world_teacher import FEATURES_VERSION
from alignbench.report.figures.gains import draw_gains
from alignbench.results.gains import read_gains
from alignbench.results.run_folder import run_hash
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.judged_choices import compared_frame
from alignet_verdicts import MAIN, Measures, measures_of, report, table
from alignet_worlds import (
    base_student,
    own_features,
    random_student,
    shuffled_labels,
    similarity_agreement,
    world_of,
)
from workload import machine

SOFT = "soft teacher"
SOFT_KINDS = ("embedding", "frequencies")
SHOWN = (
    *("coarse", "fine", "boundary", "mean of levels", "RSA", "uncertainty", "response times"),
    *("entropy coarse", "entropy fine", "entropy boundary", "few-shot", "same kind", "shift", "agreement"),
    *("within a class, over the mean", "within a superordinate, over the mean", "across superordinates, over the mean"),
    "distance",
    *(f"{kind}: {score}" for kind in SOFT_KINDS for score in ("log loss", "calibration error", "accuracy")),
)


@dataclass(frozen=True)
class Arm:
    """What is done otherwise than in the main arm.

    Attributes:
        clusters: How many clusters.
        rule: Rule of the triplets.
        decay: Lambda.
        own: Whether the base is its own teacher.
        shuffled: Whether labels are shuffled.
        followed: Whether people follow the base.
        random: Whether the student starts from random weights.
    """

    clusters: int = 48
    rule: str = "cluster-border"
    decay: float = STUDENT.decay
    own: bool = False
    shuffled: bool = False
    followed: bool = False
    random: bool = False


ARMS = {
    MAIN: Arm(),
    "untransformed": Arm(own=True),
    "shuffled": Arm(shuffled=True),
    "random": Arm(rule="random"),
    "followed": Arm(followed=True),
    "lambda 0": Arm(decay=0.0),
    "lambda / 10": Arm(decay=STUDENT.decay / 10.0),
    "K 2": Arm(clusters=2),
    "K 64": Arm(clusters=64),
    "random start": Arm(decay=0.0, shuffled=True, random=True),
}


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        steps: Steps of a student.
        epochs: Epochs of a teacher at most.
        triplets: Triplets.
        pictures: Pictures of each leaf that it is taught on.
        labelled: Pictures of each leaf to be classified.
        base_steps: Steps of a base student.
    """

    steps: int = STUDENT.steps
    epochs: int = 100
    triplets: int = 30_000
    pictures: int = 120
    labelled: int = 20
    base_steps: int = 2_000


def run_arm(seed: int, arm: Arm, sizes: Sizes, output: Path) -> Measures:
    """Run an arm in a world, and return what came out."""
    place = output / f"world-{seed}"
    base = base_student(seed, place / f"base-{sizes.base_steps}", Pretraining(sizes.base_steps))
    start = random_student(seed, place / "random") if arm.random else base
    place = place / "followed" if arm.followed else place
    student = replace(STUDENT, steps=sizes.steps, decay=arm.decay)
    settings = ChainSettings(
        epochs=sizes.epochs,
        pictures=sizes.pictures,
        labelled=sizes.labelled,
        clusters=arm.clusters,
        rule=arm.rule,
        triplets=sizes.triplets,
        student=student,
        checkpoint_every=sizes.steps,
    )
    with world_of(seed, base if arm.followed else "") as world:
        chain = Chain(start, place, settings)
        files = chain.world()
        teacher: Path | None = chain.teacher(files)
        features = files.features
        if arm.own:
            assert teacher is not None
            features, teacher = own_features(base, files, teacher, place / "own.safetensors"), None
        triplets = chain.triplets(chain.clusters(features, teacher))
        labels = chain.labels(triplets, features, teacher)
        if arm.shuffled:
            labels = shuffled_labels(labels, place / f"shuffled-{labels.name}")
        taught = chain.student(labels, files)
        all_of_it = arm == ARMS[MAIN]
        judged = (
            chain.evaluation(taught, teacher, labels, files) if all_of_it else judged_by_people(start, taught, place)
        )
        frame, _ = read_gains(judged)
        found = measures_of(frame.to_dict("records"))
        found["RSA"] = [*(similarity_agreement(each, world) for each in (start, str(taught))), np.nan, np.nan]
    found["distance"] = [0.0, read_student(taught)["distance_to_start"], np.nan, np.nan]
    return found


def judged_by_people(before: str, after: Path, place: Path) -> Path:
    """What people's judgments say of both, and nothing else: an arm that must gain nothing is judged by that."""
    config = GainsConfig(before, str(after), datasets=(PEOPLE,), batch_size=64, accelerator="cpu", workers=0)
    return evaluate_student(config, Destination(place, lambda frame, folder: draw_gains(frame, folder, title="")))[0]


def compare_teachers(seed: int, sizes: Sizes, output: Path) -> Measures:
    """How well choices of held-out objects are foretold, by the teacher of hard targets and by those of soft ones."""
    found: dict[str, list[float]] = {}
    with world_of(seed):
        chain = Chain("", output / f"world-{seed}", ChainSettings(epochs=sizes.epochs))
        files = chain.world()
        hard, *soft = (
            replace(chain, settings=replace(chain.settings, targets=kind)).teacher(files)
            for kind in ("hard", *SOFT_KINDS)
        )
    for kind, teacher in zip(SOFT_KINDS, soft, strict=True):
        for row in compared_frame(hard, teacher).to_dict("records"):
            ends = ("before", "after", "difference_low", "difference_high")
            found[f"{kind}: {row['measure'].replace('_', ' ')}"] = [float(row[end]) for end in ends]
    return found


# ------------------------------------------------------------------------------------------------ results


def finished(path: Path) -> dict[tuple[str, int, str], Measures]:
    """What is finished, by arm, world and key."""
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {(row["arm"], row["world"], row["key"]): row["measures"] for row in rows}


def key_of(arm: str, sizes: Sizes) -> str:
    """What tells runs of an arm with other settings apart."""
    made: Mapping[str, Any] = {} if arm == SOFT else {**asdict(ARMS[arm]), **asdict(STUDENT)}
    return run_hash({**made, **asdict(sizes), "worlds": FEATURES_VERSION})


def main(given: list[str] | None = None) -> None:
    """Run what is not finished, and print what is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--seeds", type=lambda text: [int(each) for each in text.split(",")], default=[9, 10, 11, 12, 13]
    )
    parser.add_argument("--arms", type=lambda text: text.split(","), default=[*ARMS, SOFT])
    parser.add_argument("--table", action="store_true", help="run nothing, and print what is finished")
    parser.add_argument("--threads", type=int, default=1)
    for name, value in asdict(Sizes()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    asked = parser.parse_args(given)
    unknown = {*asked.arms} - {*ARMS, SOFT}
    if unknown:
        parser.error(f"no arm {', '.join(sorted(unknown))}: there are {', '.join([*ARMS, SOFT])}")
    sizes = Sizes(**{name: getattr(asked, name) for name in asdict(Sizes())})
    torch.set_num_threads(asked.threads)
    asked.output.mkdir(parents=True, exist_ok=True)
    path = asked.output / "results.jsonl"
    print(machine(), flush=True)
    for arm in asked.arms if not asked.table else ():
        for seed in asked.seeds:
            key = key_of(arm, sizes)
            if (arm, seed, key) in finished(path):
                continue
            wall, spent = time.monotonic(), time.process_time()
            if arm == SOFT:
                measures = compare_teachers(seed, sizes, asked.output)
            else:
                measures = run_arm(seed, ARMS[arm], sizes, asked.output)
            row = {"arm": arm, "world": seed, "key": key, "seconds": time.monotonic() - wall}
            row |= {"cpu_seconds": time.process_time() - spent, "measures": measures}
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"world {seed}, {arm}: {row['seconds']:.0f} s, {row['cpu_seconds']:.0f} s of processor", flush=True)
    known = finished(path)
    results = {
        arm: {world: found for (name, world, key), found in known.items() if (name, key) == (arm, key_of(arm, sizes))}
        for arm in (*ARMS, SOFT)
    }
    for line in (*table(results, SHOWN), "", *report(results)):
        print(line)


if __name__ == "__main__":
    main()
