"""The folders that other stages have left of the heads of a store; those of other heads are passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from pandas.api.types import is_integer_dtype

from alignbench.errors import DataError, printable
from alignbench.results import head_alignment, head_differences, head_labels, head_scores, head_texts
from alignbench.results.folders import find_folders
from alignbench.results.head_stages import find_labels, once

if TYPE_CHECKING:
    from alignbench.interpret.store import HeadStore

_OTHER_PICTURES: Final = "it is of other contributions than this store"
_OTHER_MODEL: Final = "it is of another model than this store"


@dataclass(frozen=True, eq=False)
class HeadFolder:
    """What a stage has left of the heads of a store.

    Attributes:
        name: Name of the folder.
        record: Its record.
        table: Its table; of an alignment the rows that are shown.
        judged: Of scores, the texts that the judge was asked about.
    """

    name: str
    record: Mapping[str, Any]
    table: pd.DataFrame
    judged: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that could change a number of it."""
        return dict(self.record["settings"])


@dataclass(frozen=True)
class HeadFolders:
    """The folders of a store.

    Attributes:
        alignments: Scores of its model's heads, of whatever pictures.
        differences: Between its model's heads and another's.
        spans: Texts that span its heads.
        labels: Labels of its heads.
        scores: Scores of such labels.
        notes: What was passed over, and why: a line each.
    """

    alignments: tuple[HeadFolder, ...]
    differences: tuple[HeadFolder, ...]
    spans: tuple[HeadFolder, ...]
    labels: tuple[HeadFolder, ...]
    scores: tuple[HeadFolder, ...]
    notes: tuple[str, ...]


def head_folders(store: HeadStore, places: Sequence[Path] = ()) -> HeadFolders:
    """Read what lies beside a store, or in other places.

    Args:
        store: The contributions.
        places: Folders of stages, or folders of these; none for the folder in which the store lies.

    Returns:
        The folders of this store and its model. What is damaged, of other heads, or there a second time has a note.

    Raises:
        DataError: If a place is no folder.
    """
    reader = _Reader(store, [])
    for place in places:
        if not place.is_dir():
            raise DataError(
                f"{place} is no folder: name folders that `alignbench interpret` has left, or where they lie"
            )
    where = once(places or [store.folder.parent])
    return HeadFolders(
        alignments=reader.read(find_folders(head_alignment.RECORD, where), reader.alignment),
        differences=reader.read(find_folders(head_differences.RECORD, where), reader.difference),
        spans=reader.read(find_folders(head_texts.RECORD, where), reader.span),
        labels=reader.read(find_labels(where), reader.label),
        scores=reader.read(find_folders(head_scores.RECORD, where), reader.score),
        notes=tuple(reader.notes),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads folders of one store, and notes why others are passed over."""

    store: HeadStore
    notes: list[str]

    def read(self, folders: Sequence[Path], read: Callable[[Path], HeadFolder]) -> tuple[HeadFolder, ...]:
        """Read the folders of a kind, each result once."""
        found: list[HeadFolder] = []
        for folder in once(folders):
            try:
                each = read(folder)
            except DataError as error:
                self.notes.append(printable(f"{folder.name} is left out: {_without_place(str(error), folder)}"))
                continue
            twin = next((other for other in found if other.settings == each.settings), None)
            if twin is None:
                found.append(each)
            else:
                self.notes.append(printable(f"{folder.name} is left out: it has the settings of {twin.name}"))
        return tuple(found)

    def alignment(self, folder: Path) -> HeadFolder:
        """Read the scores of a model's heads."""
        table, _, record = head_alignment.read_head_alignment(folder)
        self._check_model(record["settings"].get("heads"))
        shown = head_alignment.own_scores(table)
        self._check_heads(shown[shown["kind"] == "head"], ("way", *head_alignment.PLACE))
        return HeadFolder(folder.name, record, shown)

    def difference(self, folder: Path) -> HeadFolder:
        """Read how heads differ from another's; the store's model may be the first or the second."""
        record, table = head_differences.read_comparison(folder)
        both = [_object(record["settings"], name) for name in ("first", "second")]
        if not any(self._is_model(each.get("heads")) for each in both):
            raise DataError(_OTHER_MODEL)
        heads = table[table["kind"] == "head"]
        self._check_heads(heads, ("way", *head_alignment.PLACE))
        return HeadFolder(folder.name, record, heads)

    def span(self, folder: Path) -> HeadFolder:
        """Read the texts that span heads."""
        record, table = head_texts.read_span(folder)
        self._check_store(record["settings"].get("heads"))
        self._check_heads(table, ("pick",))
        if (table["explained_variance"] < 0).any():
            raise DataError("explained_variance holds a number below 0")
        return HeadFolder(folder.name, record, table)

    def label(self, folder: Path) -> HeadFolder:
        """Read labels of heads."""
        record, table = head_labels.read_label_table(folder)
        self._check_store(record["settings"]["span"].get("heads"))
        self._check_heads(table, ())
        return HeadFolder(folder.name, record, table)

    def score(self, folder: Path) -> HeadFolder:
        """Read scores of labelled heads, and what the judge has said of their texts."""
        record, _ = head_scores.read_scores(folder)
        heads, judged = head_scores.read_head_rows(folder), head_scores.read_judged_texts(folder)
        self._check_store(record["settings"]["labels"]["span"].get("heads"))
        self._check_heads(heads, ())
        self._check_heads(judged, ("pick",))
        if not heads["first_agreeing"].dropna().between(0, 5).all():
            raise DataError("first_agreeing holds a number that is none of five texts")
        return HeadFolder(folder.name, record, heads, judged)

    def _check_store(self, heads: object) -> None:
        if heads != self.store.record["settings"]:
            raise DataError(_OTHER_PICTURES if self._is_model(heads) else _OTHER_MODEL)

    def _check_model(self, heads: object) -> None:
        if not self._is_model(heads):
            raise DataError(_OTHER_MODEL)

    def _is_model(self, heads: object) -> bool:
        """Whether settings of a store are of this store's model."""
        name = "model_fingerprint"
        own = self.store.record["settings"].get(name)
        return isinstance(heads, dict) and own is not None and heads.get(name) == own

    def _check_heads(self, table: pd.DataFrame, among: Sequence[str]) -> None:
        """Check that each row is of another head of the model, or of another thing of a head."""
        keys = ["layer", "head", *among]
        numbers = [name for name in keys if name in ("layer", "head", "pick")]
        if len(table) and not all(is_integer_dtype(table[name]) for name in numbers):
            raise DataError(f"{', '.join(numbers)} hold what is no whole number")
        shape = self.store.shape
        fits = table["layer"].between(1, shape.blocks) & table["head"].between(0, shape.heads - 1)
        if not fits.all():
            raise DataError("it has a head that the model has not")
        if table.duplicated(keys).any():
            raise DataError("it has a head twice")


def heads_in(table: pd.DataFrame) -> Iterator[tuple[tuple[int, int], Any]]:
    """Go through the rows of a table of heads: layer and head, and the row."""
    for row in table.itertuples(index=False):
        yield (int(row.layer), int(row.head)), row


def _object(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name)
    if not isinstance(found, dict):
        raise DataError(f"its settings do not say what its {name} is")
    return found


def _without_place(text: str, folder: Path) -> str:
    """What is said of a folder without where it lies, which is nobody's business who sees the page."""
    return text.replace(f"{folder.parent}/", "")
