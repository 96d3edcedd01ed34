"""Ablations of a store, against plain sums, and a world in which one head takes the background for the class."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError
from alignbench.interpret.ablation.ablating import AblationJob, ZeroShot, ablate_store
from alignbench.interpret.ablation.labelled import by_folders
from alignbench.interpret.ablation.replacing import drawn_donors
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.results.head_ablations import is_ablation, read_ablation
from head_stores import fill_store, random_contributions
from row_encoders import row_encoder

SIZES = {"land/land": 150, "land/water": 25, "water/land": 25, "water/water": 100}
NAMES = tuple(f"{group}/{number:03}.png" for group, size in SIZES.items() for number in range(size))
COUNT = len(NAMES)
SHAPE = StoreShape(pictures=COUNT, blocks=3, layers=(2, 3), heads=3, width=4, dtype="fp32", has_class=True)
PLACES = {(2, 0): 0, (2, 1): 1, (2, 2): 2, (3, 0): 3, (3, 1): 4, (3, 2): 5}
BIRD, PLACE = (3, 0), (3, 2)  # the head that sees the bird, and the one that sees where it is
ROWS = {"a photo of a land": [1.0, 1.0, 0.0, 0.0], "a photo of a water": [-1.0, 1.0, 0.0, 0.0]}


def biased() -> NDArray[np.float32]:
    """Contributions whose first number is evidence for land: a little of the bird, and more of the place."""
    rng = np.random.default_rng(0)
    values = 0.1 * random_contributions(COUNT, 10, 4)
    bird = np.array([1.0 if name.startswith("land") else -1.0 for name in NAMES])
    place = np.array([1.0 if name.split("/")[1] == "land" else -1.0 for name in NAMES])
    values[:, PLACES[BIRD], 0] += bird + 0.6 * rng.normal(size=COUNT)
    values[:, PLACES[PLACE], 0] += 1.2 * place
    return values


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HeadStore:
    return fill_store(tmp_path_factory.mktemp("biased") / "heads/own__heads__00000000", SHAPE, biased(), NAMES)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))


def zero_shot(store: HeadStore, by_group: bool = True) -> ZeroShot:
    texts = {"land": ("a photo of a land",), "water": ("a photo of a water",)}
    return ZeroShot(by_folders(store.names, has_attributes=True), texts, row_encoder(ROWS), by_group)


def scores(table: pd.DataFrame, measure: str, **where: object) -> pd.DataFrame:
    rows = table[table["measure"] == measure]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows


def test_the_worst_group_rises_without_the_head_that_sees_the_place(store: HeadStore) -> None:
    job = AblationJob(by=("head",), groups=((PLACE,),), random=2, seed=1)
    _, table = read_ablation(ablate_store(store, zero_shot(store), job)[0])
    whole = scores(table, "worst_group", kind="all")
    assert float(whole["value"].iloc[0]) < 0.5
    assert whole["group"].iloc[0] in ("land/water", "water/land")
    planted = scores(table, "worst_group", kind="group", heads="3.2")
    assert float(planted["value"].iloc[0]) > 0.85
    assert float(planted["difference_low"].iloc[0]) > 0.1
    drawn = scores(table, "worst_group", kind="random")
    assert len(drawn) == 2
    assert (drawn["difference"] <= 0.13).all()
    for _, row in scores(table, "worst_group", kind="head").iterrows():
        if (row["layer"], row["head"]) not in (BIRD, PLACE):
            assert row["difference"] <= 0.13  # of 25 pictures, some change with noise
            assert row["difference_low"] <= 0.0
    assert (scores(table, "worst_group", kind="head", layer=3, head=0)["difference"] < 0).all()


def plain(values: NDArray[np.float64], own: NDArray[np.float64], put: NDArray[np.float64]) -> float:
    """Accuracy of the embeddings in which a part is replaced, picture by picture."""
    classes = np.array(list(ROWS.values()), dtype=np.float64)
    right = 0
    for number, name in enumerate(NAMES):
        products = [float((values[number].sum(axis=0) - own[number] + put[number]) @ each) for each in classes]
        right += products.index(max(products)) == (0 if name.startswith("land") else 1)
    return right / COUNT


def test_every_arm_is_that_of_plain_sums(store: HeadStore, tmp_path: Path) -> None:
    values = biased().astype(np.float64)
    shape = replace(SHAPE, pictures=7)
    others = random_contributions(7, 10, 4, seed=8)
    names = [f"{number}.png" for number in range(7)]
    reference = fill_store(tmp_path / "heads/own__heads__00000009", shape, others, names)
    arms = {
        ("head", 2, 1, ""): [1],
        ("layer", 3, -1, ""): [3, 4, 5],
        ("mlp", 1, -1, ""): [7],
        ("mlps", 0, -1, ""): [7, 8, 9],
        ("early", 2, -1, ""): [0, 1, 2],
        ("early", 3, -1, ""): range(6),
        ("group", 0, -1, "3.2,2.0"): [0, 5],
        ("class", 0, -1, ""): [0] * 6,
    }
    kinds = ("head", "layer", "mlp", "mlps", "class", "early")
    job = AblationJob(kinds, (((3, 2), (2, 0)),), ways=("mean", "zero", "resample"), draws=3, seed=4)
    for other, given in ((None, values), (reference, others.astype(np.float64))):
        record, table = read_ablation(ablate_store(store, zero_shot(store, by_group=False), job, other)[0])
        assert record["reference"] == (other or store).folder.name
        assert set(table["measure"]) == {"accuracy"}
        donors = drawn_donors(COUNT, None if other is None else 7, 3, 4)
        for (kind, layer, head, heads), places in arms.items():
            own, theirs = (sum(each[:, place] for place in places) for each in (values, given))
            mean = np.tile(theirs.mean(axis=0), (COUNT, 1))
            wanted = {"mean": plain(values, own, mean), "zero": plain(values, own, np.zeros_like(own))}
            wanted["resample"] = float(np.mean([plain(values, own, theirs[drawn]) for drawn in donors]))
            for way, value in wanted.items():
                found = scores(table, "accuracy", kind=kind, layer=layer, head=head, heads=heads, way=way)
                assert found["value"].tolist() == pytest.approx([value], abs=1e-9), (kind, way)
        assert scores(table, "accuracy", kind="all")["difference"].tolist() == [0.0]


def test_the_order_of_pictures_changes_nothing(store: HeadStore, tmp_path: Path) -> None:
    order = np.random.default_rng(5).permutation(COUNT)
    mixed = fill_store(tmp_path / "heads/own__heads__00000001", SHAPE, biased()[order], [NAMES[at] for at in order])
    tables = [read_ablation(ablate_store(each, zero_shot(each), AblationJob())[0])[1] for each in (store, mixed)]
    for name in ("value", "difference"):
        np.testing.assert_allclose(tables[0][name], tables[1][name], atol=1e-12)
    some = fill_store(tmp_path / "heads/own__heads__00000002", replace(SHAPE, pictures=200), biased()[order[:200]],
                      [NAMES[at] for at in order[:200]])  # fmt: skip
    _, table = read_ablation(ablate_store(some, zero_shot(some), AblationJob(by=("head",)))[0])
    assert float(scores(table, "accuracy", kind="all")["value"].iloc[0]) > 0.75  # labels by place would give chance


def test_only_what_changes_a_number_makes_another_folder(store: HeadStore) -> None:
    told: list[tuple[int, int]] = []
    job, given = AblationJob(by=("layer",), seed=77), zero_shot(store)
    first, was_there = ablate_store(store, given, job, heard=lambda *done: told.append(done))
    assert (was_there, told) == (False, [(0, 2), (1, 2), (2, 2)])
    assert first.parent == store.folder.parent
    assert first.name.startswith("own__ablate__")
    assert ablate_store(store, given, replace(job, draws=3)) == (first, True)
    other_texts = replace(given, texts={"land": ("a photo of a water",), "water": ("a photo of a land",)})
    others = [
        ablate_store(store, given, replace(job, **change))[0]
        for change in ({"by": ("mlps",)}, {"ways": ("zero",)}, {"seed": 78}, {"groups": ((BIRD,),)})
    ]
    others += [ablate_store(store, replace(given, by_group=False), job)[0], ablate_store(store, other_texts, job)[0]]
    others.append(ablate_store(store, given, job, store)[0])  # a reference, which happens to be the same pictures
    labelled, _ = ablate_store(store, given, replace(job, labels=(("birds", (BIRD,)),)))
    others.append(labelled)
    table = read_ablation(labelled)[1]
    assert table.loc[table["kind"] == "group", ["heads", "label"]].drop_duplicates().to_numpy().tolist() == [
        ["3.0", "birds"]
    ]
    assert len({first, *others}) == 9
    record, _ = read_ablation(first)
    assert record["groups"] == SIZES
    assert record["classes"]["land"] == {"texts": ["a photo of a land"], "n": 175}
    assert record["settings"]["reference"] == "the pictures themselves"


def _changed(store: HeadStore, folder: Path, **settings: object) -> HeadStore:
    return fill_store(folder, SHAPE, biased(), NAMES, **{**store.record["settings"], **settings})


def test_bad_input_is_named(store: HeadStore, tmp_path: Path) -> None:
    given = zero_shot(store)
    for job, said in (
        (AblationJob(by=("heads",)), "unknown --by 'heads'"),
        (AblationJob(ways=("median",)), "unknown --way 'median'"),
        (AblationJob(ways=()), "--way is empty"),
        (AblationJob(by=()), "nothing is to be ablated: give --group, or --by"),
        (AblationJob(random=1), "--random draws groups beside those of --group or --labels: give one"),
        (AblationJob(groups=((BIRD,),), random=-1), "--random -1: give 0 or more"),
        (AblationJob(draws=0), "--draws 0: give 1 or more"),
        (AblationJob(draws=10**11), "--draws 100000000000: give 1 or more, up to 10,000"),
        (AblationJob(groups=(((1, 0),),)), "holds no heads of layer 1"),
    ):
        with pytest.raises(UsageError, match=said):
            ablate_store(store, given, job)
    with pytest.raises(UsageError, match=r"encodes texts in 2 numbers, and .* has contributions of 4"):
        ablate_store(store, replace(given, encoder=row_encoder({"x": [1.0, 0.0]})), AblationJob())
    with pytest.raises(UsageError, match="the classes are of other pictures than"):
        ablate_store(store, replace(given, pictures=by_folders(NAMES[::-1], has_attributes=True)), AblationJob())
    other = _changed(store, tmp_path / "one", model_fingerprint="1")
    with pytest.raises(DataError, match="is of another model than"):
        ablate_store(store, given, AblationJob(), other)
    squashed = _changed(store, tmp_path / "two", resize="squash")
    with pytest.raises(DataError, match="is of pictures that were resized in another way than"):
        ablate_store(store, given, AblationJob(), squashed)
    fewer = replace(SHAPE, layers=(1, 2, 3))
    all_heads = fill_store(tmp_path / "three", fewer, random_contributions(COUNT, 13, 4), NAMES)
    with pytest.raises(DataError, match=r"keeps other heads than .*: decompose both with the same --layers"):
        ablate_store(store, given, AblationJob(), all_heads)


def test_a_folder_that_is_no_ablation_is_refused(store: HeadStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no ablate.json and ablations.csv: make it by"):
        read_ablation(tmp_path)
    folder, _ = ablate_store(store, zero_shot(store), AblationJob(by=("mlps",), seed=9))
    assert is_ablation(folder)
    (folder / "ablate.json").write_text(json.dumps({"store": "x"}))
    with pytest.raises(DataError, match=r"cannot be read .*settings is not there"):
        read_ablation(folder)
