"""The corrected protocol through the command line: held-out channel means, votes, shared ties, ceilings, refusals."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file

from alignbench import Cell
from alignbench.datasets import DATASETS, shapes
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchWarning
from alignbench.measurement.protocol import load_judgments
from layouts import write_kadid10k, write_nights, write_things, write_tid2013
from reference import (
    Array,
    CorrectedJudgments,
    HumanJudgments,
    TokenView,
    channel_means,
    concentration,
    corrected_kadid10k,
    corrected_nights,
    corrected_things,
    corrected_tid2013,
    depths,
    embed,
    judgment_distances,
    nights_calibration,
    read_nights,
    save_chinese_clip,
    save_clip,
    save_siglip,
    things_calibration,
    token_view,
)
from reference_scores import PUBLISHED_CEILING, choice_scores, shared_agreement
from run_folders import (
    Expected,
    Rows,
    check_distances,
    check_rows,
    orderable,
    plain_rows,
    read_curve,
    read_distances,
    read_record,
    refused,
    run_command,
)
from worlds import World

SAVE = {"clip": save_clip, "chinese_clip": save_chinese_clip, "siglip": save_siglip}
TIED_TRIPLET = 6  # of NIGHTS: in the test split with 9 votes
TABLE = "triplets_large_final_correctednc_correctedorder.csv"
Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Layout:
    """A data set on disk: how to write it and how to read it, and how many choices are tied by construction."""

    write: Callable[[Path], None]
    read: Callable[[Path], CorrectedJudgments]
    level: str
    published: float | None = None
    tied: int = 0


def write_tied_nights(root: Path) -> None:
    """28 triplets, one of the test split with the same picture left and right."""
    write_nights(root, triplets=28)
    with (root / "data.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[TIED_TRIPLET]
    assert (row["split"], row["votes"]) == ("test", "9")
    shutil.copyfile(root / row["left_path"], root / row["right_path"])


def write_tied_things(root: Path) -> None:
    """Three objects with the same picture, and four judgments of the three in `testset1`."""
    write_things(root)
    first, *others = (sorted((root / "object_images" / name).iterdir())[0] for name in ("lamp", "ice", "camera2"))
    for other in others:
        shutil.copyfile(first, other)
    objects = (root / "unique_id.txt").read_text().split()
    a, b, c = (objects.index(name) for name in ("lamp", "ice", "camera2"))
    with (root / "triplets" / "testset1.txt").open("a") as file:
        file.write(f"{a} {b} {c}\n{b} {a} {c}\n{a} {c} {b}\n{a} {b} {c}\n")


LAYOUTS = {
    "tid2013": Layout(write_tid2013, corrected_tid2013, "low"),
    "kadid10k": Layout(write_kadid10k, corrected_kadid10k, "low"),
    "nights": Layout(write_tied_nights, corrected_nights, "middle", tied=1),
    "things": Layout(write_tied_things, corrected_things, "high", PUBLISHED_CEILING, tied=4),
}
CASES: list[tuple[str, str, TokenView]] = [
    (family, dataset, "all") for family in SAVE for dataset in LAYOUTS if dataset != "kadid10k"
]
CASES += [("clip", "kadid10k", "all"), ("clip", "nights", "mean"), ("siglip", "tid2013", "mean")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(
        tmp_path_factory.mktemp("world"),
        towers=SAVE,
        layouts={name: layout.write for name, layout in LAYOUTS.items()},
        images=lambda dataset, root: next(iter(LAYOUTS[dataset].read(root).subsets.values())).images,
        unit_projection=False,
    )


def corrected_run(capsys: Capture, world: World, model: str | Path, dataset: str, output: Path, *more: str) -> Path:
    arguments = ("--model", model, "--dataset", dataset, "--data-root", world.data(dataset), "--protocol", "corrected")
    return run_command(capsys, *arguments, "--output", output, "--batch-size", "1", *more)


def all_distances(
    tokens: dict[str, list[Array]], judgments: CorrectedJudgments, subset: str, view: TokenView, has_class: bool
) -> dict[tuple[str, str], Array]:
    """The reference's distances by name and layer, (judgments, pairs of a judgment)."""
    scored, fit = judgments.subsets[subset], judgments.fit(subset)
    return {
        (name, layer): values
        for layer, of_images in tokens.items()
        for name, values in judgment_distances(of_images, scored, view, has_class, fit).items()
    }


def corrected_rows(
    subset: str, judgments: HumanJudgments, distances: dict[tuple[str, str], Array], published: float | None
) -> Rows:
    """What `curve.csv` is to say of a subset: for choices with noise ceilings."""
    rows = plain_rows(subset, judgments, distances, shared_agreement)
    if judgments.kind == "choice":
        counts = len(judgments.values), len({label for labels in judgments.clusters for label in labels})
        for (name, layer), values in distances.items():
            correct = shared_agreement(values, judgments.values)
            for metric, score in choice_scores(correct, judgments, published).items():
                rows[subset, name, layer, metric] = Expected(*score, *counts)
    return rows


def check_folder(
    folder: Path,
    judgments: CorrectedJudgments,
    expected: dict[str, dict[tuple[str, str], Array]],
    tied: int = 0,
    published: float | None = None,
    **constant: str,
) -> None:
    """Compares distances and all rows of a run folder with the reference's; `expected` is by subset."""
    curve = read_curve(folder)
    seen = set()
    for subset, scored in judgments.subsets.items():
        found = read_distances(folder, scored, subset)
        check_distances(found, expected[subset])
        in_order = {key: orderable(values, found[key], scored, tied) for key, values in expected[subset].items()}
        rows = corrected_rows(subset, scored, in_order, published)
        check_rows(curve, rows, protocol="corrected", **constant)
        seen |= rows.keys()
    assert seen == {key for key in curve if key[3] != "pearson_logistic"}


@pytest.mark.parametrize(("family", "dataset", "view"), CASES)
def test_run_folder_equals_reference(
    world: World, family: str, dataset: str, view: TokenView, tmp_path: Path, capsys: Capture
) -> None:
    layout = LAYOUTS[dataset]
    judgments = layout.read(world.data(dataset))
    tokens, has_class = world.tokens(family, dataset), family != "siglip"
    folder = corrected_run(capsys, world, world.tower(family), dataset, tmp_path, "--tokens", view)
    expected = {subset: all_distances(tokens, judgments, subset, view, has_class) for subset in judgments.subsets}
    constant = {"model": family, "dataset": dataset, "level": layout.level}
    check_folder(folder, judgments, expected, layout.tied, layout.published, **constant)
    assert read_record(folder)["calibration_judgments"] == len(judgments.calibration or [])
    check_channels(folder, judgments, tokens, view, has_class)


def check_channels(
    folder: Path, judgments: CorrectedJudgments, tokens: dict[str, list[Array]], view: TokenView, has_class: bool
) -> None:
    """Compares `channels.csv`: activation over the distinct pictures and tokens of the view, m[c] over folds."""
    scored = list(judgments.subsets.values())
    fit = judgments.fit(next(iter(judgments.subsets)))
    named = {image for some in scored for pairs in some.pairs for pair in pairs for image in pair}
    named |= {image for pairs in judgments.calibration or [] for pair in pairs for image in pair}
    pictures = {Path(str(scored[0].images[image])).read_bytes(): image for image in sorted(named)}
    table = pd.read_csv(folder / "channels.csv").set_index(["layer", "quantity"])
    assert len(table) == 2 * len(tokens)
    for layer, of_images in tokens.items():
        seen = [token_view(image, view, has_class) for image in of_images]
        quantities = {
            "mean_square": np.concatenate([seen[image] ** 2 for image in pictures.values()]).mean(axis=0),
            "mean_difference": channel_means(seen, fit.folds).mean(axis=0),
        }
        for quantity, values in quantities.items():
            row = table.loc[(layer, quantity)]
            top, shard, ratio = concentration(values)
            assert (row["top_channel"], row["channels"]) == (top, len(values))
            assert row["depth"] == pytest.approx(depths(3)[layer])
            assert (row["top_share"], row["participation_ratio"]) == pytest.approx((shard, ratio), rel=1e-5)


# --- Calibration data -----------------------------------------------------------------------------------------------


def test_calibration_of_nights_is_1000_trusted_triplets_of_train(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [
        {
            **{"id": 3 * i + 7, "left_vote": i % 2, "right_vote": 1 - i % 2, "votes": int(rng.integers(3, 11))},
            **{"ref_path": f"ref/{i}.png", "left_path": f"distort/{i}_0.png", "right_path": f"distort/{i}_1.png"},
            **{"split": str(rng.choice(["train", "val", "test"], p=[0.8, 0.1, 0.1])), "is_imagenet": i % 3 == 0},
        }
        for i in range(3000)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "data.csv", index=False)
    found = load_judgments(Cell("model", "nights", tmp_path, protocol="corrected"), DATASETS.load("nights"))
    with (tmp_path / "data.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    expected = nights_calibration(read)
    assert len(expected) == len(set(expected)) == 1000
    assert {found.ids[row] for row in found.calibration} == {read[row]["id"] for row in expected}
    scored = [row for row in read if row["split"] == "test" and int(row["votes"]) >= 6]
    assert ids_of(found) == {
        "test": {row["id"] for row in scored},
        "test-imagenet": {row["id"] for row in scored if row["is_imagenet"] == "True"},
        "test-no-imagenet": {row["id"] for row in scored if row["is_imagenet"] == "False"},
    }


def ids_of(judgments: Judgments) -> dict[str, set[str]]:
    return {subset.name: {judgments.ids[row] for row in subset.rows} for subset in judgments.subsets}


def test_calibration_of_things_is_10000_rows_of_trainset(tmp_path: Path) -> None:
    write_things(tmp_path)
    rng = np.random.default_rng(6)
    rows = np.argsort(rng.random((12_000, 10)), axis=1)[:, :3]
    np.savetxt(tmp_path / "triplets" / "trainset.txt", rows, fmt="%d")
    found = load_judgments(Cell("model", "things", tmp_path, protocol="corrected"), DATASETS.load("things"))
    drawn = found.judged[found.calibration]
    names = [Path(name).parent.name for name in found.images.names]
    order = (tmp_path / "unique_id.txt").read_text().split()
    kept = [tuple(sorted(order.index(names[end]) for end in found.pairs[pair])) for pair in drawn[:, 0]]
    expected = things_calibration(12_000)
    assert len(set(expected)) == 10_000
    assert sorted(kept) == sorted(tuple(sorted(rows[row, :2].tolist())) for row in expected)


@pytest.mark.parametrize(("level", "count"), [("middle", 600), ("high", 6000)])
def test_calibration_of_packaged_sets_is_their_train_split(level: str, count: int) -> None:
    found = load_judgments(Cell("model", f"shapes-{level}", protocol="corrected"), DATASETS.load(f"shapes-{level}"))
    calibration = [found.ids[row] for row in found.calibration]
    assert len(set(calibration)) == count
    assert all(name.startswith("trainset:") for name in calibration)
    assert all(name.startswith("test:") for name in ids_of(found)["test"])


def packaged(level: str, limit: int) -> CorrectedJudgments:
    """A packaged set; what its simulated observers said is the package's own, what follows is the reference's."""
    names = ("test",) if level == "low" else ("test", "trainset")
    whole = DATASETS.load(f"shapes-{level}").read(None, names).limited(limit)
    images = [whole.images.open(image) for image in range(len(whole.images.names))]
    pairs = [[(int(a), int(b)) for a, b in whole.pairs[row]] for row in whole.judged]
    test, *train = whole.subsets
    kept = test.rows.tolist()
    clusters = [tuple(row) for row in test.clusters.tolist()]
    values = [float(whole.human[row]) for row in kept]
    kind = "rating" if level == "low" else "choice"
    subset = HumanJudgments(kind, images, [pairs[row] for row in kept], values, list(clusters))
    return CorrectedJudgments({"test": subset}, [pairs[row] for row in train[0].rows] if train else None)


@pytest.mark.parametrize(("level", "limit"), [("low", 70), ("middle", 20), ("high", 60)])
def test_packaged_sets_equal_reference(
    world: World, level: str, limit: int, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes._TRIPLETS, "trainset", limit)
    monkeypatch.setattr(shapes, "_ODD_TRIPLETS", {"test": 100, "trainset": limit})
    monkeypatch.setattr(shapes, "_REPEATED", 4)
    judgments = packaged(level, limit)
    tokens = embed(world.tower("clip"), judgments.subsets["test"].images, unit_projection=False)
    options = ("--protocol", "corrected", "--limit", str(limit), "--output", str(tmp_path), "--batch-size", "1")
    folder = run_command(capsys, "--model", world.tower("clip"), "--dataset", f"shapes-{level}", *options)
    expected = {"test": all_distances(tokens, judgments, "test", "all", has_class=True)}
    check_folder(folder, judgments, expected, model="clip", level=level)
    assert read_record(folder)["calibration_judgments"] == len(judgments.calibration or [])


def test_judgments_written_twice_leave_distances_and_scores(world: World, tmp_path: Path, capsys: Capture) -> None:
    """Channel means count a pair as often as it is judged, so that twice of everything is nothing new."""
    root = tmp_path / "data"
    shutil.copytree(world.data("things"), root)
    for split in ("testset1", "trainset"):
        path = root / "triplets" / f"{split}.txt"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([lines[0], *lines, *lines[1:]]))  # in an order in which they are taken for no copy
    for protocol in ("paper", "corrected"):
        options = ("--dataset", "things", "--subset", "testset1", "--protocol", protocol, "--output", tmp_path / "runs")
        once, twice = (
            run_command(capsys, "--model", world.tower("clip"), *options, "--data-root", place)
            for place in (world.data("things"), root)
        )
        before, after = read_curve(once), read_curve(twice)
        for key, row in before.items():
            if key[3] == "accuracy":
                assert float(after[key]["value"]) == pytest.approx(float(row["value"]), rel=0, abs=1e-12)
                assert int(after[key]["n"]) == 2 * int(row["n"])
        distances = [pd.read_parquet(folder / "judgments.parquet")["pairs"].tolist() for folder in (once, twice)]
        arrays = [load_file(folder / "distances.safetensors") for folder in (once, twice)]
        for name, array in arrays[0].items():
            each = array[:, np.stack(distances[0])]
            again = arrays[1][name][:, np.stack(distances[1])]
            np.testing.assert_allclose(np.concatenate([each[:, :1], each, each[:, 1:]], axis=1), again, rtol=1e-6)


# --- Baselines and resizing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["nights", "things"])
def test_a_baseline_needs_no_calibration_and_shares_ties(
    world: World, dataset: str, tmp_path: Path, capsys: Capture
) -> None:
    without = tmp_path / "data"
    shutil.copytree(world.data(dataset), without)
    if dataset == "things":
        (without / "triplets" / "trainset.txt").unlink()
    arguments = ("--model", "pixels", "--dataset", dataset, "--data-root", without, "--protocol", "corrected")
    folder = run_command(capsys, *arguments, "--output", tmp_path / "runs")
    assert read_record(folder)["calibration_judgments"] == 0
    assert not (folder / "channels.csv").exists()
    judgments = LAYOUTS[dataset].read(world.data(dataset))
    curve = read_curve(folder)
    for subset, scored in judgments.subsets.items():
        pictures = [
            np.asarray(Image.open(Path(str(path))).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC), float)
            / 255
            for path in scored.images
        ]
        values = np.array(
            [[np.sqrt(((pictures[a] - pictures[b]) ** 2).mean()) for a, b in pairs] for pairs in scored.pairs]
        )
        rows = corrected_rows(subset, scored, {("euclidean", "image"): values}, LAYOUTS[dataset].published)
        check_rows(curve, rows, model="pixels", protocol="corrected")


def test_distances_without_channel_means_need_no_calibration(world: World, tmp_path: Path, capsys: Capture) -> None:
    without = tmp_path / "data"
    shutil.copytree(world.data("things"), without)
    (without / "triplets" / "trainset.txt").unlink()
    arguments = ("--model", world.tower("clip"), "--dataset", "things", "--protocol", "corrected")
    folder = run_command(
        capsys, *arguments, "--data-root", without, "--distance", "euclidean,cosine", "--output", tmp_path / "runs"
    )
    assert read_record(folder)["calibration_judgments"] == 0
    whole = corrected_run(capsys, world, world.tower("clip"), "things", tmp_path / "runs", "--batch-size", "16")
    with_means, alone = read_curve(whole), read_curve(folder)
    assert alone.keys() == {key for key in with_means if key[1] != "normalized_euclidean"}
    for key, row in alone.items():
        assert float(row["value"]) == float(with_means[key]["value"])


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_squash_shows_the_tower_the_whole_picture(world: World, family: str, tmp_path: Path, capsys: Capture) -> None:
    judgments = read_nights(world.data("nights"))
    tokens = embed(
        world.tower(family),
        judgments.images,
        prepare=lambda picture: picture.resize((32, 32), Image.Resampling.BICUBIC),
    )
    arguments = ("--model", world.tower(family), "--dataset", "nights", "--data-root", world.data("nights"))
    folder = run_command(capsys, *arguments, "--resize", "squash", "--output", tmp_path, "--batch-size", "1")
    expected = {
        (name, layer): values
        for layer, of_images in tokens.items()
        for name, values in judgment_distances(of_images, judgments, "all", family != "siglip").items()
    }
    check_distances(read_distances(folder, judgments, "all"), expected)
    assert read_record(folder)["settings"]["resize"] == "squash"


# --- Refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "subset"),
    [
        *(("nights", subset) for subset in ("all", "train", "test,train")),
        *(("things", subset) for subset in ("trainset", "all", "testset1,trainset")),
        *((f"shapes-{level}", subset) for level in ("middle", "high") for subset in ("trainset", "all")),
    ],
)
def test_what_channel_means_are_fitted_on_is_not_scored(
    world: World, dataset: str, subset: str, tmp_path: Path, capsys: Capture
) -> None:
    root = () if dataset.startswith("shapes") else ("--data-root", str(world.data(dataset)))
    arguments = ("run", "--model", world.tower("clip"), "--dataset", dataset, *root, "--protocol", "corrected")
    line = refused(capsys, *arguments, "--subset", subset, "--output", tmp_path)
    assert subset.split(",")[-1] in line
    assert "--protocol paper" in line


def test_the_full_table_of_things_holds_the_calibration_judgments(
    world: World, tmp_path: Path, capsys: Capture
) -> None:
    root = tmp_path / "data"
    shutil.copytree(world.data("things"), root)
    rows = [
        [int(word) + 1 for word in line.split()]
        for split in ("testset1", "validationset", "trainset")
        for line in (root / "triplets" / f"{split}.txt").read_text().splitlines()
    ]
    text = "".join(f"{a}\t{b}\t{c}\t3\n" for a, b, c in rows)
    (root / TABLE).write_text("image1\timage2\timage3\tchoice\n" + text)
    arguments = ("run", "--model", world.tower("clip"), "--dataset", "things", "--data-root", root)
    line = refused(capsys, *arguments, "--subset", "all", "--protocol", "corrected", "--output", tmp_path / "runs")
    assert "all" in line


def test_things_without_its_train_file_is_refused(world: World, tmp_path: Path, capsys: Capture) -> None:
    root = tmp_path / "data"
    shutil.copytree(world.data("things"), root)
    (root / "triplets" / "trainset.txt").unlink()
    arguments = ("run", "--model", world.tower("clip"), "--dataset", "things", "--data-root", root)
    line = refused(capsys, *arguments, "--protocol", "corrected", "--output", tmp_path / "runs")
    assert "trainset.txt is missing" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("options", [(), ("--limit", "5")])
def test_a_single_reference_is_refused(world: World, tmp_path: Path, capsys: Capture, options: tuple[str, ...]) -> None:
    root = tmp_path / "data"
    write_tid2013(root, references=2 if options else 1)
    arguments = ("run", "--model", world.tower("clip"), "--dataset", "tid2013", "--data-root", root, *options)
    assert "one reference" in refused(capsys, *arguments, "--protocol", "corrected", "--output", tmp_path / "runs")


@pytest.mark.parametrize(("split", "missing"), [("train", "triplet of the train"), ("test", "subset test")])
def test_too_few_votes_are_refused(world: World, tmp_path: Path, capsys: Capture, split: str, missing: str) -> None:
    root = tmp_path / "data"
    shutil.copytree(world.data("nights"), root)
    table = pd.read_csv(root / "data.csv")
    table.loc[table["split"] == split, "votes"] = 5
    table.to_csv(root / "data.csv", index=False)
    arguments = ("run", "--model", world.tower("clip"), "--dataset", "nights", "--data-root", root)
    line = refused(capsys, *arguments, "--protocol", "corrected", "--output", tmp_path / "runs")
    assert missing in line


@pytest.mark.parametrize("dataset", ["tid2013", "nights"])
def test_a_layer_without_a_channel_that_varies_is_named(
    world: World, dataset: str, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ("run", "--model", world.tower("clip"), "--dataset", dataset, "--data-root", world.data(dataset))
    line = refused(capsys, *arguments, "--tokens", "cls", "--protocol", "corrected", "--output", tmp_path)
    assert "layer_0" in line
    assert "--distance" in line


def test_channels_that_vary_for_one_reference_only_are_left_out_everywhere(
    world: World, tmp_path: Path, capsys: Capture
) -> None:
    """When the only reference whose pictures differ is left out, nothing varies among the others."""
    root = tmp_path / "data"
    write_tid2013(root)
    for path in (root / "distorted_images").iterdir():
        reference = path.name.split("_")[0].lower()
        if reference != "i02":
            [original] = [p for p in (root / "reference_images").iterdir() if p.stem.lower() == reference]
            shutil.copyfile(original, path)
    arguments = ("run", "--model", world.tower("clip"), "--dataset", "tid2013", "--data-root", root)
    line = refused(capsys, *arguments, "--protocol", "corrected", "--output", tmp_path / "runs")
    assert "layer_0" in line


@pytest.mark.parametrize(
    ("protocol", "there", "said"),
    [
        ("paper", 20_019, "nights all has 12 judgments here and 20,019 as published: only a part of it is measured"),
        ("paper", 10, "nights all has 12 judgments here and 10 as published: something was added to it"),
        (
            "corrected",
            1_824,
            r"nights test has \d judgments here and 1,824 as published: only a part of it is measured",
        ),
    ],
)
def test_a_data_set_unlike_the_published_one_is_warned_of(tmp_path: Path, protocol: str, there: int, said: str) -> None:
    write_nights(tmp_path)
    data_set = replace(DATASETS.load("nights"), complete=there)
    cell = Cell("pixels", "nights", data_root=tmp_path, protocol=protocol)
    with pytest.warns(AlignbenchWarning, match=said):
        load_judgments(cell, data_set)
