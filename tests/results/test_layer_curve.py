"""What a curve says of itself: its best layer, the rows that count, and which sets and subsets are of which kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.datasets import DATASETS
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import is_plain
from alignbench.results.layer_curve import LayerCurve, is_part, is_simulated
from made_curves import curve_of


def test_best_is_the_highest_score_of_the_metric_that_counts() -> None:
    curve = curve_of(
        layer=["layer_0", "layer_1", "layer_1", "projection", "layer_0", "layer_1"],
        metric=["spearman", "spearman", "pearson", "spearman", "spearman", "spearman"],
        distance=["cosine"] * 4 + ["euclidean"] * 2,
        value=[0.3, 0.5, 0.9, 0.6, 0.8, np.nan],
    )
    assert curve.best("cosine")["layer"] == "layer_1"
    assert curve.best("cosine")["value"] == 0.5
    assert curve.best("cosine", projection=True)["layer"] == "projection"
    assert curve.best("euclidean")["value"] == 0.8


def test_best_of_a_subset_is_of_the_first_unless_one_is_named() -> None:
    curve = curve_of(
        subset=["test", "test", "train", "train"],
        layer=["layer_0", "layer_1", "layer_0", "layer_1"],
        value=[0.5, 0.6, 0.9, 0.8],
    )
    assert curve.best("cosine")["value"] == 0.6
    assert curve.best("cosine", subset="train")["value"] == 0.9


def test_best_without_any_score_is_an_error() -> None:
    with pytest.raises(DataError, match="has no score by cosine"):
        curve_of(value=[np.nan]).best("cosine")
    with pytest.raises(UsageError, match="unknown distance of this curve 'euclidean'"):
        curve_of().best("euclidean")
    with pytest.raises(UsageError, match="unknown subset 'train'"):
        curve_of().best("cosine", subset="train")


def test_the_best_layer_is_a_plain_one_unless_asked() -> None:
    names = ("layer_0", "layer_1", "layer_1_aligned", "projection")
    frame = pd.DataFrame({"layer": names, "value": [0.1, 0.2, 0.9, 0.3], "depth": [2.5, 97.5, 97.5, 100.0]})
    curve = LayerCurve(frame.assign(model="m@t", subset="all", metric="accuracy", distance="cosine"))
    assert curve.best("cosine")["layer"] == "layer_1"
    assert curve.best("cosine", projection=True)["layer"] == "projection"
    assert curve.best("cosine", aligned=True)["layer"] == "layer_1_aligned"
    assert (curve.model, curve.transform) == ("m", "t")
    plain = LayerCurve(curve.frame[curve.frame["layer"].map(is_plain)])
    assert (plain.model, plain.transform) == ("m@t", ""), "a name of a model may hold the sign"


def test_breakdowns_do_not_count_unless_they_were_asked_for() -> None:
    frame = curve_of(subset=["all", "distortion_07", "distortion_08"], metric=["spearman"] * 3).frame
    assert LayerCurve(frame).main()["subset"].tolist() == ["all"]
    asked_for = pd.concat([frame, curve_of(subset=["distortion_07"], metric=["pearson"]).frame], ignore_index=True)
    assert LayerCurve(asked_for).main()["subset"].tolist() == ["all", "distortion_07", "distortion_07"]
    assert LayerCurve(asked_for).primary()["metric"].tolist() == ["spearman", "spearman"]
    alone = LayerCurve(frame.iloc[1:])
    assert alone.main()["subset"].tolist() == ["distortion_07", "distortion_08"], "there is nothing else"


def test_parts_are_known_by_the_whole_of_their_names() -> None:
    names = ["distortion_07", "votes_06", "level_3", "type_cnn", "all", "test", "my_level_3", "level_3-a", "votes"]
    assert is_part(pd.Series(names)).tolist() == [True] * 4 + [False] * 5


def test_packaged_sets_are_of_simulated_observers() -> None:
    assert [is_simulated(name) for name in ("shapes-low", "shapes-my own", "nights", "my-shapes-low")] == [
        *(True, True, False, False)
    ]


def test_of_layers_that_are_equally_high_the_first_is_best() -> None:
    curve = curve_of(layer=["layer_0", "layer_1", "layer_2"], value=[0.5, 0.7, 0.7])
    assert curve.best("cosine")["layer"] == "layer_1"


@pytest.mark.parametrize(
    ("metric", "dataset", "kind", "chance"),
    [
        *(("spearman", "tid2013", "rating", 0.0), ("spearman", "tid2013", "", 0.0)),
        *(("accuracy", "things", "choice", 1 / 3), ("accuracy", "nights", "choice", 1 / 2)),
        *(("accuracy", "shapes-high", "choice", 1 / 3), ("accuracy", "shapes-middle", "choice", 1 / 2)),
        *(("accuracy", "bapps", "preference", 1 / 2), ("accuracy", "mine", "choice", None)),
        *(("accuracy", "nights", "", None), ("accuracy", "nights", "other", None)),
    ],
)
def test_chance_is_that_of_random_distances(metric: str, dataset: str, kind: str, chance: float | None) -> None:
    assert LayerCurve(curve_of(metric=[metric], dataset=[dataset]).frame, kind=kind).chance == chance


@pytest.mark.parametrize("name", ["shapes-middle", "shapes-high"])
def test_chance_is_one_of_as_many_pairs_as_a_judgment_has(name: str) -> None:
    judgments = DATASETS.load(name).read(None, ("test",))
    curve = LayerCurve(curve_of(metric=["accuracy"], dataset=[name]).frame, kind=judgments.kind)
    assert curve.chance == 1 / judgments.judged.shape[1]
