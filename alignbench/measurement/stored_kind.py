"""Features that exist as a kind of source: what a run must know of them, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.datasets import DATASETS
from alignbench.errors import ModelError, UsageError
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.source_kinds import SourceNotes, SourceView

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.extraction.source import Source
    from alignbench.transforms.named import NamedTransform


def check_there(path: Path) -> None:
    """Refuse a path at which nothing is.

    Raises:
        ModelError: If nothing is there, or it may not be looked at.
    """
    try:
        there, why = path.exists(), ""
    except OSError as error:
        there, why = False, f" ({error.strerror})"
    if not there:
        raise ModelError(f"{path} is not there{why}: check the path of the features")


@dataclass(frozen=True)
class StoredKind:
    """Features in a file or a folder; methods as in `SourceKind`.

    They are measured by one process, as baselines are. How pictures were resized, and in which precision a tower ran,
    was settled when they were made.

    Attributes:
        path: The file or folder.
    """

    path: Path

    def check(self, cell: Cell) -> None:
        """See `SourceKind.check`."""
        check_there(self.path)

    def processes(self, cell: Cell) -> tuple[int, int]:
        """See `SourceKind.processes`."""
        return 1, 1

    def has_channel_means(self, cell: Cell) -> bool:
        """See `SourceKind.has_channel_means`."""
        return "normalized_euclidean" in cell.distances

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        """Refuse: no picture is prepared.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{cell.model} holds features already, and prepares no pictures: leave it out")

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        """See `SourceKind.load`; everything is read once.

        Raises:
            DataError: If they cannot be read.
            UsageError: If they lack a layer, or cannot be had in the token view, or the transform does not fit.
        """
        from alignbench.extraction.feature_source import FeatureSource, layers_of, stored_view
        from alignbench.extraction.stored_features import open_features

        whole = open_features(self.path)
        fingerprint = whole.fingerprint()
        stored = whole.only(cell.layers)
        selection = None if stored.layers == whole.layers else tuple(layer.name for layer in stored.layers)
        view = stored_view(stored, cell.tokens)
        layers = layers_of(stored)
        if transform is not None:
            from alignbench.transforms.aligned_layer import Use, check_selected, with_aligned_features

            check_selected(transform, selection)
            use = Use(cell.model, view, force=cell.force_transform)
            layers = with_aligned_features(layers, transform, stored.origin, use)
        concept = DATASETS.load(cell.dataset).concept
        return FeatureSource(stored, fingerprint, view, layers, concept, selection)

    def checks_precision(self, cell: Cell) -> bool:
        """See `SourceKind.checks_precision`."""
        return False

    def view(self, cell: Cell, source: Source) -> SourceView:
        """See `SourceKind.view`; the view and the precision are those in which the features were made."""
        from alignbench.extraction.feature_source import FeatureSource

        assert isinstance(source, FeatureSource)
        precision = source.stored.origin.get("precision", "fp32")
        return SourceView(cell.distances, source.view, cell.resize, precision)

    def notes(self, cell: Cell, source: Source) -> SourceNotes:
        """See `SourceKind.notes`; what a stored projection is, nobody knows."""
        return SourceNotes()
