"""What plans are made of: cells, machines, and a small chain of work."""

import numpy as np

from alignbench import Cell
from alignbench.measurement.cost.estimate import Estimate, Machines, Subject, Work, estimate
from alignbench.measurement.cost.rates import Rates, assumed_rates
from alignbench.measurement.cost.workload import read_subject, read_work
from alignbench.models.cost import TowerCost
from alignbench.models.towers import Layer

CARD = "openai/clip-vit-base-patch32"
MEMORY = 4_000_000_000
SLOW = Rates(100.0, 10.0, {".png": 2.0}, 3.0, same_cores=False, link=1000.0, origin="made up")


def planned(cell: Cell, ranks: int = 1) -> Estimate:
    assert cell.batch_size != "auto"
    machines = Machines(ranks, 1, cell.batch_size, cell.feature_memory, assumed_rates("cpu", cell.precision))
    return estimate(read_subject(cell), read_work(cell)[0], machines)


LAYERS = (Layer("layer_0", 2.5, "", 5, 4), Layer("projection", 100.0, "", 1, 2))
TOY = Subject("toy", LAYERS, "all", TowerCost(parameters=10, flops=50, side=8))


def chain(images: int) -> Work:
    pairs = np.stack([np.arange(images - 1), np.arange(1, images)], axis=1)
    return Work("toy", "made up", images, pairs, 1, {".png": images}, 1000)
