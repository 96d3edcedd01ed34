"""A whole job of AligNet as far as its cost goes: its models, without their weights, and how much there is of what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from alignbench.alignet.activations import activation_bytes
from alignbench.alignet.k_means import check_clusters
from alignbench.alignet.training.recipe import StudentRecipe
from alignbench.errors import UsageError
from alignbench.models.cost import TowerCost, tower_cost
from alignbench.models.families import check_name, skeleton
from alignbench.models.layer_names import PROJECTION
from alignbench.models.pair_metrics import METRICS

_MOST: Final = 10**12  # beyond which a number is a slip


@dataclass(frozen=True)
class PlannedModel:
    """A model as far as its cost at its projection goes.

    Attributes:
        name: Its name.
        cost: Cost of its forward pass.
        width: Numbers of a picture at its projection.
        activations: Bytes that a step of training keeps of each picture in float32, see `activation_bytes`.
    """

    name: str
    cost: TowerCost
    width: int
    activations: int

    @classmethod
    def named(cls, name: str) -> PlannedModel:
        """Look at a model without its weights.

        Args:
            name: Its name, as for `alignbench plan`.

        Raises:
            UsageError: If there is no such model, it is a baseline, or it has no projection.
            ModelError: If its configuration is not on this machine.
        """
        if name in METRICS.names():
            raise UsageError(f"{name} is a baseline, which has no features: choose a model")
        check_name(name, METRICS.names())
        tower = skeleton(name, protocol="corrected")
        widths = [layer.channels for layer in tower.layers if layer.name == PROJECTION]
        if not widths:
            raise UsageError(f"{name} has no pooled output (projection), which AligNet starts from: choose another")
        cost = tower_cost(tower)
        return cls(name, cost, widths[0], activation_bytes(tower, cost.side))


@dataclass(frozen=True)
class PlannedJob:
    """A whole job.

    Attributes:
        teacher: The model whose features the teacher's transform takes, which keeps their width.
        student: The model that is taught.
        images: Pictures.
        triplets: Triplets.
        clusters: Clusters of k-means.
        iterations: Its iterations.
        recipe: How the student is trained.
        suffix: Suffix of the picture files.
    """

    teacher: PlannedModel
    student: PlannedModel
    images: int = 1_281_167
    triplets: int = 10_000_000
    clusters: int = 500
    iterations: int = 300
    recipe: StudentRecipe = field(default_factory=lambda: StudentRecipe(precision="bf16"))
    suffix: str = ".jpg"

    def checked(self) -> PlannedJob:
        """Check that such a job is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        check_sizes(self.images, self.triplets, self.clusters, self.iterations)
        self.recipe.checked()
        return self


def check_sizes(images: int, triplets: int, clusters: int, iterations: int) -> None:
    """Refuse sizes of a job that cannot be.

    Args:
        images: Pictures.
        triplets: Triplets.
        clusters: Clusters of k-means.
        iterations: Its iterations.

    Raises:
        UsageError: If one cannot be; names the option.
    """
    counts = {"--images": (images, 3), "--triplets": (triplets, 1), "--iterations": (iterations, 1)}
    for option, (count, least) in counts.items():
        if not least <= count <= _MOST:
            raise UsageError(f"{option} {count:,} is out of range: give {least} to {_MOST:,}")
    check_clusters(clusters, images)
