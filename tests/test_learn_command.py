"""`alignbench transform learn`, `apply` and `extract` through the command line, on the packaged model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors import safe_open

from alignbench.cli.main import main
from alignbench.transforms import AffineTransform, job
from alignbench.transforms.feature_files import read_features
from alignbench.transforms.learned_folder import CEILING_COLUMNS, read_ceiling

LEARN = [
    "transform",
    "learn",
    "--model",
    "shapes-clip",
    "--dataset",
    "shapes-high",
    "--subset",
    "test",
    "--wandb",
    "off",
]
SMALL = ["--limit", "4000", "--objective", "global", "--epochs", "2"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("transforms")
    assert main([*LEARN, *SMALL, "--layers", "projection,layer_2", "--output", str(output)]) == 0
    (folder,) = output.iterdir()
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
    best = int(read_ceiling(learned).set_index("layer").loc["projection", "best_fold"])
    fold = (learned / "folds" / f"projection_{best}.safetensors").read_bytes()
    assert fold == (learned / "projection.safetensors").read_bytes()


def test_what_is_finished_is_taken(learned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (learned / "learned.json").stat().st_mtime_ns
    arguments = [*LEARN, *SMALL, "--layers", "projection,layer_2", "--output", str(learned.parent)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "are finished" in printed.err
    assert printed.out.splitlines()[-1] == str(learned)
    assert (learned / "learned.json").stat().st_mtime_ns == before


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    from alignbench.report import ceiling

    monkeypatch.setattr(ceiling, "draw_ceiling", fail)
    assert main([*LEARN, *SMALL, "--epochs", "1", "--output", str(tmp_path / "out")]) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_search_goes_on_and_glocal_takes_packaged_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*LEARN, "--limit", "3000", "--epochs", "1", "--batch-images", "32", "--trials", "2"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().err
    assert "trial 0" in printed
    assert "trial 1" in printed
    (folder,) = tmp_path.iterdir()
    trials = pd.read_csv(folder / "trials.csv")
    assert trials["trial"].tolist() == [0, 1]
    first = trials.iloc[0]
    assert (first["lam"], first["alpha"], first["tau"], first["optimiser"]) == (0.1, 0.1, 1.0, "adam")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--folds", "200"], 2, "240 objects cannot be split into 200 folds"),
        (["--layers", "layer_9"], 2, "unknown layer 'layer_9'"),
        (["--objective", "golbal"], 2, "unknown objective"),
        (["--dataset", "things", "--data-root", "."], 2, "--local-images"),
        (["--dataset", "shapes-low"], 2, "no odd-one-out triplets"),
        (["--tokens", "all", "--layers", "layer_2"], 2, "--tokens cls or mean"),
        (["--layers", "layer_0", "--limit", "4000"], 1, "the same for all pictures"),
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
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


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
    folder = Path(job.__file__).parents[1] / "assets" / "shapes-clip"
    model = CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    assert found.names == tuple(sorted(path.relative_to(root / "images").as_posix() for path in root.rglob("*.png")))
    for row, name in enumerate(found.names):
        pixels = processor(Image.open(root / "images" / name), return_tensors="pt")
        with torch.no_grad():
            output_of = model(**pixels, output_hidden_states=True)
        np.testing.assert_allclose(found.arrays["projection"][row], output_of.image_embeds[0], atol=2e-5)
        np.testing.assert_allclose(found.arrays["layer_2"][row], output_of.hidden_states[2][0, 0], atol=2e-5)


def test_a_stopped_extraction_goes_on(
    extracted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from alignbench.transforms import image_features

    root, whole = extracted
    output = tmp_path / "features.safetensors"
    monkeypatch.setattr(image_features, "_SECONDS", 0.0)
    embedded = 0

    def stop(self: object, images: int) -> None:
        nonlocal embedded
        embedded += images
        if embedded == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alignbench.cli.show.ImageProgress.advanced", stop)
        assert main(_extract(root, output, "--layers", "projection,layer_2")) == 130
    assert not output.exists()
    seen: list[int] = []
    monkeypatch.setattr("alignbench.cli.show.ImageProgress.advanced", lambda self, images: seen.append(images))
    assert main(_extract(root, output, "--layers", "projection,layer_2")) == 0
    assert sum(seen) == 3
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    for name in ("projection", "layer_2"):
        np.testing.assert_array_equal(read_features(output).arrays[name], read_features(whole).arrays[name])


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
