"""AligNet: a model is taught the structure of human similarity, from judgments over a teacher to a student.

Muttenthaler, Greff, Born et al., "Aligning machine and human visual representations across abstraction levels"
(Nature 647, 2025). Each stage is a module or folder, leaves a folder of its own, and can be used alone:

    teacher -> clusters of its features -> triplets of pictures -> its similarities as labels -> a student -> judged
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

_PLACES: Final = {  # what is public, and the module that it comes from, which is imported when it is asked for
    "learn_teacher": "teacher",
    "checked_targets": "teacher",
    "TeacherTargets": "soft_targets",
    "triplet_loss": "objective",
    "last_is_odd": "objective",
    "TowardsStart": "towards_start",
    "warmup_cosine": "towards_start",
    "train_student": "training.run",
    "StudentJob": "training.run",
    "StudentRecipe": "training.recipe",
    "sample_triplets": "sampling",
    "kmeans": "k_means",
    "evaluate_student": "evaluation.run",
    "Chain": "chain",
    "ChainSettings": "chain",
}

__all__ = list(_PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
