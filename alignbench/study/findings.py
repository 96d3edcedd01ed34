"""The findings of the paper, and whether the runs of its models in a study bear them out."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from alignbench.results.extent import data_set_title
from alignbench.results.published import PAPER_SUBSETS
from alignbench.study.evidence import BORNE_OUT, BY_VALUE, UNDECIDED, UNTESTABLE
from alignbench.study.levels import PAPER_MODELS, LevelPanels, build_panels, published_panels
from alignbench.study.statements import STATEMENTS, Statement
from alignbench.study.study import Study

NOT_SO = "not so"
_AT_HIGH = "The paper's high level is about 1,000 distinct triplets of testset1, not the 4.70 million."


@dataclass(frozen=True)
class Finding:
    """One statement of the paper, and how it stands.

    Attributes:
        claim: The statement.
        rule: How it is judged here.
        verdict: `borne out`, `by value only`, `contradicted`, `undecided` or `untestable`, see `evidence`.
        evidence: The numbers that the verdict rests on; may be empty.
        why: What the numbers say, or what is missing.
        published: What the same rule says of the published values, which have no intervals: `by value only`, `not so`
            or `untestable`.
        rests_on: What the verdict rests on.
        aside: What the paper says that does not agree with the statement; empty if nothing.
    """

    claim: str
    rule: str
    verdict: str
    evidence: pd.DataFrame
    why: str
    published: str
    rests_on: str
    aside: str = ""


def judge_findings(study: Study) -> tuple[Finding, ...]:
    """Judge the findings of the paper on its models in a study, and on the published values."""
    ours, theirs = build_panels(study), published_panels()
    return tuple(_judged(statement, study, ours, theirs) for statement in STATEMENTS)


def _judged(statement: Statement, study: Study, ours: LevelPanels, theirs: LevelPanels) -> Finding:
    outcome, published = statement.judge(ours), statement.judge(theirs)
    return Finding(
        statement.claim,
        statement.rule,
        outcome.verdict,
        outcome.evidence,
        outcome.why if outcome.verdict == UNTESTABLE else _condition(statement, study, ours) + outcome.why,
        {BORNE_OUT: BY_VALUE, UNDECIDED: NOT_SO}.get(published.verdict, published.verdict),
        _rests_on(statement, ours),
        statement.aside,
    )


def _condition(statement: Statement, study: Study, panels: LevelPanels) -> str:
    """What is to be said of the runs that were judged, where it is not the paper's way or there were others."""
    parts = _models(panels)
    if {run.protocol for run in study.runs if run.published in PAPER_MODELS} != {"paper"}:
        parts += sorted({f"{panel.protocol} protocol" for panel in panels.values()})
    others = sorted({panel.observers for panel in panels.values()} - {"people"})
    datasets, parts = [panel.dataset for panel in panels.values()], parts + others
    if datasets != list(PAPER_SUBSETS) and not others:
        parts.append(f"on {', '.join(map(data_set_title, datasets))} alone")
    known = [panels[level] for level in statement.levels if level in panels]
    parts += [f"{data_set_title(panel.dataset)}: {panel.part}" for panel in known if panel.part]
    return f"({'; '.join(parts)}) " if parts else ""


def _models(panels: LevelPanels) -> list[str]:
    """How many of the paper's models there are where some lack, and which go by the name of a folder."""
    models = {model for panel in panels.values() for model, _ in panel.curves}
    folders = sorted({label for panel in panels.values() for label in panel.by_folder})
    whole = len(PAPER_MODELS)
    few = [f"{len(models)} of the paper's {whole} models"] if len(models) < whole else []
    return few + [f"{label} taken for the paper's by the name of its folder" for label in folders]


def _rests_on(statement: Statement, panels: LevelPanels) -> str:
    """What a verdict rests on: models, and what was resampled at each level that the statement is about."""
    known = {level: panels[level] for level in statement.levels if level in panels}
    parts = [
        f"{panel.sampled} of {data_set_title(panel.dataset)} ({level})"
        for level, panel in known.items()
        if panel.sampled
    ]
    sampled = f" Resampled: {', '.join(parts)}." if parts else ""
    on_things = "high" in known and known["high"].dataset == "things"
    return f"{statement.rests_on}{sampled}{f' {_AT_HIGH}' if on_things else ''}"
