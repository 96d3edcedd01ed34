"""The folder of learned transforms: what its files say, who is named in them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation.odd_one_out import OddOneOut
from alignbench.transforms.learning.folder import (
    Destination,
    LearnedTransforms,
    find_learned,
    is_learned,
    learned_name,
    learned_part,
    read_ceiling,
    read_record,
    write_learned,
)
from alignbench.transforms.learning.layers import LearnedLayer
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.search import Trial
from alignbench.transforms.learning.train import Epoch, Learned
from learned_jobs import draw

OBJECTS = ("aardvark", "Äpfel", "naïve", "7")
HELD_OUT = ([1, 3], [0, 2])
SETTINGS: dict[str, Any] = {
    "model": "hub:my/clip",
    "model_fingerprint": "f",
    "dataset": "things",
    "subset": ["trainset", "testset1"],
    "data_fingerprint": "d",
    "tokens": "cls",
    "local_images": None,
    "similarity": "cosine",
    "recipe": asdict(Recipe("global")),
}


def fold(number: int, losses: tuple[float, ...], best: int) -> Learned:
    epochs = tuple(Epoch(epoch, 3.0, 2.0, loss) for epoch, loss in enumerate(losses))
    return Learned(AffineTransform(np.eye(2) * (number + 1), 0.5, 2.0), epochs, best)


def layer(name: str, ceiling: float = 0.68) -> LearnedLayer:
    """Two folds, the second of which is better."""
    judged = OddOneOut(9, 4, (0.1, 0.05, 1 / 3), (0.6, 0.5, 0.7), (0.5, 0.4, 0.6), 0.01, ceiling)
    folds = (fold(0, (1.0, 0.9), 1), fold(1, (0.8, 0.95), 0))
    return LearnedLayer(name, 22.5, Recipe("global"), folds, judged, 1.05)


def write(place: Path, settings: dict[str, Any] = SETTINGS, **options: Any) -> Path:
    learned = LearnedTransforms((layer("layer_3"), layer("projection", np.nan)), OBJECTS, HELD_OUT, {})
    return write_learned(Destination(place, draw), replace(learned, **options), settings, {"seconds": 1.5})


def test_each_transform_names_the_objects_that_it_saw_and_those_that_it_did_not(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for number, out, seen in ((0, ["Äpfel", "7"], ["aardvark", "naïve"]), (1, ["aardvark", "naïve"], ["Äpfel", "7"])):
        transform = AffineTransform.load(folder / "folds" / f"layer_3_{number}.safetensors")
        assert transform.provenance["held_out_objects"] == out
        assert transform.provenance["learned_objects"] == seen
        assert transform.provenance["fold"] == number
        assert (transform.weights == np.eye(2) * (number + 1)).all()
    saved = AffineTransform.load(folder / "projection.safetensors").provenance
    assert (saved["fold"], saved["epoch"], saved["held_out_loss"], saved["layer"]) == (0, 1, 0.9, "projection")
    assert (folder / "projection.safetensors").read_bytes() == (folder / "folds/projection_0.safetensors").read_bytes()


def test_the_ceiling_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert is_learned(folder)
    first, second = read_ceiling(folder).to_dict("records")
    assert (first["before"], first["before_low"], first["before_high"]) == (0.1, 0.05, 1 / 3)
    assert (first["difference"], first["p"], first["entropy"], first["noise_ceiling"]) == (0.5, 0.01, 1.05, 0.68)
    assert (first["layer"], first["depth"]) == ("layer_3", 22.5)
    assert first["held_out_loss"] == pytest.approx((0.9 + 0.8) / 2)
    assert first["subset"] == "trainset,testset1"
    assert np.isnan(second["noise_ceiling"])
    assert read_record(folder) == {"settings": json.loads(json.dumps(SETTINGS)), "seconds": 1.5}


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path)
    frame = read_ceiling(folder)
    frame.assign(best_fold=1).to_csv(folder / "ceiling.csv", index=False)
    pd.testing.assert_frame_equal(read_ceiling(folder), frame)


def test_epochs_mark_the_kept_one_and_trials_are_there_only_after_a_search(tmp_path: Path) -> None:
    folder = write(tmp_path)
    epochs = pd.read_csv(folder / "epochs.csv").query("layer == 'layer_3'")
    assert epochs[["fold", "epoch", "best"]].to_numpy().tolist() == [
        *([0, 0, False], [0, 1, True]),
        *([1, 0, True], [1, 1, False]),
    ]
    assert not (folder / "trials.csv").exists()
    tried = {"layer_3": [Trial(0, {"lam": 0.1}, 0.9), Trial(1, {"lam": 2.0}, None)], "projection": []}
    write(tmp_path, trials=tried)
    trials = pd.read_csv(folder / "trials.csv")
    assert trials[["layer", "trial", "lam"]].to_numpy().tolist() == [["layer_3", 0, 0.1], ["layer_3", 1, 2.0]]
    assert trials["held_out_loss"].isna().tolist() == [False, True], "the second trial failed"


def test_the_name_changes_with_whatever_changes_a_number(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path, SETTINGS | {"tokens": "mean"})
    assert first.name.startswith("hub--my--clip__things__global__")
    assert first.name != second.name == learned_name("hub:my/clip", "things", SETTINGS | {"tokens": "mean"})
    assert find_learned([tmp_path]) == sorted([first, second])
    (first / "ceiling.svg").unlink()
    assert not is_learned(first)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ceiling.csv", "", r"holds no ceiling\.csv that can be read: learn the transforms again"),
        ("ceiling.csv", "model,dataset\na,b\n", r"ceiling\.csv does not hold the columns of a ceiling: learn"),
        ("learned.json", "{", r"learned\.json cannot be read: learn the transforms again"),
        ("learned.json", "[]", r"learned\.json does not say how transforms were learned: learn them again"),
        ("learned.json", '{"settings": 3}', r"learned\.json does not say how transforms were learned"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = write(tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_ceiling(folder) if file == "ceiling.csv" else read_record(folder)
    (folder / file).unlink()
    with pytest.raises(DataError, match=r"learn the transforms again$"):
        read_ceiling(folder) if file == "ceiling.csv" else read_record(folder)


def record_of(folder: Path, **changes: Any) -> Path:
    """A folder with a record of which something is other."""
    settings = {"dataset": "shapes-high", "subset": ["test"], "limit": None}
    record = {"settings": settings | {name: changes.pop(name) for name in settings if name in changes}}
    (folder / "learned.json").write_text(json.dumps(record | {"triplets": 35_000} | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"triplets": 400, "limit": 400}, "400 of 35,000 test triplets"),
        ({"dataset": "things", "subset": ["testset1"], "triplets": 15_000}, "15,000 of 15,640 testset1 triplets"),
        ({"dataset": "things", "subset": ["trainset"], "triplets": 9, "limit": 9}, "the first 9 trainset triplets"),
    ],
)
def test_a_part_of_a_data_set_is_called_one(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert learned_part(record_of(tmp_path, **changes)) == said


@pytest.mark.parametrize(
    "changes", [{"triplets": "9"}, {"triplets": None}, {"limit": "9"}, {"subset": "test"}, {"subset": [1]}]
)
def test_a_record_that_does_not_say_on_how_much_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"learned\.json does not say on how much was learned: learn again \(its "):
        learned_part(record_of(tmp_path, **changes))
