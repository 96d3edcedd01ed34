"""Scores of every part on small data sets: against `alignbench run`, SciPy and NumPy, and what is taken again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

from alignbench import Cell
from alignbench.datasets import DATASETS
from alignbench.errors import UsageError
from alignbench.extraction.progress import EmbeddingListener
from alignbench.interpret.align_job import AlignJob, Nulls
from alignbench.interpret.aligning import Surroundings, align, all_pictures, decompose_all
from alignbench.interpret.store import HeadStore
from alignbench.measurement.protocol import load_judgments
from alignbench.models.families import load_tower
from alignbench.results.folders import run_folders
from alignbench.results.head_alignment import COLUMNS, read_head_alignment
from folders import Folders
from measured_cells import measured
from openclip_towers import TOWERS, save
from random_transforms import transform
from rank_processes import on_ranks
from reference import save_clip
from students import make_job, train, write_inputs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")]
PLACE = ["part", "measure", "distance"]


def job(model: Path | str, dataset: str, root: Path | None, output: Path, **options: object) -> AlignJob:
    cell = Cell(str(model), dataset, root, accelerator="cpu", workers=0, batch_size=5)
    return replace(AlignJob(cell, output=output, nulls=Nulls(0, 0, 0)), **options)  # type: ignore[arg-type]


def aligned(job: AlignJob) -> tuple[pd.DataFrame, HeadStore, dict[str, object]]:
    folder, _ = align(job)
    assert not run_folders(folder.parent), "nothing takes a folder of heads for a run"
    table, _, record = read_head_alignment(folder)
    return table, HeadStore.open(folder.parent / str(record["store"])), record


@pytest.mark.parametrize(("family", "dataset"), [("clip", "tid2013"), ("chinese_clip", "nights"), ("siglip", "things")])
def test_the_whole_is_the_projection_of_a_run(
    family: str, dataset: str, tiny_tower: Folders, data_root: Folders, tmp_path: Path
) -> None:
    table, _, _ = aligned(job(tiny_tower(family), dataset, data_root(dataset), tmp_path))
    assert tuple(table.columns) == COLUMNS
    whole = table[table["kind"] == "all"]
    assert set(whole["distance"]) == {"centred_cosine", "cosine", "euclidean"}
    for protocol in ("paper", "corrected"):
        options = {"protocol": protocol, "distances": ("cosine", "euclidean"), "layers": ("projection",)}
        frame = measured(str(tiny_tower(family)), dataset, data_root(dataset), **options).curve.main()
        expected = frame.rename(columns={"subset": "part", "metric": "measure"}).set_index(PLACE).sort_index()
        mine = whole[(whole["protocol"] == protocol) & (whole["distance"] != "centred_cosine")]
        mine = mine.set_index(PLACE).sort_index()
        assert list(mine.index) == list(expected.index)
        for column, theirs in (("value", "value"), ("low", "ci_low"), ("high", "ci_high"), ("n", "n")):
            assert_allclose(mine[column], expected[theirs], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["own", "timm", "map", "patches"])
def test_so_it_is_of_the_towers_of_open_clip(kind: str, nights_root: Path, tmp_path: Path) -> None:
    model = save(tmp_path / kind, TOWERS[kind])
    table, _, _ = aligned(job(model, "nights", nights_root, tmp_path / "heads"))
    whole = table[(table["kind"] == "all") & (table["measure"] == "accuracy")].set_index(["protocol", *PLACE])["value"]
    for protocol in ("paper", "corrected"):
        options = {"protocol": protocol, "distances": ("cosine", "euclidean"), "layers": ("projection",)}
        for row in measured(str(model), "nights", nights_root, **options).curve.primary().to_dict("records"):
            found = whole[protocol, row["subset"], "accuracy", row["distance"]]
            assert found == pytest.approx(row["value"], abs=1e-6)


@pytest.mark.parametrize(("family", "dataset"), [("clip", "tid2013"), ("siglip", "things")])
def test_the_transformed_whole_is_the_aligned_layer_of_a_run(
    family: str, dataset: str, tiny_tower: Folders, data_root: Folders, tmp_path: Path
) -> None:
    width = load_tower(str(tiny_tower(family))).layers[-1].channels
    by = transform(width, 10).save(tmp_path / "by.safetensors")
    wanted = job(tiny_tower(family), dataset, data_root(dataset), tmp_path / "heads", protocols=("paper",))
    table, store, record = aligned(replace(wanted, cell=replace(wanted.cell, transform=by)))
    whole = table[(table["kind"] == "all") & (table["distance"] != "centred_cosine")].set_index(PLACE).sort_index()
    options = {"distances": ("cosine", "euclidean"), "layers": ("projection",), "transform": by}
    frame = measured(str(tiny_tower(family)), dataset, data_root(dataset), **options).curve.main()
    frame = frame[frame["layer"] == "projection_aligned"].rename(columns={"subset": "part", "metric": "measure"})
    expected = frame.set_index(PLACE).sort_index()
    assert list(whole.index) == list(expected.index)
    assert_allclose(whole["value"], expected["value"], rtol=1e-4, atol=1e-6)
    assert_allclose(whole["high"], expected["ci_high"], rtol=1e-4, atol=1e-6)
    settings: Any = record["settings"]
    assert settings["model"] == f"{family}@by"
    assert settings["transform"]["name"] == "by"
    assert "@" not in store.folder.name


def test_a_transform_of_something_else_is_refused(tiny_tower: Folders, things_root: Path, tmp_path: Path) -> None:
    plain = job(tiny_tower("clip"), "things", things_root, tmp_path / "heads", protocols=("paper",))
    width = load_tower(str(tiny_tower("clip"))).layers[-1].channels
    for by, said in (
        (transform(width + 1), "takes 25 channels"),
        (transform(width, layer="layer_2", tokens="cls"), "is for layer_2, and heads are parts of the projection"),
        (transform(width, model_fingerprint="other"), "was learned on another model"),
    ):
        path = by.save(tmp_path / "by.safetensors")
        with pytest.raises(UsageError, match=said):
            align(replace(plain, cell=replace(plain.cell, transform=path)))
    assert not list(tmp_path.glob("heads/*"))


def test_scores_are_those_of_numpy(tiny_tower: Folders, tid2013_root: Path, things_root: Path, tmp_path: Path) -> None:
    for dataset, root in (("tid2013", tid2013_root), ("things", things_root)):
        wanted = job(tiny_tower("clip"), dataset, root, tmp_path, protocols=("corrected",))
        table, store, _ = aligned(wanted)
        said = load_judgments(
            replace(wanted.cell.checked(), protocol="corrected", distances=("cosine",)), DATASETS.load(dataset)
        )
        rows = np.array([store.names.index(name) for name in said.images.names])
        parts = {
            ("head", layer, head): store.head(layer, head) for layer in store.layers for head in range(store.heads)
        }
        parts |= {("mlp", layer, -1): store.other(layer) for layer in range(1, store.shape.blocks + 1)}
        parts |= {("embedding", 0, -1): store.other(0)}
        scaled = {place: part.astype(np.float64) * store.norms[:, None] for place, part in parts.items()}
        total = np.sum(list(scaled.values()), axis=0)
        subset = said.subsets[0]
        metric = "spearman" if dataset == "tid2013" else "accuracy"
        mine = table[(table["measure"] == metric) & (table["part"] == subset.name) & (table["kind"] != "all")]
        mine = mine.set_index(["kind", "layer", "head", "way"])["value"]
        cases = {(*place, "alone"): part for place, part in scaled.items()}
        cases |= {(*place, "left_out"): total - part for place, part in scaled.items()}
        for place, features in cases.items():
            x = features - features.mean(axis=0)
            a, b = (x[rows][said.pairs[:, end]] for end in (0, 1))
            far = 1 - (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            judged, human = far[said.judged[subset.rows]], said.human[subset.rows]
            if dataset == "tid2013":
                expected = spearmanr(-judged[:, 0], human).statistic
            else:
                chosen = judged[np.arange(len(human)), human.astype(int)]
                is_closest = np.isclose(judged, judged.min(axis=1, keepdims=True), rtol=1e-9)
                expected = np.where(
                    np.isclose(chosen, judged.min(axis=1), rtol=1e-9), 1 / is_closest.sum(axis=1), 0
                ).mean()
            assert mine[place] == pytest.approx(expected, abs=2e-3), place
        assert len(cases) == len(mine)


def test_what_is_there_is_taken_again(tiny_tower: Folders, nights_root: Path, tmp_path: Path) -> None:
    wanted = job(tiny_tower("clip"), "nights", nights_root, tmp_path)
    folder, is_finished = align(wanted)
    assert not is_finished
    written = (folder / "alignment.csv").stat().st_mtime_ns
    assert folder.name.startswith("clip__align__")
    heard: list[int] = []

    class Counting(EmbeddingListener):
        def advanced(self, images: int) -> None:
            heard.append(images)

    assert align(wanted, Surroundings(Counting())) == (folder, True)
    assert (folder / "alignment.csv").stat().st_mtime_ns == written
    others = [
        replace(wanted, distance="euclidean"),
        replace(wanted, protocols=("paper",)),
        replace(wanted, cell=replace(wanted.cell, limit=5)),
        replace(wanted, cell=replace(wanted.cell, subsets=("test",))),
    ]
    folders = {folder, *(align(other, Surroundings(Counting()))[0] for other in others)}
    assert len(folders) == 5
    stores = sorted(path.name for path in tmp_path.glob("*__heads__*"))
    assert 2 <= len(stores) <= 3  # that of all pictures is shared
    assert sum(heard) < 2 * len(HeadStore.open(tmp_path / stores[0]).names) + 50


def test_a_part_that_is_the_same_for_every_picture_is_said(
    tiny_tower: Folders, things_root: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    found = align(job(tiny_tower("siglip"), "things", things_root, tmp_path), Surroundings(notice=told.append))
    table, _, record = read_head_alignment(found[0])
    assert told == ["the embedding is the same for every picture, and is not scored"]
    assert record["notes"] == told
    assert "embedding" not in set(table["kind"])


def test_pictures_of_all_protocols_are_decomposed_once(nights_root: Path) -> None:
    cell, data_set = Cell("shapes-clip", "nights", nights_root, distances=("cosine",)), DATASETS.load("nights")
    judged = [load_judgments(replace(cell, protocol=name), data_set) for name in ("corrected", "paper")]
    assert set(judged[0].images.names) < set(judged[1].images.names)
    assert all_pictures(cell, data_set, judged[::-1]).names == judged[1].images.names
    joined = all_pictures(cell, data_set, judged)
    assert sorted(joined.names) == sorted(judged[1].images.names)
    assert joined.names[: len(judged[0].images.names)] == judged[0].images.names
    identities = dict(zip(judged[1].images.names, judged[1].images.identities(), strict=True))
    assert joined.identities() == [identities[name] for name in joined.names]


def test_what_is_decomposed_before_is_scored_by_one(tiny_tower: Folders, things_root: Path, tmp_path: Path) -> None:
    wanted = job(tiny_tower("clip"), "things", things_root, tmp_path, nulls=Nulls(0, 1, 0))
    decompose_all(replace(wanted, devices=1))
    assert sorted(path.name.split("__")[0] for path in tmp_path.iterdir()) == ["clip", "clip@random-0"]
    heard: list[int] = []

    class Counting(EmbeddingListener):
        def advanced(self, images: int) -> None:
            heard.append(images)

    align(wanted, Surroundings(Counting()))
    assert not heard


def decompose_on_ranks(rank: int, folder: Path, wanted: AlignJob) -> None:
    decompose_all(wanted)


def test_two_processes_share_the_pictures(tiny_tower: Folders, things_root: Path, tmp_path: Path) -> None:
    wanted = job(
        tiny_tower("clip"), "things", things_root, tmp_path / "two", protocols=("paper",), nulls=Nulls(0, 1, 0)
    )
    on_ranks(2, decompose_on_ranks, tmp_path / "ranks", replace(wanted, devices=2))
    assert len(list((tmp_path / "two").iterdir())) == 2
    two, _, _ = aligned(wanted)
    one, _, _ = aligned(replace(wanted, output=tmp_path / "one"))
    assert_allclose(two["value"], one["value"], atol=1e-6)


def test_a_student_is_a_model_like_any_other(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path / "inputs")
    shutil.rmtree(inputs / "vit")
    save_clip(inputs / "vit")
    student, _ = train(make_job(inputs), tmp_path / "students")
    table, _, record = aligned(job(student, "shapes-middle", None, tmp_path / "heads", protocols=("paper",)))
    settings: Any = record["settings"]
    assert settings["model"].startswith("vit-student-")
    options = {"distances": ("cosine",), "layers": ("projection",)}
    (expected,) = measured(str(student), "shapes-middle", None, **options).curve.primary()["value"]
    whole = table[(table["kind"] == "all") & (table["distance"] == "cosine")]
    assert whole["value"].iloc[0] == pytest.approx(expected, abs=1e-6)


def test_a_model_without_heads_is_refused(things_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pixels has no heads: name a model"):
        align(job("pixels", "things", things_root, tmp_path))
    assert not list(tmp_path.iterdir())
