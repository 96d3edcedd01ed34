"""What has to be known to read a table of scores: its intervals, chance, ceilings, how much of which data it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from alignbench.report.panels import SIMULATED
from alignbench.report.tables.sheet import listed, number
from alignbench.results.extent import data_set_title

CONDITIONS: Final = ("protocol", "tokens", "precision", "resize")
SELECTED: Final = (
    "The best layer is the highest before the projection, selected on these judgments, so that its score is too high."
)
_SCORES: Final = {"spearman": "Spearman correlations", "accuracy": "shares of the choices that a model agrees with"}
_CHANCE: Final = {0.0: "0", 0.5: "1/2", 1 / 3: "1/3"}
_INTERVALS: Final = {
    "percentile cluster bootstrap": "a percentile bootstrap of clusters",
    "cluster jackknife t": "a t interval of a jackknife of clusters",
    "objects counted once t": "a t interval over objects",
    "pictures and subjects crossed t": "a t interval over pictures and subjects",
}


def told_of_data(table: pd.DataFrame, varying: Sequence[str]) -> Iterator[str]:
    """What has to be known of the judgments behind a table, a sentence each.

    Args:
        table: Columns dataset, subset, metric, part, chance, observers, interval, kind and the `CONDITIONS`.
        varying: The conditions that are said elsewhere, since they are not the same in all rows.
    """
    kinds = [_INTERVALS.get(kind, kind) for kind in dict.fromkeys(table["interval"]) if kind not in ("", "none")]
    if kinds:
        yield f"In brackets: 95 % intervals over stimuli, each of one score alone ({listed(kinds)})."
    for metric, rows in table.groupby("metric", sort=False):
        yield f"Scores on {listed(map(data_set_title, rows['dataset']))} are {_SCORES[str(metric)]}."
    chances = table.dropna(subset="chance").drop_duplicates("dataset")
    if len(chances):
        said = (
            f"{_CHANCE.get(chance, number(chance))} on {data_set_title(name)}"
            for name, chance in zip(chances["dataset"], chances["chance"], strict=True)
        )
        yield f"Chance is {listed(said)}."
    if "ceiling" in table:
        names = [
            f"{name} on {listed(map(data_set_title, rows['dataset']))}"
            for name, rows in table.groupby("ceiling", sort=False)
        ]
        if names:
            yield f"Ceiling: {listed(names)}."
    parts = table[table["part"] != ""]
    if len(parts):
        said = (f"{data_set_title(row['dataset'])}: {row['part']}" for row in parts.to_dict("records"))
        yield f"Only a part of the data was measured: {'; '.join(dict.fromkeys(said))}."
    simulated = table.loc[table["observers"] != "people", "dataset"]
    if len(simulated):
        yield f"{listed(map(data_set_title, simulated))}: {SIMULATED}."
    towers = table[table["kind"] != "baseline"]
    ways = {name: text for name in CONDITIONS if name not in varying for text in towers[name].unique()[:1]}
    if ways:
        yield f"{condition_text(ways).capitalize()}."


def condition_text(ways: Mapping[str, str]) -> str:
    """How runs were measured, in words; what is empty, as of baselines, is left out.

    Args:
        ways: Texts by the `CONDITIONS`.
    """
    prepared = {"checkpoint": "pictures prepared as the checkpoint says", "": ""}
    said = {
        "protocol": "{} protocol",
        "tokens": "{} tokens",
        "precision": "{}",
        "resize": prepared.get(ways.get("resize", ""), "pictures resized: {}"),
    }
    return ", ".join(said[name].format(text) for name, text in ways.items() if text)
