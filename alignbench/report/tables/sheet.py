"""A table as people read it: texts rounded to three decimals, under a caption, whatever the format of its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from alignbench.files import write_whole
from alignbench.report.tables.latex import latex_table
from alignbench.report.tables.markdown import markdown_table

NOTHING: Final = "-"
TABLES: Final = (".csv", ".md", ".tex")


@dataclass(frozen=True)
class Sheet:
    """A table of texts.

    Attributes:
        title: What it is, in a few words.
        caption: What has to be known to read it, a sentence each.
        header: Names of the columns.
        rows: As many cells a row as there are columns.
        numbers: Names of the columns that hold numbers.
        last: How many rows at the end stand apart.
    """

    title: str
    caption: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[str]
    last: int = 0

    @property
    def told(self) -> str:
        """Title and caption as one paragraph."""
        return " ".join([f"{self.title}.", *self.caption])


def write_table(frame: pd.DataFrame, sheet: Sheet, path: Path) -> None:
    """Write a table; the ending of the path says how.

    Args:
        frame: The numbers in full precision, for `.csv`.
        sheet: The same to be read, for `.md` and `.tex`.
        path: The file, which is whole or not there.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    ending = path.suffix.lower()
    columns = [(name, name in sheet.numbers) for name in sheet.header]
    if ending == ".csv":
        text = frame.to_csv(index=False, lineterminator="\n")
    elif ending == ".md":
        text = markdown_table(sheet.told, columns, sheet.rows)
    else:
        text = latex_table(sheet.told, columns, sheet.rows, sheet.last)
    write_whole(path, text.encode(), "choose another --output")


def number(value: float) -> str:
    """Write a number with three decimals, or a dash where there is none (NaN)."""
    text = f"{value:.3f}"
    return NOTHING if value != value else text.removeprefix("-") if float(text) == 0.0 else text


def with_interval(value: float, low: float, high: float) -> str:
    """Write a score and the ends of its interval, or of a range; the score alone where there are none."""
    known = value == value and low == low and high == high
    return f"{number(value)} [{number(low)}, {number(high)}]" if known else number(value)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, each once: `a, b and c`."""
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last
