"""Heads of the same label, taken together: the groups that a folder of labels makes of a store's heads."""

from __future__ import annotations

from pathlib import Path

from alignbench.errors import DataError, unknown
from alignbench.interpret.head_names import Head
from alignbench.interpret.labelling.labelling import read_labels
from alignbench.interpret.store import HeadStore


def label_groups(folder: Path, store: HeadStore, label: str | None = None) -> dict[str, tuple[Head, ...]]:
    """Group the heads of a store by their labels; those without a label are in no group.

    Args:
        folder: A folder of labels, as `interpret label` leaves them.
        store: The contributions that the labels are of.
        label: The one label that is wanted.

    Returns:
        The heads of each label, by ascending names.

    Raises:
        UsageError: If no head has the label.
        DataError: If the folder is none, is of other contributions, or labels no head.
    """
    found = read_labels(folder)
    if found.record["settings"]["span"].get("heads") != store.record["settings"]:
        raise DataError(f"{folder} has labels of heads of other contributions than {store.folder}: label those heads")
    groups: dict[str, list[Head]] = {}
    for row in found.table.itertuples(index=False):
        if row.label:
            groups.setdefault(str(row.label), []).append((int(row.layer), int(row.head)))
    if not groups:
        raise DataError(f"{folder} labels no head: give heads by --group")
    if label is not None and label not in groups:
        raise unknown("--label", label, groups)
    return {name: tuple(sorted(groups[name])) for name in sorted(groups) if label in (None, name)}
