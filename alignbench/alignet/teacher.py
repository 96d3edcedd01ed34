"""The first stage: an affine transform of a layer, learned from how likely people keep each pair of a triplet.

Uncertainty distillation (Muttenthaler, Greff, Born et al., Nature 2025): mean KL(p || q) over triplets plus the
identity penalty, on top of all that `transforms.learning` does. What stops it, and what judges it, are raw choices
among held-out objects, never its own targets.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignbench.alignet.soft_targets import TeacherTargets
from alignbench.errors import UsageError
from alignbench.transforms.learning.run import LearningConfig, learn_transforms

if TYPE_CHECKING:
    import pandas as pd

    from alignbench.extraction.features import ReadyTower
    from alignbench.transforms.learning.bases import LearningBase
    from alignbench.transforms.learning.folder import Destination
    from alignbench.transforms.learning.progress import LearningListener


_FOR_LEARNING: Final = ("train", "validation", "calibration")  # what the names of such subsets begin with


def is_test(subset: str) -> bool:
    """Whether models may be tested on a subset, such as `testset1` or `all`: by its name it is not for learning."""
    return not subset.startswith(_FOR_LEARNING)


def checked_targets(job: LearningConfig, targets: TeacherTargets, allow_test: bool = False) -> TeacherTargets:
    """Settle before anything is read whether a teacher sees triplets that models are tested on.

    Args:
        job: What is learned, and on what.
        targets: How the probabilities are made.
        allow_test: Whether such triplets are taken, and what is learned from them marked.

    Raises:
        UsageError: If they are not, or the targets are impossible.
    """
    tested = [subset for subset in job.subsets if is_test(subset)]
    if tested and not allow_test:
        raise UsageError(
            f"subset {tested[0]} of {job.dataset} is taken for one that models are tested on, since its name begins "
            f"with none of {', '.join(_FOR_LEARNING)}: learn from another, or by "
            "`alignbench alignet teacher --allow-test-triplets`, which marks the teacher and all that comes from it"
        )
    seeded = replace(targets.embedding, seed=job.recipe.seed)
    return replace(targets, embedding=seeded, saw_test=bool(tested)).checked()


def learn_teacher(
    job: LearningConfig,
    base: ReadyTower | LearningBase,
    targets: TeacherTargets,
    destination: Destination[pd.DataFrame],
    listener: LearningListener | None = None,
) -> tuple[Path, bool]:
    """Learn a teacher, unless it is finished.

    Args:
        job: What to learn, and on what; of its recipe the objective is `soft`.
        base: A model, or features that exist.
        targets: How the probabilities are made, as `checked_targets` gives them.
        destination: Where the folder goes.
        listener: Hears of the progress.

    Returns:
        The folder, and whether it was finished before.

    Raises:
        AlignbenchError: As `learn_transforms`.
    """
    soft = replace(job, recipe=replace(job.recipe, objective="soft"))
    return learn_transforms(soft, base, destination, listener, targets)
