"""Which heads carry a level: planted labels, layers that differ, and how often nothing is taken for something."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.results.head_alignment import PLACE
from alignbench.study.carried_levels import CONSISTENT, levels_of_consistency, levels_of_labels

LOW = dict(zip(PLACE, ("low", "tid2013", "all", "spearman", "cosine", "paper"), strict=True))
HIGH = dict(zip(PLACE, ("high", "things", "testset1", "accuracy", "cosine", "paper"), strict=True))
NAMES = ("colour", "animal", "number", "")


def world(seed: int, models: int, effect: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Heads of 4 layers of 12: later layers score higher and have more animals, and `effect` is that of a colour."""
    rng = np.random.default_rng(seed)
    labels, scores = [], []
    for model in range(models):
        for layer in range(1, 5):
            for head in range(12):
                name = str(rng.choice(NAMES, p=[0.2, 0.1 * layer, 0.2, 0.6 - 0.1 * layer]))
                place = {"model": f"clip-{model}", "layer": layer, "head": head}
                labels.append({**place, "label": name, "consistent": int(rng.integers(0, 6))})
                high = 0.1 * layer + 0.05 * rng.standard_normal() + effect * (name == "colour")
                scores += [{**place, **LOW, "value": rng.random()}, {**place, **HIGH, "value": high}]
    return pd.DataFrame(labels), pd.DataFrame(scores)


def test_a_planted_label_is_found_and_layers_are_not_taken_for_labels() -> None:
    """Animals are in late layers, which score higher; inside a layer they do not."""
    found = levels_of_labels(*world(0, 3, effect=0.2), draws=999).set_index(["mark", "level"])
    assert set(found.index) == {(name, level) for name in NAMES[:3] for level in ("low", "high")}
    assert found.loc[("colour", "high"), "p_corrected"] < 0.002
    assert found.loc[("colour", "high"), "low"] < 0.2 < found.loc[("colour", "high"), "high"]
    assert (found.drop([("colour", "high"), ("number", "high")])["p_corrected"] > 0.05).all()
    assert found.loc[("number", "high"), "difference"] < 0.0  # colours are among what it is compared with


def test_the_difference_is_that_of_least_squares_with_a_mean_for_each_layer() -> None:
    """numpy's regression of the score on the mark and the layers, model by model; the mean over models."""
    labels, scores = world(1, 2, effect=0.1)
    found = levels_of_labels(labels, scores, draws=19).set_index(["mark", "level"]).loc[("colour", "high")]
    each = []
    for model, rows in labels.groupby("model"):
        value = scores[(scores["level"] == "high") & (scores["model"] == model)]["value"].to_numpy()
        design = np.column_stack([rows["label"] == "colour", *(rows["layer"] == layer for layer in range(1, 5))])
        each.append(np.linalg.lstsq(design.astype(float), value, rcond=None)[0][0])
    assert found["difference"] == pytest.approx(np.mean(each))
    reach = 12.706205 * np.std(each, ddof=1) / np.sqrt(2)  # t of one degree of freedom, from a table
    assert found["high"] - found["difference"] == pytest.approx(reach, rel=1e-5)
    assert found["models"] == 2
    assert found["heads"] == (labels["label"] == "colour").sum()


def test_consistent_heads_are_compared_by_how_many_texts_agree() -> None:
    """Each text more adds 0.1 to what is planted; heads without a row are left out."""
    labels, scores = world(2, 2)
    raised = scores.merge(labels[["model", "layer", "head", "consistent"]])
    scores = raised.assign(value=raised["value"] + 0.1 * raised["consistent"] * (raised["level"] == "high"))
    found = levels_of_consistency(labels.iloc[::2], scores.drop(columns="consistent"), draws=499)
    high = found.set_index("level").loc["high"]
    assert set(found["mark"]) == {CONSISTENT}
    assert high["difference"] == pytest.approx(0.1, abs=0.02)
    assert high["p_corrected"] < 0.01
    assert found.set_index("level").loc["low", "p_corrected"] > 0.05


def test_one_model_has_no_interval() -> None:
    """There is a p-value all the same, of its heads."""
    found = levels_of_labels(*world(3, 1), draws=99)
    assert found["low"].isna().all()
    assert found["p_corrected"].notna().all()


def test_labels_without_meaning_are_taken_for_more_once_in_twenty() -> None:
    """Of 50 worlds of labels, each of three labels at two places, in both directions."""
    found = sum(bool((levels_of_labels(*world(40 + s, 1), draws=99)["p_corrected"] <= 0.05).any()) for s in range(50))
    assert 1 <= found <= 9


def test_what_cannot_be_compared_is_refused() -> None:
    """No scores of these heads; or marks that are the same in each layer."""
    labels, scores = world(0, 1)
    with pytest.raises(DataError, match="no mark of heads differs within a layer"):
        levels_of_labels(labels.assign(label="all of them"), scores)
    with pytest.raises(DataError, match="no mark of heads differs within a layer"):
        levels_of_labels(labels.assign(model="another"), scores)
    with pytest.raises(DataError, match="no head has a score in everything"):
        levels_of_labels(labels, scores.assign(value=np.nan))


def test_no_marked_head_at_all_is_refused() -> None:
    """As where no head has a label, or none has texts enough for its consistency."""
    labels, scores = world(0, 1)
    with pytest.raises(DataError, match="no head that was scored has such a mark"):
        levels_of_labels(labels.assign(label=""), scores)
    with pytest.raises(DataError, match="no head that was scored has such a mark"):
        levels_of_consistency(labels.assign(consistent=3).iloc[:0], scores)
