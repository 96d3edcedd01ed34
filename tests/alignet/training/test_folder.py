"""The folder of a student: what it says of itself, and what is refused of one that is none."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import ViTModel

from alignbench.alignet.training.folder import is_student, read_log, read_student
from alignbench.errors import DataError, UsageError
from alignbench.models.families import load_tower
from alignbench.models.own_cards import read_own_card
from alignbench.transforms.aligned_layer import Use, transformed_layer
from alignbench.transforms.named import resolve
from students import RECIPE, Stopping, make_job, train


@pytest.fixture(scope="module")
def student(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(make_job(inputs), tmp_path_factory.mktemp("alignet"))[0]


def test_the_record_says_what_it_was_trained_on(student: Path) -> None:
    record = read_student(student)
    assert record["settings"]["seed"] == RECIPE.seed
    assert record["data"] == {
        **{"triplets_of": "labels", "triplets": 37, "pictures": 12},
        **{"teacher_model": "a teacher", "teacher_layer": "projection", "teacher_space": "raw"},
    }
    assert record["steps"] == RECIPE.steps
    assert student.name == f"vit__student__{student.name[-8:]}"


def test_the_digest_and_distance_are_of_the_start(inputs: Path, student: Path, tmp_path: Path) -> None:
    """theta_0 is what was loaded, and a new head: by a step too small for float32 nothing has moved."""
    still, _ = train(make_job(inputs, replace(RECIPE, steps=1, warmup=0, learning_rate=1e-60)), tmp_path)
    start, end = read_student(still), read_student(student)
    assert start["theta_0"] == end["theta_0"]
    assert start["distance_to_start"] == pytest.approx(0, abs=1e-12)
    loaded = ViTModel.from_pretrained(inputs / "vit", add_pooling_layer=False).state_dict()
    head = load_file(still / "head.safetensors")
    named = {f"tower.model.backbone.{name}": tensor.numpy() for name, tensor in loaded.items()}
    named |= {"head.weight": head["weights"].T, "head.bias": head["bias"]}
    digest = hashlib.sha256(b"theta_0")
    for name in sorted(named):
        digest.update(f"{name} {named[name].shape}".encode())
        digest.update(np.ascontiguousarray(named[name]).data)
    assert start["theta_0"] == digest.hexdigest()
    trained, moved = load_file(student / "head.safetensors"), 0.0
    after = ViTModel.from_pretrained(student, add_pooling_layer=False).state_dict()
    for name, tensor in loaded.items():
        moved += float((after[name].double() - tensor.double()).square().sum())
    for name in ("weights", "bias"):
        moved += float(((trained[name].astype(np.float64) - head[name]) ** 2).sum())
    assert end["distance_to_start"] == pytest.approx(np.sqrt(moved), rel=1e-6)


def test_it_has_a_card_of_its_own(student: Path) -> None:
    card = read_own_card(str(student))
    assert card.label == f"vit-student-{student.name[-8:]}"
    assert card.factors == {
        **{"student_of": "vit", "training_objective": "kl"},
        **{"decay_to_start": 2.0, "head_only": False},
    }
    assert tomllib.loads((student / "alignbench.toml").read_text())["label"] == card.label
    text = (student / "README.md").read_text()
    for said in (
        "| triplets | 37 |",
        "| seed | 3 |",
        "| teacher model | a teacher |",
        "in head.safetensors",
        "no accuracy",
    ):
        assert said in text


@pytest.mark.filterwarnings("error::alignbench.errors.AlignbenchWarning")
def test_its_head_is_of_it_and_of_no_other_model(inputs: Path, student: Path) -> None:
    head = resolve(student / "head.safetensors")
    tower = load_tower(str(student), protocol="corrected")
    told = head.transform.provenance
    assert told["model_fingerprint"] == tower.fingerprint
    assert transformed_layer(tower, head, Use(str(student), "cls")).name == told["layer"] == "projection"
    before = load_tower(str(inputs / "vit"), protocol="corrected")
    said = rf"the transform head was learned on {student.name}, and {inputs / 'vit'} has other weights"
    with pytest.raises(UsageError, match=said):
        transformed_layer(before, head, Use(str(inputs / "vit"), "cls"))


def test_a_folder_that_lacks_a_file_is_none(inputs: Path, student: Path, tmp_path: Path) -> None:
    assert is_student(student)
    assert not is_student(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"settings": 3}', '{"settings": {}, "steps": 1}'])
def test_records_that_say_too_little_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "student.json").write_text(content)
    with pytest.raises(DataError, match=r"student\.json cannot be read .*: train the student again"):
        read_student(tmp_path)


@pytest.mark.parametrize("content", ["", "step,loss\n1,2\n", "step,loss,teacher_agreement,learning_rate\n1,2,3,a\n"])
def test_logs_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "training.csv").write_text(content)
    with pytest.raises(DataError, match=r"training\.csv .*train"):
        read_log(tmp_path)


def test_the_disk_is_full_in_the_end(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-written is left, and the checkpoint of the last step is."""
    from alignbench.errors import AlignbenchError
    from alignbench.models import saving

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "_write_transformers", fail)
    with pytest.raises(AlignbenchError, match="No space left on device"):
        train(make_job(inputs), tmp_path)
    (partial,) = tmp_path.iterdir()
    assert [path.name for path in partial.iterdir()] == ["checkpoint.safetensors"]
    monkeypatch.undo()
    again = Stopping(0, lambda: None)
    folder, _ = train(make_job(inputs), tmp_path, again)
    assert again.made == 0  # no step had to be made again
    assert json.loads((folder / "student.json").read_text())["steps"] == RECIPE.steps
