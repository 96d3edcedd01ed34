"""The data sets that can be measured on: what they are, where to get them, and whether they are there."""

from __future__ import annotations

from alignbench.datasets import DATASETS
from alignbench.datasets.data_set import DataSet


def known_data_sets() -> list[dict[str, object]]:
    """List the data sets: a row for each.

    Returns:
        Rows with the attributes `name`, `level`, `kind`, `summary`, `home`, `terms`, `subsets` and `default_subset` of
        `DataSet`; `package`, the plug-in that it comes from, if it does; `folder`, its usual one, if it has one; and
        `there`, whether that holds something, or it needs no files. Plug-ins that cannot be used are left out with a
        warning.
    """
    return [_row(DATASETS.load(name)) for name in DATASETS.usable()]


def _row(data_set: DataSet) -> dict[str, object]:
    folder = data_set.usual_root()
    return {
        "name": data_set.name,
        "package": DATASETS.plug_in(data_set.name) or None,
        "level": data_set.level,
        "kind": data_set.kind,
        "summary": data_set.summary,
        "home": data_set.home,
        "terms": data_set.terms,
        "subsets": data_set.subsets,
        "default_subset": data_set.default_subset,
        "folder": str(folder) if folder else None,
        "there": data_set.is_there(folder),
    }
