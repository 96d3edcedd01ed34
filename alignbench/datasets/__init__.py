"""Human judgments: one file a data set, and the registry of them.

To add a data set, write one file that defines a `DataSet` and add its line here; or, in a package of your own, enter it
in the entry-point group `alignbench.datasets`. The other names here are what such a file is made of.
"""

from typing import Final

from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.images import FileImages, ImageSource
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.plugins import Registry

__all__ = [
    "DATASETS",
    "Corrected",
    "DataSet",
    "FileImages",
    "ImageSource",
    "Judgments",
    "Subset",
    "root_folder",
    "unique_pairs",
]


def _fault(name: str, candidate: object) -> str:
    """Say what keeps an object from being the data set of that name; empty if nothing does."""
    if not isinstance(candidate, DataSet):
        return f"it is a {type(candidate).__name__} and not a DataSet"
    return "" if candidate.name == name else f"it calls itself '{candidate.name}'"


DATASETS: Final[Registry[DataSet]] = Registry(
    "alignbench.datasets",
    "data set",
    {
        "tid2013": "alignbench.datasets.tid2013:TID2013",
        "kadid10k": "alignbench.datasets.kadid10k:KADID10K",
        "bapps": "alignbench.datasets.bapps:BAPPS",
        "nights": "alignbench.datasets.nights:NIGHTS",
        "things": "alignbench.datasets.things:THINGS",
        "levels": "alignbench.datasets.levels:LEVELS",
        "cichy2019": "alignbench.datasets.rated_pairs:CICHY2019",
        "king2019": "alignbench.datasets.rated_pairs:KING2019",
        "peterson": "alignbench.datasets.rated_pairs:PETERSON",
        "shapes-low": "alignbench.datasets.shapes:LOW",
        "shapes-middle": "alignbench.datasets.shapes:MIDDLE",
        "shapes-high": "alignbench.datasets.shapes:HIGH",
        "shapes-levels": "alignbench.datasets.shapes_levels:LEVELS",
        "shapes-objects": "alignbench.datasets.shapes_levels:OBJECTS",
    },
    _fault,
)
"""The data sets by name, the package's own and those of plug-ins; `DATASETS.load(name)` gives a `DataSet`."""
