"""What is found as a picture: a sheet of neighbours with their values, or a map over what the model saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from textwrap import wrap
from typing import Any, Final

import numpy as np
from PIL import Image

from alignbench.errors import UsageError, shortened
from alignbench.interpret.browser.asking import FoundAnswer, ReadyQuestion
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import HeatMap
from alignbench.interpret.searching.asked import DecomposedPicture
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.maps import map_colours, overlay, upsampled
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.people import AlikePairs
from alignbench.interpret.searching.why import Why

_MOST_ROWS: Final = 48
_MOST_COLUMNS: Final = 20
_SIDE: Final = 1.3  # inches of a picture
_THUMBNAIL: Final = 160
_LETTERS: Final = 13  # of a title to the inch


@dataclass(frozen=True)
class _Row:
    """Pictures in a row of a sheet, with what stands before them and above each."""

    name: str
    pictures: tuple[int, ...]
    titles: tuple[str, ...]


def drawn(world: HeadWorld, found: FoundAnswer) -> bytes:
    """Draw what was found, as PNG.

    Args:
        world: What is browsed.
        found: What was found.

    Raises:
        UsageError: If there are no pictures, too many for a sheet, or it is nothing that is drawn.
    """
    title = _title(found.asked)
    if isinstance(found.result, HeatMap):
        assert isinstance(found.asked.picture, DecomposedPicture)
        is_all = len(found.result.heads) == len(world.store.layers) * world.store.heads
        heads = f"all {len(found.result.heads)} heads" if is_all else f"heads {heads_named(found.result.heads)}"
        return _map(found.asked.picture, found.result, f"{title}\n{shortened(heads, 76)}")
    if isinstance(found.result, Why):
        raise UsageError("why is a table: take it as CSV or JSON")
    return _sheet(world, [row for each in found.result for row in _rows(each)], f"{title}, {found.unit}")


def _title(asked: ReadyQuestion) -> str:
    texts = " against ".join(f"'{shortened(text, 60)}'" for text in asked.question.texts)
    about = "" if asked.picture is None else f" of {shortened(asked.picture.name, 60)}"
    return f"{asked.question.analysis}{about}{': ' * bool(texts)}{texts}"


def _rows(found: Neighbours | Compared | AlikePairs) -> Iterator[_Row]:
    if isinstance(found, AlikePairs):
        name = shortened(heads_named(found.heads), 24)
        for first, second, people, value, rank in zip(
            found.first, found.second, found.people, found.values, found.ranks, strict=True
        ):
            yield _Row(name, (int(first), int(second)), (f"people {people:.3g}", f"{value:.4g}, rank {rank:.0f}"))
        return
    if isinstance(found, Neighbours):
        titles = tuple(f"{value:.4g}" for value in found.values)
        yield _Row(shortened(heads_named(found.heads), 24), tuple(map(int, found.pictures)), titles)
        return
    for when, side in (("before", found.before), ("after", found.after)):
        for row in _rows(side):
            yield replace(row, name=f"{row.name} {when}")


def _sheet(world: HeadWorld, rows: Sequence[_Row], title: str) -> bytes:
    from matplotlib.figure import Figure

    if world.pictures is None:
        raise UsageError(world.cannot["pictures"])
    columns = max(len(each.pictures) for each in rows)
    if len(rows) > _MOST_ROWS or columns > _MOST_COLUMNS:
        raise UsageError(
            f"a sheet has {_MOST_ROWS} rows of {_MOST_COLUMNS} pictures at most: ask fewer heads or neighbours"
        )
    figure = Figure(figsize=(_SIDE * columns + 1.2, 1.25 * _SIDE * len(rows) + 0.6), dpi=100, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for places, row in zip(axes, rows, strict=True):
        for place in places:
            place.set_axis_off()
        for place, number, above in zip(places, row.pictures, row.titles, strict=False):
            picture = world.pictures.open(number)
            picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
            place.imshow(np.asarray(picture))
            place.set_title(above, fontsize=7, pad=2)
        before = {"transform": places[0].transAxes, "ha": "right", "va": "center", "fontsize": 7, "parse_math": False}
        places[0].text(-0.08, 0.5, row.name, **before)
    return _finished(figure, title)


def _map(picture: DecomposedPicture, found: HeatMap, title: str) -> bytes:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.2), dpi=120, layout="constrained")
    place = figure.subplots()
    place.imshow(np.asarray(overlay(picture.pixels, found.grid)))
    place.set_axis_off()
    largest = float(np.abs(upsampled(found.grid, *picture.pixels.shape[1:])).max()) or 1.0
    scale = ScalarMappable(Normalize(-largest, largest), ListedColormap(map_colours(np.linspace(-1.0, 1.0, 257))))
    figure.colorbar(scale, ax=place, shrink=0.85).set_label(found.unit)
    return _finished(figure, title)


def _finished(figure: Any, title: str) -> bytes:
    width = max(30, int(_LETTERS * figure.get_figwidth()))
    lines = [line for part in title.split("\n") for line in wrap(part, width)]  # Matplotlib's own takes $ for formulas
    figure.suptitle("\n".join(lines), fontsize=9, parse_math=False)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
