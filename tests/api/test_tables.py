"""Tables of curves, and how a notebook shows a table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from alignbench.api.tables import MOST_ROWS, curve_table, html_table, shown_scores
from made_curves import curve_of
from notebook_html import check_html

CHOICES = curve_of(
    layer=["layer_0", "layer_1", "projection"] * 3,
    depth=[2.5, 50.0, 100.0] * 3,
    metric=["accuracy"] * 3 + ["ceiling_loo"] * 3 + ["ceiling_max_share"] * 3,
    value=[0.4, 0.55, 0.5, *[0.6] * 3, *[0.7] * 3],
)
ALIGNED = curve_of(
    model="m@t",
    layer=["layer_0", "projection", "projection_aligned"],
    depth=[2.5, 100.0, 100.0],
    value=[0.4, 0.5, 0.65],
)
BASELINE = curve_of(model="ssim", distance="ssim", layer="image", depth=0.0, ci_low=float("nan"), ci_high=float("nan"))


def test_a_row_has_best_layer_projection_ceiling_and_chance() -> None:
    [row] = curve_table([replace(CHOICES, kind="choice")]).to_dict("records")
    assert (row["model"], row["dataset"], row["level"], row["observers"]) == ("m", "nights", "middle", "people")
    assert (row["best_layer"], row["best_depth"], row["best"], row["projection"]) == ("layer_1", 50.0, 0.55, 0.5)
    assert (row["ceiling"], row["ceiling_low"], row["ceiling_high"]) == ("noise ceiling", 0.6, 0.7)
    assert (row["n"], row["part"], row["metric"]) == (10, "10 of 20,019 triplets", "accuracy")
    assert pd.isna(row["aligned"])


def test_an_aligned_layer_and_a_baseline_have_what_they_have() -> None:
    aligned, baseline = curve_table([ALIGNED, BASELINE]).to_dict("records")
    assert (aligned["aligned_layer"], aligned["aligned"], aligned["projection"]) == ("projection_aligned", 0.65, 0.5)
    assert (aligned["best_layer"], aligned["best"]) == ("layer_0", 0.4)
    assert (baseline["best_layer"], baseline["best"]) == ("image", 0.5)
    assert pd.isna(baseline["best_depth"])
    assert pd.isna(baseline["projection"])


def test_a_reader_sees_no_column_that_says_nothing() -> None:
    shown = shown_scores(curve_table([replace(CHOICES, kind="")]))
    assert list(shown.columns) == [
        *("model", "dataset", "subset", "distance", "best layer (selected)", "projection", "ceiling", "judgments"),
    ]
    assert shown["ceiling"].tolist() == ["0.600 to 0.700"]
    assert shown["best layer (selected)"].tolist() == ["layer_1 0.550 (0.400 to 0.600)"]
    both = shown_scores(curve_table([ALIGNED, BASELINE]))
    assert both["aligned"].tolist() == ["0.650 (0.400 to 0.600)", ""]
    assert both["best layer (selected)"].tolist() == ["layer_0 0.400 (0.400 to 0.600)", "0.500"]


@pytest.mark.parametrize("count", [1, MOST_ROWS, MOST_ROWS + 1, 5_000])
def test_a_long_table_is_cut_and_says_so(count: int) -> None:
    shown = check_html(html_table(pd.DataFrame({"number": range(count)}), "a < b"))
    assert "a < b" in shown.text
    assert shown.count("td") == min(count, MOST_ROWS)
    assert ("rows more" in shown.text) == (count > MOST_ROWS)
    assert count <= MOST_ROWS or f"and {count - MOST_ROWS:,} rows more" in shown.text


def test_long_texts_are_whole_and_everything_is_escaped() -> None:
    text = "<b>" + 200 * "long "
    assert text.strip() in check_html(html_table(pd.DataFrame({"<i>": [text.strip()]}))).text
