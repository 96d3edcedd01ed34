"""`alignbench transform learn`, `apply` and `extract` through the command line, on the packaged model."""

import base64
import hashlib
import json
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors import safe_open
from sklearn.model_selection import KFold

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.extraction.feature_files import read_features
from alignbench.extraction.features import FeatureExtractor, Reading, extract_features
from alignbench.models.families import load_tower
from alignbench.models.layer_choice import choose_layers
from alignbench.tracking.tracker import Tracker
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation.odd_one_out import to_triplets
from alignbench.transforms.learning.folder import CEILING_COLUMNS, read_ceiling
from alignbench.transforms.learning.folds import split_triplets
from documented import ROOT
from learning_commands import LEARN, SMALL
from wandb_runs import isolate, logged_in, read_logged

pytestmark = pytest.mark.slow

LAYERS = ["--layers", "projection,layer_2"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import wandb

    output = tmp_path_factory.mktemp("transforms")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        command = [*LEARN, *SMALL, *LAYERS, "--output", str(output), "--wandb", "offline"]
        with mock.patch.object(Tracker, "log", side_effect=KeyboardInterrupt):  # when the folder is whole
            assert main(command) == 130
        assert logged_in(output) == []
        assert main(command) == 0, "it is taken as finished, and logged"
        wandb.teardown()
    (folder,) = output.glob("[!.]*")
    return folder


def test_the_folder_holds_transforms_and_their_ceiling(learned: Path) -> None:
    names = {path.name for path in learned.iterdir()}
    assert names == {
        *("layer_2.safetensors", "projection.safetensors", "folds"),
        *("ceiling.csv", "ceiling.png", "ceiling.svg", "epochs.csv", "learned.json"),
    }
    frame = read_ceiling(learned)
    assert tuple(frame.columns) == CEILING_COLUMNS
    assert frame["layer"].tolist() == ["layer_2", "projection"]
    assert (frame["before_low"] <= frame["before"]).all()
    assert (frame["after"] <= frame["after_high"]).all()
    np.testing.assert_allclose(frame["difference"], frame["after"] - frame["before"], atol=1e-12)
    epochs = pd.read_csv(learned / "epochs.csv")
    assert len(epochs) == 2 * 3 * 2
    assert epochs.groupby(["layer", "fold"])["best"].sum().eq(1).all()
    losses = epochs[epochs["best"]].pivot(index="layer", columns="fold", values="held_out_triplet_loss")
    np.testing.assert_allclose(frame["held_out_loss"], losses.mean(axis=1), rtol=1e-12)


def test_the_ceiling_is_the_accuracy_of_each_fold_on_what_it_held_out(learned: Path) -> None:
    judgments = DATASETS.load("shapes-high").read(None, ("test",)).limited(4000)
    triplets, objects = to_triplets(judgments), judgments.images.names
    tower = load_tower("shapes-clip", protocol="corrected")
    layers = choose_layers(tower, ["projection", "layer_2"])
    features = extract_features(FeatureExtractor(tower, layers, Reading(batch_size=16)), judgments.images)
    for row in read_ceiling(learned).to_dict("records"):
        before: list[bool] = []
        after: list[bool] = []
        for fold in range(3):
            transform = AffineTransform.load(learned / "folds" / f"{row['layer']}_{fold}.safetensors")
            x = features[row["layer"]].astype(np.float64)
            assert transform.std == pytest.approx(x.std(), rel=1e-6)
            out = np.isin(objects, transform.provenance["held_out_objects"])
            judge = split_triplets(triplets, len(objects), np.flatnonzero(out)).judge
            y = (x - transform.mean) / transform.std @ transform.weights + transform.bias
            for embed_pictures, right in ((x, before), (y, after)):
                unit = embed_pictures / np.linalg.norm(embed_pictures, axis=1, keepdims=True)
                cosines = [(unit[judge[:, a]] * unit[judge[:, b]]).sum(axis=1) for a, b in ((0, 1), (0, 2), (1, 2))]
                right.extend((cosines[0] > cosines[1]) & (cosines[0] > cosines[2]))
        assert row["n"] == len(before)
        assert row["before"] == pytest.approx(np.mean(before), abs=2e-3)  # near ties may fall otherwise
        assert row["after"] == pytest.approx(np.mean(after), abs=2e-3)
        assert row["before_low"] < row["before"] < row["before_high"]
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["after"] < row["noise_ceiling"] <= 1.0


def test_transforms_say_where_they_come_from(learned: Path) -> None:
    record = json.loads((learned / "learned.json").read_text())
    told = AffineTransform.load(learned / "projection.safetensors").provenance
    assert (told["model"], told["layer"], told["dataset"], told["tokens"]) == (
        "shapes-clip",
        "projection",
        "shapes-high",
        "cls",
    )
    out, seen = set(told["held_out_objects"]), set(told["learned_objects"])
    assert not out & seen
    assert len(out) + len(seen) == 232  # that the first 4,000 judgments name
    assert told["model_fingerprint"] == record["settings"]["model_fingerprint"]
    fold = (learned / "folds" / "projection_0.safetensors").read_bytes()
    assert fold == (learned / "projection.safetensors").read_bytes()


def test_what_is_finished_is_taken(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (learned / "learned.json").stat().st_mtime_ns
    assert main([*LEARN, *SMALL, *LAYERS, "--output", str(learned.parent)]) == 0
    printed = capsys.readouterr()
    assert "are finished" in printed.err
    assert printed.out.splitlines()[-1] == str(learned)
    assert "(4,000 of 35,000 test triplets; simulated observers, not human data)" in " ".join(printed.out.split())
    assert main([*LEARN, *SMALL, *LAYERS, "--output", str(learned.parent), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["layer"], row["n"]) for row in rows] == list(
        zip(*read_ceiling(learned)[["layer", "n"]].T.to_numpy(), strict=True)
    )
    assert [row["difference"] for row in rows] == read_ceiling(learned)["difference"].tolist()
    assert {row["folder"] for row in rows} == {str(learned)}
    assert (learned / "learned.json").stat().st_mtime_ns == before


def test_each_fold_holds_out_a_part_of_the_objects(learned: Path) -> None:
    names = DATASETS.load("shapes-high").read(None, ("test",)).limited(4000).images.names
    expected = [{names[i] for i in held} for _, held in KFold(3, shuffle=True, random_state=0).split(np.array(names))]
    for layer in ("layer_2", "projection"):
        for number, held in enumerate(expected):
            told = AffineTransform.load(learned / "folds" / f"{layer}_{number}.safetensors").provenance
            assert set(told["held_out_objects"]) == held
            assert set(told["learned_objects"]) == set(names) - held
            assert (told["fold"], told["layer"], told["objective"]) == (number, layer, "global")


def test_wandb_is_given_the_ceiling_and_the_files(learned: Path) -> None:
    (place,) = logged_in(learned.parent)
    logged, frame = read_logged(place), read_ceiling(learned)
    assert logged.state["name"] == "shapes-clip on shapes-high: global"
    steps = [item for item in logged.history if "depth" in item]
    shown = {"before": "zero_shot", "after": "aligned", "difference": "gain", "held_out_loss": "held_out_loss"}
    for name, key in shown.items():
        assert [item[f"transform/{key}"] for item in steps] == pytest.approx(frame[name].tolist(), rel=1e-12)
        found = [logged.state["summary"][f"transform/{key}/{layer}"] for layer in frame["layer"]]
        assert found == pytest.approx(frame[name].tolist(), rel=1e-12)
    assert [item["depth"] for item in steps] == frame["depth"].tolist()
    assert len(logged.table("epochs")) == 2 * 3 * 2
    assert logged.table("ceiling")["layer"].tolist() == frame["layer"].tolist()
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "transform"]
    digests = {entry["path"]: entry["digest"] for entry in artifact["manifest"]["contents"]}
    names = ("ceiling.csv", "learned.json", "layer_2.safetensors", "projection.safetensors")
    expected = {name: hashlib.md5((learned / name).read_bytes()).digest() for name in names}
    assert digests == {name: base64.b64encode(digest).decode() for name, digest in expected.items()}


def test_to_overwrite_learns_the_same_again_or_leaves_what_was_there(
    learned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("projection.safetensors", "folds/layer_2_1.safetensors", "ceiling.csv", "epochs.csv")
    before = {name: (learned / name).read_bytes() for name in names}
    beside = {path.name for path in learned.parent.iterdir()}
    arguments = [*LEARN, *SMALL, *LAYERS, "--output", str(learned.parent), "--overwrite"]
    record, saved = (learned / "learned.json").stat().st_mtime_ns, 0
    save = AffineTransform.save

    def full(self: AffineTransform, path: Path) -> Path:
        nonlocal saved
        saved += 1
        if saved == 4:
            raise OSError(28, "No space left on device")
        return save(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(AffineTransform, "save", full)
        assert main(arguments) == 1
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert (learned / "learned.json").stat().st_mtime_ns == record
    assert main(arguments) == 0
    assert "are finished" not in capsys.readouterr().err
    assert (learned / "learned.json").stat().st_mtime_ns > record
    assert {name: (learned / name).read_bytes() for name in names} == before
    assert {path.name for path in learned.parent.iterdir()} == beside


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    from alignbench.report.figures import readout as ceiling

    monkeypatch.setattr(ceiling, "draw_ceiling", fail)
    assert main([*LEARN, *SMALL, "--epochs", "1", "--output", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--folds", "200"], 2, "240 objects cannot be split into 200 folds"),
        (["--layers", "layer_9"], 2, "unknown layer 'layer_9'"),
        (["--objective", "golbal"], 2, "unknown objective"),
        (["--dataset", "things", "--data-root", "."], 2, "--local-images"),
        (["--dataset", "shapes-low"], 2, "no odd-one-out triplets"),
        (["--tokens", "all", "--layers", "layer_2"], 2, "--tokens cls or mean"),
        (["--layers", "layer_0", "--limit", "4000", "--objective", "global"], 1, "the same for all pictures"),
        (["--trials", "-1"], 2, "below 0"),
        (["--limit", "3"], 2, "cannot be split"),
        (["--limit", "60"], 1, "use more, or other --folds"),
    ],
)
def test_bad_input_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    assert main([*LEARN, "--epochs", "1", "--output", str(tmp_path / "out"), *arguments]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert len(lines) == 1
    assert text in lines[0]
    assert not (tmp_path / "out").exists()


def test_too_few_pictures_are_refused_before_any_is_embedded(
    tmp_path: Path, extracted: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--limit", "4000", "--local-images", str(extracted[0]), "--output", str(tmp_path)]
    assert main([*LEARN, *arguments]) == 2
    said = capsys.readouterr().err
    assert "7 images say too little about local structure: use 30 at least" in said
    assert "1 layer, cpu" not in said
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------------- extract and apply


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(7):
        place = root / "images" / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(place)
    output = root / "features.safetensors"
    assert main(_extract(root, output, "--layers", "projection,layer_2")) == 0
    return root, output


def _extract(root: Path, output: Path, *options: str) -> list[str]:
    given = ["--model", "shapes-clip", "--images", str(root / "images"), "--output", str(output), "--batch-size", "2"]
    return ["extract", *given, *options]


def test_features_are_the_models_own(extracted: tuple[Path, Path]) -> None:
    import torch
    from transformers import AutoImageProcessor, CLIPVisionModelWithProjection

    root, output = extracted
    found = read_features(output)
    folder = ROOT / "alignbench" / "assets" / "shapes-clip"
    model = CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    assert found.names == tuple(sorted(path.relative_to(root / "images").as_posix() for path in root.rglob("*.png")))
    for row, name in enumerate(found.names):
        pixels = processor(Image.open(root / "images" / name), return_tensors="pt")
        with torch.no_grad():
            output_of = model(**pixels, output_hidden_states=True)
        np.testing.assert_allclose(found.arrays["projection"][row], output_of.image_embeds[0], atol=2e-5)
        np.testing.assert_allclose(found.arrays["layer_2"][row], output_of.hidden_states[2][0, 0], atol=2e-5)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".npy"])
def test_apply_keeps_rows_and_names(learned: Path, extracted: tuple[Path, Path], tmp_path: Path, suffix: str) -> None:
    transform = learned / "projection.safetensors"
    output = tmp_path / f"aligned{suffix}"
    arguments = ["transform", "apply", "--transform", str(transform), "--features", str(extracted[1])]
    code = main([*arguments, "--layer", "projection", "--output", str(output)])
    if suffix == ".npy":
        assert code == 2  # the file has a second layer, which a .npy cannot hold
        assert not output.exists()
        return
    assert code == 0
    before, after = read_features(extracted[1]), read_features(output)
    assert after.names == before.names
    expected = AffineTransform.load(transform).apply(before.arrays["projection"])
    np.testing.assert_array_equal(after.arrays["projection"], expected)
    np.testing.assert_array_equal(after.arrays["layer_2"], before.arrays["layer_2"])
    if suffix == ".safetensors":
        with safe_open(output, framework="numpy") as file:
            assert "names" in file.metadata()


def test_what_cannot_be_applied_or_extracted_is_said(
    learned: Path, extracted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, features = extracted
    apply = ["transform", "apply", "--features", str(features), "--output", str(tmp_path / "out.npz"), "--transform"]
    plain = AffineTransform(np.eye(3), 0.0, 1.0).save(tmp_path / "narrow.npz")
    np.save(tmp_path / "nan.npy", np.full((2, 3), np.nan))
    cases = [
        ([*apply, str(learned / "projection.safetensors"), "--layer", "layer_2"], "is for projection, not for layer_2"),
        ([*apply, str(learned / "projection.safetensors")], "name one with --layer"),
        ([*apply, str(plain), "--layer", "projection"], "do not fit a transform of width 3"),
        ([*apply, "clip_ViT-L14", "--layer", "projection"], "did you mean clip_ViT-L/14"),
        (
            [
                "transform",
                "apply",
                "--features",
                str(tmp_path / "nan.npy"),
                "--output",
                "x.npy",
                "--transform",
                str(plain),
            ],
            "not finite",
        ),
        (_extract(root, features), "is there"),
        (_extract(root, tmp_path / "two.npy", "--layers", "all"), "a .npy holds one layer"),
        (_extract(tmp_path, tmp_path / "f.npz"), "is not a folder"),
        (_extract(root, tmp_path / "f.npz", "--layers", "layer_77"), "unknown layer"),
    ]
    for arguments, text in cases:
        assert main(arguments) in (1, 2)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
        assert len(lines) == 1, arguments
        assert text in lines[0], lines
    assert {path.name for path in tmp_path.iterdir()} == {"narrow.npz", "nan.npy"}
    assert main([*apply, str(learned / "layer_2.safetensors"), "--layer", "layer_2", "--force"]) == 0


def test_a_report_shows_what_was_learned(learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(learned.parent), "--output", str(page)]) == 0
    text = page.read_text()
    assert "What a linear readout reaches" in text
    assert learned.name in text
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty"), "--output", str(tmp_path / "none.html")]) == 1
    assert "holds no finished run" in capsys.readouterr().err
    assert not (tmp_path / "none.html").exists()
