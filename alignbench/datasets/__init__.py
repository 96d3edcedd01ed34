"""Human judgments: one file a data set, and the registry of them.

To add a data set, write one file that defines a `DataSet` and add its line here; or, in a package of your own, enter it
in the entry-point group `alignbench.datasets`.
"""

from typing import Final

from alignbench.datasets.judgments import DataSet
from alignbench.registry import Registry

__all__ = ["DATASETS", "DataSet"]

DATASETS: Final[Registry[DataSet]] = Registry(
    "alignbench.datasets",
    "data set",
    {
        "tid2013": "alignbench.datasets.tid2013:TID2013",
        "nights": "alignbench.datasets.nights:NIGHTS",
        "things": "alignbench.datasets.things:THINGS",
        "shapes-low": "alignbench.datasets.shapes:LOW",
        "shapes-middle": "alignbench.datasets.shapes:MIDDLE",
        "shapes-high": "alignbench.datasets.shapes:HIGH",
    },
)
