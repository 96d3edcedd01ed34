"""Looks at a cell as far as its cost goes: the layers of its model, and the pair graph of its data set.

Neither weights nor pictures are looked at. Without a folder, a data set of the paper has its published shape.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import PurePath
from typing import Final

from PIL import Image

from alignbench.datasets import DATASETS, DataSet
from alignbench.datasets.images import ImageFiles, ImageSource
from alignbench.datasets.judgments import distinct_pairs
from alignbench.datasets.published_shapes import published_shape
from alignbench.errors import UsageError
from alignbench.measurement.cell import Cell
from alignbench.measurement.cost.estimate import Subject, Work
from alignbench.measurement.cost.rates import Rates, measured_rates
from alignbench.measurement.protocol import fold_of_pairs, leaves_one_out, load_judgments
from alignbench.models.cost import tower_cost
from alignbench.models.families import check_name, load_tower, skeleton
from alignbench.models.layer_choice import choose_layers
from alignbench.models.pair_metrics import METRICS
from alignbench.models.towers import check_view

_TRIAL: Final = 16  # pictures of each format that a trial decodes


def read_subject(cell: Cell) -> Subject:
    """Look at the model of a cell as far as its cost goes.

    Raises:
        UsageError: If there is no such model, it is a baseline, or it is known only once it is loaded; or if a
            transform does not belong to it.
        ModelError: If its configuration is not on this machine.
    """
    if cell.is_metric:
        raise UsageError(f"{cell.model} is a baseline, whose cost is that of decoding: there is no plan for it")
    check_name(cell.model, METRICS.names())
    tower = skeleton(cell.model, protocol=cell.protocol)
    cost, layers = tower_cost(tower), choose_layers(tower, cell.layers)
    check_view(tower, cell.tokens, layers)
    if cell.transform is not None:
        from alignbench.transforms.aligned_layer import planned_layers

        layers = planned_layers(layers, cell.transform, cell.model)
    return Subject(cell.name, layers, cell.tokens, cost)


def read_work(cell: Cell) -> tuple[Work, ImageSource | None]:
    """Look at what the data set of a cell asks of a model; also gives its pictures if it is on disk or packaged.

    Pictures that are the same file twice count as two.

    Raises:
        UsageError: If there is no such subset, or it has no published shape and no folder is given.
        DataError: If the judgments are missing or malformed.
    """
    data_set = DATASETS.load(cell.dataset)
    folds = leaves_one_out(cell, data_set)
    if cell.data_root is None and not data_set.packaged:
        shape = published_shape(cell.dataset, cell.subsets, cell.protocol)
        if shape is not None:
            count = 1 if shape.references is None or not folds else int(shape.references.max()) + 1
            size = None if shape.picture_bytes is None else shape.images * shape.picture_bytes
            source, pictures = "published shape, no files looked at", {shape.suffix: shape.images}
            return Work(cell.dataset, source, shape.images, shape.pairs, count, pictures, size), None
    return _work_on_disk(cell, data_set, folds)


def _work_on_disk(cell: Cell, data_set: DataSet, leaves_out: bool) -> tuple[Work, ImageSource]:
    """Read the judgments and look at the sizes of picture files, but into none of them."""
    judgments = load_judgments(cell, data_set)
    fold = fold_of_pairs(judgments) if leaves_out else None
    distinct = distinct_pairs(judgments.pairs, judgments.images.names, fold)
    images = judgments.images
    source = str(cell.data_root) if cell.data_root else "packaged"
    pictures, size = Counter[str](), None
    if isinstance(images, ImageFiles):
        files = [images.picture_file(index) for index in range(len(images.names))]
        pictures = Counter(file.suffix.lower() for file in files)
        sizes = [os.stat(file).st_size for file in files if file.is_file()]
        size = sum(sizes)
        if len(sizes) < len(files):
            source += f", {len(files) - len(sizes):,} of {len(files):,} pictures are missing"
    folds = 1 if fold is None else int(fold.max()) + 1
    return Work(cell.dataset, source, len(distinct.images), distinct.pairs, folds, pictures, size), images


def rates_here(cell: Cell, subject: Subject, images: ImageSource | None) -> Rates:
    """Measure this machine by a short trial: random weights are made, and a few pictures decoded if there are any."""
    tower = load_tower(cell.model, random_init=True, protocol=cell.protocol)
    some: dict[str, list[Callable[[], Image.Image]]] = {}
    if isinstance(images, ImageFiles):
        for index, name in enumerate(images.names):
            opens = some.setdefault(PurePath(name).suffix.lower(), [])
            if len(opens) < _TRIAL:
                opens.append(partial(images.open, index))
    assert cell.batch_size != "auto"
    return measured_rates(tower, subject.cost, cell.precision, cell.batch_size, some)
