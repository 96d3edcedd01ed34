"""What can be measured, and on what: `alignbench.list_models` and `alignbench.list_datasets`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alignbench.api.tables import html_line, html_table
from alignbench.datasets.listing import known_data_sets
from alignbench.models.cards import FACTORS
from alignbench.models.listing import known_models

_MODELS = (
    "Any other Hugging Face id, folder or file of these families works too; random:NAME builds a model with random "
    "weights and downloads nothing."
)
_DATASETS = "Give a folder as data_root, or set ALIGNBENCH_DATA to the folder that holds all of them."


@dataclass(frozen=True, eq=False, repr=False)
class Listing(Sequence[str]):
    """Names, with what is known of each.

    Attributes:
        table: A row for each, with a column `name`.
        shown: The same as a reader wants it.
        lines: What a terminal shows beside each name.
        note: What to do with them.
    """

    table: pd.DataFrame
    shown: pd.DataFrame
    lines: Sequence[str]
    note: str

    @property
    def names(self) -> list[str]:
        """The names."""
        return [str(name) for name in self.table["name"]]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, which: Any) -> Any:
        """A name by its place, or some by a slice."""
        return self.names[which]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __repr__(self) -> str:
        """A line for each, and the note."""
        if not len(self):
            return f"nothing of that name\n{self.note}"
        width = max(map(len, self.names))
        lines = [f"{name:{width}}  {line}" for name, line in zip(self.names, self.lines, strict=True)]
        return "\n".join([*lines, self.note])

    def _repr_html_(self) -> str:
        """The table for notebooks."""
        return html_table(self.shown) + html_line(self.note)


def list_models(text: str = "") -> Listing:
    """List the models, baselines and families that are known by name, with the factors of the models.

    Args:
        text: Only those in whose row this occurs, in whatever letter case, e.g. `siglip` or `baseline`.

    Examples:
        >>> import alignbench
        >>> alignbench.list_models("chinese").names
        ['OFA-Sys/chinese-clip-vit-base-patch16']
    """
    table = _containing(known_models(), text)
    shown = table[["name", "kind", *FACTORS]].rename(columns=lambda name: name.replace("_", " "))
    return Listing(table, _written(shown), _joined(_written(shown).iloc[:, 1:]), _MODELS)


def list_datasets(text: str = "") -> Listing:
    """List the data sets: their level, whether they are there, and where to get them.

    Args:
        text: Only those in whose row this occurs, in whatever letter case, e.g. `high`.

    Examples:
        >>> import alignbench
        >>> alignbench.list_datasets("shapes-").names
        ['shapes-low', 'shapes-middle', 'shapes-high', 'shapes-levels', 'shapes-objects']
    """
    table = _containing(known_data_sets(), text)
    shown = table[["name", "level"]].copy()
    shown["there"] = [_place(*row) for row in table[["there", "folder"]].itertuples(index=False)]
    shown["what it is"], shown["where to get it"], shown["terms"] = table["summary"], table["home"], table["terms"]
    return Listing(table, _written(shown), _joined(shown[["level", "there", "what it is"]]), _DATASETS)


def _place(there: bool, folder: object) -> str:
    if not isinstance(folder, str):
        return "with alignbench" if there else "not here"
    return f"in {folder}" if there else f"not in {folder}"


def _containing(rows: list[dict[str, object]], text: str) -> pd.DataFrame:
    """The rows in which a text occurs, as a table; numbers and lists as they are written."""
    table = pd.DataFrame(rows).convert_dtypes()
    texts = _written(table).apply(lambda row: "\n".join(row).lower(), axis=1)
    return table[texts.str.contains(text.lower(), regex=False)].reset_index(drop=True)


def _joined(table: pd.DataFrame) -> list[str]:
    """The texts of each row in one line."""
    return [", ".join(filter(None, row)) for row in table.itertuples(index=False)]


def _written(table: pd.DataFrame) -> pd.DataFrame:
    """Every value as text; what is missing as an empty one."""
    return table.map(lambda value: "" if value is None or value is pd.NA else str(value))
