"""Which folders the stages of `alignbench interpret` leave: what tells each of them, and where they lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alignbench.results import head_ablations, head_alignment, head_differences, head_labels, head_scores, head_texts
from alignbench.results.folders import find_folders

STORE: Final = "heads.json"
SEARCH: Final = "search.json"
PROBES: Final = "probes.csv"
_RECORDS: Final = (
    *(STORE, SEARCH, PROBES, head_differences.RECORD, head_texts.RECORD, head_scores.RECORD),
    *(head_ablations.RECORD, head_alignment.RECORD),
)


def holds_stages(place: Path) -> bool:
    """Whether a place is a folder of any stage, or holds one."""
    return any(find_folders(record, [place]) for record in _RECORDS) or bool(find_labels([place]))


def find_labels(places: Iterable[Path]) -> list[Path]:
    """Folders of labels, among or directly below some places; AligNet's labels have a record of that name too."""
    return [folder for folder in find_folders(head_labels.RECORD, places) if head_labels.is_labelled(folder)]


def once(folders: Iterable[Path]) -> list[Path]:
    """Return each folder once, however it was named."""
    return list(dict.fromkeys(folder.resolve() for folder in folders))
