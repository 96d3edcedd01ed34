"""Runs the command line on small data sets in their real layouts and compares its run folder with the reference."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import AutoModel

from layouts import write_nights, write_things, write_tid2013
from reference import (
    Array,
    HumanJudgments,
    TokenView,
    depths,
    judgment_distances,
    read_nights,
    read_things,
    read_tid2013,
    save_chinese_clip,
    save_clip,
    save_siglip,
)
from run_folders import (
    check_distances,
    check_rows,
    orderable,
    plain_rows,
    read_curve,
    read_distances,
    read_record,
    run_command,
)
from worlds import World

DISTANCES = ("normalized_euclidean", "euclidean", "cosine")
BLOCKS = 3


@dataclass(frozen=True)
class Family:
    """A tower: how to save a tiny one, and whether it has a class token."""

    save: Callable[[Path], None]
    has_class: bool


@dataclass(frozen=True)
class Layout:
    """A data set on disk: how to write it, how to read it, and what its rows are called."""

    dataset: str
    level: str
    subset: str
    write: Callable[[Path], None]
    read: Callable[[Path], HumanJudgments]
    options: tuple[str, ...] = ()


FAMILIES = {
    "clip": Family(save_clip, has_class=True),
    "chinese_clip": Family(save_chinese_clip, has_class=True),
    "siglip": Family(save_siglip, has_class=False),
}
LAYOUTS = {
    "tid2013": Layout("tid2013", "low", "all", write_tid2013, read_tid2013),
    "nights": Layout("nights", "middle", "all", write_nights, read_nights),
    "things": Layout("things", "high", "testset1", write_things, read_things),
    "things-validationset": Layout(
        "things",
        "high",
        "validationset",
        write_things,
        partial(read_things, subset="validationset"),
        ("--subset", "validationset"),
    ),
    "things-concepts": Layout("things", "high", "testset1", partial(write_things, order="concepts"), read_things),
    "things-sorted": Layout("things", "high", "testset1", partial(write_things, order="sorted"), read_things),
}
VIEWS: tuple[TokenView, ...] = ("all", "cls", "mean")
CASES = [
    (family, layout, view)
    for family in FAMILIES
    for layout in ("tid2013", "nights", "things")
    for view in VIEWS
    if view != "cls" or FAMILIES[family].has_class
] + [("clip", layout, "all") for layout in ("things-validationset", "things-concepts", "things-sorted")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(
        tmp_path_factory.mktemp("world"),
        towers={name: family.save for name, family in FAMILIES.items()},
        layouts={name: layout.write for name, layout in LAYOUTS.items()},
        images=lambda layout, root: LAYOUTS[layout].read(root).images,
        unit_projection=True,
    )


@pytest.mark.parametrize(("family", "layout", "view"), CASES)
def test_run_folder_equals_reference(
    world: World,
    family: str,
    layout: str,
    view: TokenView,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = LAYOUTS[layout]
    judgments = data.read(world.data(layout))
    expected = {
        (name, layer): distances
        for layer, tokens in world.tokens(family, layout).items()
        for name, distances in judgment_distances(tokens, judgments, view, FAMILIES[family].has_class).items()
    }
    assert [layer for name, layer in expected if name == "cosine"] == list(depths(BLOCKS))
    folder = run_command(
        capsys,
        *("--model", world.tower(family)),
        *("--dataset", data.dataset),
        *("--data-root", world.data(layout)),
        *("--tokens", view),
        *("--output", tmp_path),
        *("--batch-size", "1"),
        *data.options,
    )
    found = read_distances(folder, judgments, data.subset)
    assert {name for name, _ in found} == set(DISTANCES)
    check_distances(found, expected)
    assert read_record(folder)["calibration_judgments"] == 0
    in_order = {key: orderable(values, found[key], judgments) for key, values in expected.items() if values.any()}
    curve = read_curve(folder)
    rows = plain_rows(data.subset, judgments, in_order)
    check_rows(curve, rows, model=family, dataset=data.dataset, level=data.level, protocol="paper")
    logistic = {key for key in curve if key[3] == "pearson_logistic"}
    undefined = {key for key in curve if not expected[key[1], key[2]].any()}
    assert rows.keys() == curve.keys() - logistic - undefined
    assert (len(logistic) > 0) == (judgments.kind == "rating")
    for key in logistic - undefined:
        check_logistic(float(curve[key]["value"]), -in_order[key[1], key[2]][:, 0], np.array(judgments.values))
    for (_, _, layer, _), row in curve.items():
        assert row["tokens"] == ("" if layer == "projection" else view)
        assert float(row["depth"]) == pytest.approx(depths(BLOCKS)[layer])


def check_logistic(found: float, closeness: Array, ratings: Array) -> None:
    """Few points that hardly correlate may have several best fits; a line, being a wide logistic, is no better."""
    assert abs(stats.pearsonr(closeness, ratings).statistic) - 1e-4 <= found <= 1


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.has_class])
def test_reference_layer_0_follows_the_pre_layernorm(world: World, family: str) -> None:
    tower = AutoModel.from_pretrained(world.tower(family)).eval().vision_model
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        states = tower(pixel_values=pixels, output_hidden_states=True).hidden_states
        assert len(states) == BLOCKS + 1
        assert torch.equal(states[0], tower.pre_layrnorm(tower.embeddings(pixels)))
