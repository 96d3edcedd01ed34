"""The probabilities that a teacher learns: how likely people keep each pair of a triplet.

`embedding`: the posterior predictive of a probabilistic embedding that is learned on the triplets of the fold alone;
`frequencies`: how often each pair was kept where a triplet was judged again and again; `hard`: one judgment as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from alignbench.alignet.embedding_training import EmbeddingRecipe, learn_embedding
from alignbench.arrays import Floats, Indices
from alignbench.datasets.things import distinct_triplets
from alignbench.errors import DataError, UsageError, unknown
from alignbench.transforms.learning.folds import SoftTriplets

KINDS: Final = ("embedding", "frequencies", "hard")
_LARGEST: Final = 1e6


@dataclass(frozen=True)
class TeacherTargets:
    """How the probabilities are made; it is a `SoftTargets`.

    Attributes:
        kind: `embedding`, `frequencies` or `hard`.
        pseudo_count: For `frequencies`: judgments that are added to those of each pair of a triplet. All triplets are
            learned by one transform, so that much of it makes that too unsure; `benchmarks/soft_teachers.py` says how.
        fewest_judgments: For `frequencies`: judgments that a triplet needs; those with fewer are left out.
        embedding: For `embedding`: how it is learned.
        saw_test: Whether the triplets are those that models are tested on; it marks what is learned from them.
    """

    kind: str = "embedding"
    pseudo_count: float = 0.05
    fewest_judgments: int = 2
    embedding: EmbeddingRecipe = field(default_factory=EmbeddingRecipe)
    saw_test: bool = False

    def checked(self) -> TeacherTargets:
        """The targets, if everything in them is possible.

        Raises:
            UsageError: If something in them is not, or belongs to another kind.
        """
        if self.kind not in KINDS:
            raise unknown("kind of targets", self.kind, KINDS)
        if not 0.0 <= self.pseudo_count <= _LARGEST:
            raise UsageError(f"pseudo-count {self.pseudo_count} is not between 0 and {_LARGEST:,.0f}")
        if self.fewest_judgments < 1:
            raise UsageError(f"fewest judgments {self.fewest_judgments} are below 1")
        own = TeacherTargets()
        if self.kind != "frequencies" and (self.pseudo_count, self.fewest_judgments) != (
            own.pseudo_count,
            own.fewest_judgments,
        ):
            raise UsageError(
                f"--pseudo-count and --fewest-judgments go with --targets frequencies, not with {self.kind}: "
                "leave them out"
            )
        if self.kind != "embedding" and replace(self.embedding, seed=own.embedding.seed) != own.embedding:
            raise UsageError(
                f"--dimensions and --draws go with --targets embedding, not with {self.kind}: leave them out"
            )
        return replace(self, embedding=self.embedding.checked())

    def settings(self) -> Mapping[str, Any]:
        """Return everything of them that can change a number."""
        common = {"kind": self.kind, "saw_test": self.saw_test}
        if self.kind == "frequencies":
            return common | {"pseudo_count": self.pseudo_count, "fewest_judgments": self.fewest_judgments}
        return common | ({"embedding": asdict(self.embedding)} if self.kind == "embedding" else {})

    def of(self, train: Indices) -> tuple[SoftTriplets, Mapping[str, Any]]:
        """Make them from the triplets that train a fold, see `SoftTargets`.

        Raises:
            DataError: If no triplet was judged often enough, or the triplets carry no embedding.
        """
        about: dict[str, Any] = {}
        triplets = train
        if self.kind == "embedding":
            learned = learn_embedding(train, self.embedding)
            embedding, recipe = learned.embedding, self.embedding
            targets = embedding.probabilities(train, recipe.draws, recipe.seed)
            about = {"dimensions": embedding.dimensions, "negative_elbo": learned.negative_elbo, "steps": learned.steps}
        elif self.kind == "frequencies":
            targets, judgments = choice_frequencies(train, self.pseudo_count)
            kept = judgments >= self.fewest_judgments
            if not kept.any():
                raise DataError(
                    f"no triplet of a training fold was judged {self.fewest_judgments} times (the most is "
                    f"{int(judgments.max())}): use --targets embedding, or lower --fewest-judgments"
                )
            triplets, targets = train[kept], targets[kept]
        else:
            targets = np.tile([1.0, 0.0, 0.0], (len(train), 1))
        about |= {"triplets": len(triplets), "left_out": len(train) - len(triplets), "entropy": mean_entropy(targets)}
        return SoftTriplets(triplets, targets), about


def choice_frequencies(triplets: Indices, pseudo_count: float) -> tuple[Floats, Indices]:
    """How often each pair of a triplet was kept, over all its judgments.

    Args:
        triplets: Judgments, (t, 3), the odd one last; repeats of a triplet may have it in other orders.
        pseudo_count: Judgments that are added to those of each pair: the mean of the posterior under a symmetric
            Dirichlet prior.

    Returns:
        Shares of the pairs (i, j), (i, k) and (j, k) of each row, (t, 3), and how many judgments its triplet has, (t,).
    """
    number = distinct_triplets(triplets)[:, 0]
    places = triplets.argsort(axis=1).argsort(axis=1)  # of each object among the three in ascending order
    counts = np.zeros((int(number.max()) + 1, 3))
    np.add.at(counts, (number, places[:, 2]), 1.0)  # by the place of the odd one
    shares = (counts + pseudo_count) / (counts.sum(axis=1, keepdims=True) + 3.0 * pseudo_count)
    odd = places[:, ::-1]  # who is odd where (i, j), (i, k) and (j, k) are kept: k, j and i
    return shares[number[:, None], odd], counts.sum(axis=1).astype(np.int64)[number]


def mean_entropy(probabilities: Floats) -> float:
    """Mean entropy in nats of rows of probabilities, (t, 3): 0 of one-hot ones, ln 3 = 1.099 of even ones."""
    logs = np.log(np.where(probabilities > 0.0, probabilities, 1.0))
    return float(np.abs((probabilities * logs).sum(axis=1).mean()))  # no -0
