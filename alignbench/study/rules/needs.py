"""What rules need and a study may lack."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.datasets.judgments import LEVELS
from alignbench.results.extent import data_set_title
from alignbench.results.published import PAPER_SUBSETS
from alignbench.study.evidence import UNTESTABLE, Outcome
from alignbench.study.levels import NORMALISED, LevelPanels

MARGIN = 0.05  # scores that are less than five points apart are close, at each level
_PAPER_SETS = dict(zip(LEVELS, PAPER_SUBSETS, strict=True))


def missing(panels: LevelPanels, models: Sequence[str], levels: Sequence[str], baseline: str = "") -> Outcome | None:
    """What a rule lacks that needs the normalised distance of some models at some levels; nothing if all is there.

    Args:
        panels: What there is.
        models: Published names.
        levels: Levels at which each model is needed.
        baseline: The beginning of the name of a baseline that is needed as well; empty for none.
    """
    lacking: dict[str, list[str]] = {}  # data sets by model
    for level in levels:
        panel = panels.get(level)
        known = {*panel.models(NORMALISED)} if panel else set()
        wanted = [model for model in models if model not in known]
        if baseline and not (panel and panel.variants(baseline)):
            wanted.append(baseline)
        for name in wanted:
            lacking.setdefault(name, []).append(data_set_title(panel.dataset if panel else _PAPER_SETS[level]))
    if not lacking:
        return None
    alike: dict[str, list[str]] = {}  # models by data sets
    for model, datasets in lacking.items():
        alike.setdefault(", ".join(datasets), []).append(model)
    needed = "; ".join(f"{', '.join(names)} on {datasets}" for datasets, names in alike.items())
    towers = any(name != baseline for name in lacking)
    return Outcome(UNTESTABLE, f"Needs {needed}{f' (with {NORMALISED})' if towers else ''}.")


def everywhere(panels: LevelPanels) -> list[str]:
    """The paper's models that have scores of the normalised distance at all three levels."""
    if set(panels) != set(LEVELS):
        return []
    scored = [
        {model for model in panel.models(NORMALISED) if panel.curves[model, NORMALISED].is_scored}
        for panel in panels.values()
    ]
    return [model for model in panels["low"].models(NORMALISED) if all(model in some for some in scored)]


NEEDS_A_MODEL = Outcome(
    UNTESTABLE, f"Needs a model of the paper with {NORMALISED} at all three levels (low, middle and high)."
)
