"""A store of four layers of four heads, and what other stages leave of its heads, with numbers that are given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.results.head_differences import COLUMNS as DIFFERENCES
from alignbench.results.head_scores import HEAD_COLUMNS, JUDGED_COLUMNS, SCORE_COLUMNS
from head_folders import alignment_table, cumulative_table, write_head_folder
from head_stores import write_store

SHAPE: Final = StoreShape(pictures=5, blocks=6, layers=(3, 4, 5, 6), heads=4, width=3, dtype="fp32")
LABELS: Final = ((3, 0, "colours", 0.5, "labelled"), (3, 1, "", 0.25, "labelled"), (4, 2, "animals", "", "example"))
SHARES: Final = {(3, 0): (0.5, 0.25, 0.25), (3, 1): (0.4,), (4, 2): (0.0, 0.0)}  # of variance, text by text


def browsed_store(root: Path, images: str = "i", fingerprint: str = "m") -> HeadStore:
    """The store."""
    folder = root / f"own__heads__{images}{fingerprint}"
    return write_store(folder, SHAPE, images=images, model_fingerprint=fingerprint, layers=[3, 4, 5, 6])


def span_settings(store: HeadStore, **changes: Any) -> dict[str, Any]:
    """Settings of texts that span the store's heads."""
    return {"heads": store.record["settings"], "text_fingerprint": "t", "texts": "d", "picks": 3, **changes}


def label_settings(store: HeadStore, labeller: str = "words", **changes: Any) -> dict[str, Any]:
    """Settings of labels of these heads."""
    span = span_settings(store, **changes)
    return {"span": span, "labeller": {"name": labeller}, "permutations": 10, "seed": 0, "anew": False}


def browse_span(folder: Path, store: HeadStore, **changes: Any) -> Path:
    """Texts `text 1`, `text 2` and so on of three heads."""
    rows = [
        (*head, pick, pick, f"text {pick}", 1.0 / pick, share, 0.125)
        for head, shares in SHARES.items()
        for pick, share in enumerate(shares, 1)
    ]
    columns = ["layer", "head", "pick", "index", "text", "deviation", "explained_variance", "margin"]
    record = {"settings": span_settings(store, **changes), "store": store.folder.name}
    return _written(folder, "textspan.json", record, {"texts.csv": (columns, rows)})


def browse_labels(folder: Path, store: HeadStore, labeller: str = "words", **changes: Any) -> Path:
    """`LABELS`."""
    told = {"store": store.folder.name, "picks": "p", "identities": [labeller], "names": ["animals", "colours"]}
    record = {"settings": label_settings(store, labeller, **changes), **told}
    columns = ["layer", "head", "label", "margin", "source"]
    return _written(folder, "labels.json", record, {"labels.csv": (columns, LABELS)})


def browse_scores(folder: Path, store: HeadStore, judge: str = "file", agrees: int = 1, **changes: Any) -> Path:
    """Scores of `LABELS`, of which the judge was asked about text 2 of head 3.0: four of five of its texts agree."""
    heads = [
        (3, 0, "colours", 0.5, "labelled", 5, 4, 0.8, 4, 0, 0.75, 0.5, "text 1; text 2"),
        (3, 1, "", 0.25, "labelled", 2, 0, 0.0, "", 0, 1, 0.25, "text 1"),
        (4, 2, "animals", "", "example", *[""] * 7, "text 1"),
    ]
    settings = {"labels": label_settings(store, **changes), "judge": {"name": judge}}
    told = {"store": store.folder.name, "labels": "l", "model": "own", "heads": 3, "size": 24, "notes": []}
    tables = {
        "scores.csv": (SCORE_COLUMNS, [("ccs_high", 0.5, 0.4, 0.6, 0.25, 0.2, 0.3, 0.01)]),
        "heads.csv": (HEAD_COLUMNS, heads),
        "judged.csv": (JUDGED_COLUMNS, [(3, 0, 2, "text 2", "colours", agrees)]),
    }
    return _written(folder, "scores.json", {"settings": settings, **told}, tables)


def browse_alignment(
    root: Path, store: HeadStore, name: str = "own__align__0", table: pd.DataFrame | None = None, **settings: Any
) -> Path:
    """Scores of the store's model on other pictures."""
    shown = alignment_table() if table is None else table
    folder = write_head_folder(root, name, "own", (shown, cumulative_table()))
    record = json.loads((folder / "align.json").read_text())
    heads = {**store.record["settings"], "images": "others"}
    record["settings"] = {"model": "own", "heads": heads} | settings
    (folder / "align.json").write_text(json.dumps(record))
    return folder


def browse_difference(folder: Path, store: HeadStore, ends: Sequence[tuple[float, float]]) -> Path:
    """The store's model above another: heads 3.0, 3.1 and so on differ by 0.1, with these ends for all together."""
    place = ("high", "things", "all", "accuracy", "centred_cosine", "paper")
    rows = [
        ("head", 3, head, "alone", *place, 0.5, 0.4, 0.1, 0.05, 0.15, low, high)
        for head, (low, high) in enumerate(ends)
    ]
    mine = {"model": "own", "heads": store.record["settings"], "transform": {"name": "learned"}}
    record = {"settings": {"first": mine, "second": {"model": "own"}, "seed": 0}, "first": "a", "second": "b"}
    return _written(folder, "against.json", record, {"differences.csv": (DIFFERENCES, rows)})


def _written(folder: Path, name: str, record: dict[str, Any], tables: dict[str, tuple[Any, Any]]) -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps(record))
    for file, (columns, rows) in tables.items():
        pd.DataFrame(rows, columns=list(columns)).to_csv(folder / file, index=False)
    return folder
