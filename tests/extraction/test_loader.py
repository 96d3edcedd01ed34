"""Pictures that other processes open and prepare give the same distances."""

from alignbench.arrays import Floats
from alignbench.datasets.judgments import Judgments
from alignbench.models.towers import Tower
from features import check_close
from measured_cells import distances_of


def test_loader_processes_do_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), workers=2), plain)
