"""Commands of README and docs about features and transforms run as they stand, on small data in the real layouts."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from alignbench.cli.main import main
from alignbench.transforms import PUBLISHED
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation.folder import find_evaluated, read_evaluation
from alignbench.transforms.learning import train as learning
from alignbench.transforms.learning.folder import find_learned
from alignbench.transforms.published import Published
from documented import command_lines
from layouts import write_nights, write_things
from reference import save_clip

SIGLIP = "google/siglip-so400m-patch14-384"
WIDTH = 24  # of the small tower's projection
SHORTER = {"30": "2", "projection,layer_11": "projection,layer_2"}  # trials, and a layer that the small tower has
ONE_EPOCH = {"max_epochs": 1, "min_epochs": 1}
FIRST = ("alignbench extract", "alignbench transform learn")  # what others need


def commands() -> list[list[str]]:
    """Those about transforms, makers before users."""
    found = [
        line for line in command_lines() if line.startswith((*FIRST, "alignbench transform")) or " --transform " in line
    ]
    found.sort(key=lambda line: not line.startswith(FIRST))
    others = ("alignbench demo", "alignbench interpret")  # test_transforms_world, test_head_alignment
    return [shlex.split(line) for line in found if not line.startswith(others)]


def pictures(folder: Path, count: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((40, 40), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.jpg")


def symmetric(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    found = rng.uniform(0.1, 1.0, (count, count))
    found = found + found.T
    np.fill_diagonal(found, 0.0)
    return found


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What stands for the places and models that the commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIGNBENCH_DATA", "data")
    monkeypatch.setenv("ALIGNBENCH_CACHE", "cache")
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))
    make_trainer = learning.make_trainer
    monkeypatch.setattr(learning, "make_trainer", lambda *of, **how: make_trainer(*of, **how | ONE_EPOCH))
    data, rng = tmp_path / "data", np.random.default_rng(0)
    for name in ("things", "nights"):
        (data / name).mkdir(parents=True)
    write_things(data / "things", objects=30, triplets=600)
    write_nights(data / "nights")
    pictures(data / "pictures", 36, rng)
    pictures(tmp_path / "imagenet" / "train" / "class", 6, rng)
    for name in ("one", "other"):
        pictures(data / "classes" / name, 12, rng)
    pictures(data / "cichy2019" / "images", 8, rng)
    pictures(data / "king2019" / "images" / "set1", 8, rng)
    for name in ("cichy2019", "king2019"):
        (data / name / "sim_judgements").mkdir()
    subjects = np.stack([symmetric(8, rng) for _ in range(3)])
    savemat(data / "cichy2019" / "sim_judgements" / "judgments_general.mat", {"judgments": subjects})
    pairs = {"set1": {"pairwisedistances": rng.uniform(0.1, 1.0, (3, 28))}}
    savemat(data / "king2019" / "sim_judgements" / "BEHAVIOR.mat", {"BEHAVIOR": pairs})
    (tmp_path / "clip").mkdir()
    save_clip(tmp_path / "clip")
    np.save("features.npy", rng.normal(size=(5, WIDTH)))
    place = tmp_path / "cache" / "transforms" / "clip_ViT-L/14" / "visual" / "transform.npz"  # as after a download
    place.parent.mkdir(parents=True)
    np.savez(place, weights=0.1 * np.eye(WIDTH), mean=0.0, std=1.0)
    place.with_suffix(".sha256").write_text(hashlib.sha256(place.read_bytes()).hexdigest())
    monkeypatch.setitem(PUBLISHED, "clip_ViT-L/14", Published("visual", WIDTH, ("clip",)))
    models = ("/models/my-clip", "openai/clip-vit-base-patch32", "openai/clip-vit-large-patch14", SIGLIP)
    return SHORTER | dict.fromkeys(models, "clip")


def here(word: str, world: dict[str, str]) -> str:
    return re.sub(r"(?<![\w.])/data/", "data/", world.get(word, word))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is taken on trust", "ignore:.*as published")
def test_they_run_one_after_the_other(world: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    lines = commands()
    assert len(lines) >= 10
    for program, *arguments in lines:
        assert program == "alignbench"
        learned = find_learned([Path("transforms")]) if Path("transforms").is_dir() else []
        if learned and not Path("learned").exists():
            shutil.copytree(learned[0], "learned")
            shutil.copy(learned[0] / "projection.safetensors", "my-transform.safetensors")
            world["transforms/FOLDER/projection.safetensors"] = str(learned[0] / "projection.safetensors")
        code = main([here(word, world) for word in arguments])
        assert code == 0, f"{arguments}: {capsys.readouterr().err}"
    assert len(learned) == 4
    on_things, on_shapes = sorted(find_evaluated([Path("transforms")]))
    frame, _ = read_evaluation(on_things)
    assert set(frame["task"]) == {"odd-one-out", "rsa", "local structure", "few-shot", "anomaly"}
    frame, _ = read_evaluation(on_shapes)
    assert set(frame["task"]) == {"odd-one-out", "few-shot", "anomaly"}
    aligned = np.load("aligned.npy")
    np.testing.assert_allclose(aligned, 0.1 * np.load("features.npy"), rtol=1e-12)
    assert Path("aligned.safetensors").is_file()
    for name in ("nights", "things"):
        (folder,) = Path("runs").glob(f"clip@*__{name}__*")
        assert "projection_aligned" in (folder / "curve.csv").read_text()
