"""The maps of heads: each cell where it belongs and of its colour, grey where nothing is told from chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection

from alignbench.report.figures.heads import draw_heads, heads_figure
from alignbench.results.head_alignment import CAVEAT
from head_folders import BEST, HEADS, LAYERS, PLACES, alignment_table, cumulative_table

MLPS = HEADS + 0.5  # where their column begins


def cells(axis: Axes) -> tuple[np.ndarray, PatchCollection, np.ndarray]:
    """Lower left corners of the grey and of the coloured cells, and the latter themselves."""
    grey, coloured, _ = axis.collections
    corners = [np.array([path.vertices[0] for path in found.get_paths()]).reshape(-1, 2) for found in (grey, coloured)]
    assert isinstance(coloured, PatchCollection)
    return corners[0], coloured, corners[1]


def test_each_component_has_its_cell() -> None:
    """Heads by layer and number, MLPs beside them, the embedding below these; the colour is the score."""
    table = alignment_table()
    figure = heads_figure(table, cumulative_table(), "my/clip")
    low = figure.axes[0]
    alone = table[(table["level"] == "low") & (table["way"] == "alone") & (table["kind"] != "all")]
    grey, coloured, corners = cells(low)
    beyond = alone["p_choices"] <= 0.05
    for rows, found in ((alone[~beyond], grey), (alone[beyond], corners)):
        expected = {
            (float(head) if kind == "head" else MLPS, layer - 0.5)
            for kind, layer, head in rows[["kind", "layer", "head"]].itertuples(index=False)
        }
        assert set(map(tuple, found.tolist())) == expected
    np.testing.assert_allclose(np.asarray(coloured.get_array()), alone.loc[beyond, "value"])
    assert low.get_title(loc="left") == "low level: TID2013\nall, paper protocol"
    assert [text.get_text() for text in low.get_xticklabels()] == ["0", "1", "2", "3", "MLP"]
    assert [text.get_text() for text in low.get_yticklabels()] == [str(layer) for layer in range(LAYERS, 0, -1)]


def test_what_beats_the_other_nulls_is_marked() -> None:
    """A dot in the middle of the cell, and a frame around it."""
    figure = heads_figure(alignment_table(), cumulative_table())
    for axis, place in zip(figure.axes[:3], PLACES, strict=True):
        layer, head = BEST[place[0]]
        (dots,) = axis.lines
        assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([head + 0.5], [float(layer)])  # type: ignore[union-attr]
        (frame,) = axis.collections[2].get_paths()
        assert frame.vertices.min(axis=0) == pytest.approx([head + 0.03, layer - 0.47])  # type: ignore[union-attr]
    titles = [axis.get_title(loc="left").split(":")[0] for axis in figure.axes[:3]]
    assert titles == ["low level", "middle level", "high level"]
    assert "shapes-high (simulated)" in figure.axes[2].get_title(loc="left")


def test_sums_are_drawn_below_their_map() -> None:
    """The mean over halves for each number of heads, chosen and random, and the whole."""
    sums = cumulative_table()
    figure = heads_figure(alignment_table(), sums)
    below = figure.axes[3]
    assert below.get_xlabel() == "heads added up"
    by_chance, chosen, whole = below.lines
    low = sums[sums["level"] == "low"]
    for line, kind in ((by_chance, "random"), (chosen, "chosen")):
        means = low[low["kind"] == kind].groupby("heads")["value"].mean()
        np.testing.assert_allclose(line.get_xdata(), means.index)
        np.testing.assert_allclose(line.get_ydata(), means)
    assert whole.get_ydata() == pytest.approx([0.6, 0.6])


def test_the_legend_says_what_there_is() -> None:
    """And that these are direct effects; without nulls nothing is grey, and nothing is said of them."""
    table, sums = alignment_table(), cumulative_table()
    legend = heads_figure(table, sums).legends[0]
    assert legend.get_title().get_text() == CAVEAT
    assert [text.get_text() for text in legend.get_texts()] == [
        *("not told from chance", "above random subspaces of its layer", "above a twin of random weights"),
        *("heads in the order chosen on the other half", "in random order"),
    ]
    bare = heads_figure(table.assign(p_choices=np.nan, p_subspace=np.nan, p_twin=np.nan), sums.iloc[:0])
    assert [text.get_text() for text in bare.legends[0].get_texts()] == []
    grey, _, coloured = cells(bare.axes[0])
    assert len(grey) == 0
    assert len(coloured) == 4 * HEADS + LAYERS + 1


def test_other_measures_and_distances_of_the_whole_have_no_map() -> None:
    """A map is of the level's own metric, in the distance of the heads."""
    table = alignment_table()
    whole = table[table["kind"] == "all"].assign(distance="euclidean")
    more = pd.concat([table, whole, table.assign(measure="pearson")], ignore_index=True)
    figure = heads_figure(more, cumulative_table())
    assert sum(axis.get_xlabel() == "head" for axis in figure.axes if axis.get_visible()) == 3


def test_four_data_sets_stand_in_two_lines() -> None:
    """With three maps side by side, and each its sums below."""
    places = (*PLACES, ("high", "things", "testset1", "accuracy", "cosine", "paper"))
    figure = heads_figure(alignment_table(places=places), cumulative_table(places), "it")
    figure.draw_without_rendering()
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_xlabel() for axis in shown].count("head") == 4
    assert [axis.get_xlabel() for axis in shown].count("heads added up") == 4
    boxes = [axis.get_tightbbox() for axis in shown if axis.get_xlabel() in ("head", "heads added up")]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])  # type: ignore[union-attr, arg-type]


def test_both_files_are_written(tmp_path: Path) -> None:
    """With the title in them."""
    draw_heads(alignment_table(), cumulative_table(), tmp_path, "my/clip heads")
    assert (tmp_path / "heads.png").read_bytes()[:4] == b"\x89PNG"
    assert "my/clip heads" in (tmp_path / "heads.svg").read_text()
