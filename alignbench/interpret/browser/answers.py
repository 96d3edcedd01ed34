"""What is found, as the page and its exports take it: plain JSON, and CSV that no spreadsheet runs."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import pandas as pd

from alignbench.files.json_text import plain
from alignbench.interpret.browser.asking import FoundAnswer, ReadyQuestion
from alignbench.interpret.browser.colourings import Colouring
from alignbench.interpret.browser.plain_errors import without_paths
from alignbench.interpret.browser.questions import MOST_NEIGHBOURS, TEXT_LETTERS
from alignbench.interpret.browser.uploads import MOST_BYTES, MOST_PIXELS
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import COUNTS, HeatMap, unit_of
from alignbench.interpret.searching.asked import DecomposedPicture
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.people import AlikePairs
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.searching.tables import table_of
from alignbench.interpret.searching.why import Why

Json = dict[str, Any]
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet works out


def world_json(world: HeadWorld) -> Json:
    """Say what is browsed, and what can be asked of it."""
    cannot = world.cannot
    can = {
        "texts": "texts" not in cannot,
        "maps": not {"maps", "pictures"} & set(cannot),
        "uploads": "maps" not in cannot,
        "pictures": "pictures" not in cannot,
        "why": not {"why", "texts"} & set(cannot),
        "people": list(world.people),
        "others": [{"id": name, "title": other.title} for name, other in world.others.items()],
    }
    return {
        "model": world.model,
        "pictures": len(world.store.names),
        "layers": list(world.store.layers),
        "heads": world.store.heads,
        "width": world.store.width,
        "blocks": world.store.shape.blocks,
        "measures": [{"id": each, "unit": unit_of(each)} for each in MEASURES],
        "counts": {
            **COUNTS,
            "difference": COUNTS["picture"],
        },
        "colourings": [] if world.grid is None else [_colouring(each) for each in world.grid.colourings],
        "can": can,
        "loading": world.is_loading,
        "cannot": {name: without_paths(reason, world.places) for name, reason in cannot.items()},
        "notes": [] if world.grid is None else list(world.grid.notes),
        "limits": {
            "upload_bytes": MOST_BYTES,
            "upload_pixels": MOST_PIXELS,
            "text_letters": TEXT_LETTERS,
            "neighbours": MOST_NEIGHBOURS,
        },
    }


def _colouring(found: Colouring) -> Json:
    """What a grid shows, without its cells."""
    return {name: getattr(found, name) for name in ("id", "title", "unit", "kind", "note")}


def found_json(world: HeadWorld, found: FoundAnswer) -> Json:
    """Say what an analysis has found.

    Args:
        world: What is browsed.
        found: What was found.
    """
    asked, result = found.asked, found.result
    said: Json = {"analysis": asked.question.analysis, "unit": found.unit, "notes": asked.notes}
    if isinstance(result, HeatMap):
        said |= _map(asked, result)
    elif isinstance(result, Why):
        shares = [
            {"heads": heads_named([each.head]), "pick": each.pick, "text": each.text, "value": each.value}
            for each in result.shares
        ]
        said |= {"kind": "why", "heads": heads_named(result.heads), "value": result.value, "rest": result.rest}
        said |= {"shares": shares}
    else:
        heads = dict.fromkeys(head for each in result for head in each.heads)
        said |= {"kind": "neighbours", "heads": heads_named(heads), "groups": [_group(world, each) for each in result]}
        if any(isinstance(each, Compared) for each in result):
            said["kind"] = "difference"
        if any(isinstance(each, AlikePairs) for each in result):
            judged = world.people[str(asked.question.dataset)]
            said |= {"kind": "pairs", "people_unit": judged.alike.unit, "notes": [*asked.notes, *judged.notes]}
    return dict(plain(said))


def _map(asked: ReadyQuestion, result: HeatMap) -> Json:
    assert isinstance(asked.picture, DecomposedPicture)
    upload, picture = asked.question.upload, asked.question.picture
    height, width = asked.picture.pixels.shape[1:]
    return {
        "kind": "map",
        "heads": heads_named(result.heads),
        "grid": result.grid,
        "low": result.grid.min(),
        "high": result.grid.max(),
        "height": height,
        "width": width,
        "crop": f"/crop?{urlencode({'picture': picture} if upload is None else {'upload': upload})}",
    }


def _group(world: HeadWorld, found: Neighbours | Compared | AlikePairs) -> Json:
    names = world.store.names
    if isinstance(found, AlikePairs):
        columns = zip(*(found.first, found.second, found.people, found.counts, found.values, found.ranks), strict=True)
        items = [
            {
                "first": {"picture": first, "name": names[first]},
                "second": {"picture": second, "name": names[second]},
                "people": people,
                "count": count,
                "value": value,
                "rank": rank,
            }
            for first, second, people, count, value, rank in columns
        ]
        return {"heads": heads_named(found.heads), "items": items}
    if isinstance(found, Neighbours):
        return {"heads": heads_named(found.heads), "items": _items(world, found)}
    return {
        "heads": heads_named(found.heads),
        "others": heads_named(found.others),
        "before": _items(world, found.before),
        "after": _items(world, found.after),
        "shared": found.shared,
        "correlation": found.correlation,
    }


def _items(world: HeadWorld, found: Neighbours) -> list[Json]:
    return [
        {"picture": number, "name": world.store.names[number], "value": value}
        for number, value in zip(found.pictures, found.values, strict=True)
    ]


def found_csv(world: HeadWorld, found: FoundAnswer) -> str:
    """Write what was found as the command does, but for texts that a spreadsheet would take for a formula.

    Args:
        world: What is browsed.
        found: What was found.
    """
    return str(tame(table_of(world.store, found.result)).to_csv(index=False))


def tame(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts of a table that a spreadsheet would work out, as in `=cmd|...`."""
    return table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell)
