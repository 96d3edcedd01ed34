"""Similarity matrices before and after a transform, side by side, in one order of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from alignbench.arrays import Floats
from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.text import plain_text

if TYPE_CHECKING:
    from alignbench.transforms.evaluation.folder import Evaluated

_FEW: Final = 500  # pictures whose tree can be ordered at its best in a second
_TITLES: Final = {"before": "before", "after": "after the transform", "people": "people"}
_TREES: Final = {"after": "the similarities after", "people": "what people said"}


def draw_similarities(found: Evaluated, folder: Path) -> None:
    """Write `similarity.png` and `similarity.svg`."""
    figure = similarity_figure(found.title, found.matrices)
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"similarity.{suffix}")


@plain_text()
def similarity_figure(title: str, matrices: Mapping[str, Floats]) -> Figure:
    """Draw similarity matrices side by side: `before`, `after` and perhaps `people`, (n, n) each.

    Pictures are in the order of a tree (average linkage) of what people said, or else of the similarities after the
    transform. Their spreads and units differ, so what is coloured is the rank of a pair among all pairs of its matrix:
    one scale is that of all of them.
    """
    shown = [name for name in _TITLES if name in matrices]
    by = "people" if "people" in matrices else "after"
    order = tree_order(matrices[by])
    figure = Figure(figsize=(3.6 * len(shown), 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, len(shown)))
    images = []
    for axis, name in zip(axes, shown, strict=True):
        ranks = pair_ranks(matrices[name])[np.ix_(order, order)]
        style: dict[str, Any] = {"cmap": "viridis", "interpolation": "nearest", "rasterized": True}
        images.append(axis.imshow(ranks, vmin=0.0, vmax=1.0, **style))
        axis.set_title(_TITLES[name], fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    bar = figure.colorbar(images[0], ax=list(axes), location="bottom", shrink=0.5, aspect=40, pad=0.03)
    bar.set_label("share of all pairs that are less alike", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(f"{title}: {len(order)} pictures, in the order of a tree of {_TREES[by]}", fontsize=9)
    return figure


def pair_ranks(matrix: Floats) -> Floats:
    """The share of all other pairs that are less alike than a pair, (n, n): 0 the least alike, 1 the most.

    Equal pairs share the mean of their ranks. What is missing stays missing, and a picture with itself is the most.
    """
    rows, columns = np.triu_indices(len(matrix), k=1)
    there = np.isfinite(matrix[rows, columns])
    rows, columns = rows[there], columns[there]
    ranks = np.where(np.eye(len(matrix), dtype=bool), 1.0, np.nan)
    ranks[rows, columns] = (rankdata(matrix[rows, columns]) - 1.0) / max(1, len(rows) - 1)
    ranks[columns, rows] = ranks[rows, columns]
    return ranks


def tree_order(matrix: Floats) -> NDArray[np.int64]:
    """An order of pictures in which like ones stand together: the leaves of their tree by average linkage, (n,)."""
    if len(matrix) < 3:
        return np.arange(len(matrix))
    filled = np.where(np.isfinite(matrix), matrix, 0.0)
    off = ~np.eye(len(filled), dtype=bool)
    distances = np.where(off, filled[off].max() - filled, 0.0)
    condensed = squareform((distances + distances.T) / 2.0, checks=False)
    tree = linkage(condensed, "average", optimal_ordering=len(filled) < _FEW)
    return np.asarray(leaves_list(tree), dtype=np.int64)
