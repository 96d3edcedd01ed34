"""The report of a study: one page that answers its questions, with everything it needs inside, and no network.

Charts of all runs come first, then what linear readouts reach; tables, findings and factors follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.files import write_whole
from alignbench.report.page.charts import Charts, Section
from alignbench.report.page.plain_tables import Plain, plain
from alignbench.report.page.provenance import provenance
from alignbench.report.page.readouts import collect_readouts
from alignbench.report.page.tables import BestLayer, Differences, Peaks, best_rows, difference_tables
from alignbench.report.page.transforms import NO_TRANSFORMS, Transforms, collect_costs
from alignbench.report.panels import DEPTH, SIMULATED
from alignbench.report.series import TWINS
from alignbench.results.published import SOURCE
from alignbench.study.peaks import peak_depths

if TYPE_CHECKING:
    from alignbench.study.factors import Factor
    from alignbench.study.findings import Finding
from alignbench.study.study import Study

_VERDICTS = {
    **{"borne out": "yes", "by value only": "unsure", "contradicted": "no"},
    **{"undecided": "undecided", "untestable": "open"},
}
_MARKERS = {  # outlines in the legend, around (19, 7)
    "circle": "M19 3a4 4 0 1 1 0 8a4 4 0 1 1 0-8z",
    "square": "M15.5 3.5h7v7h-7z",
    "triangle-up": "M19 2.5 23.5 10.5h-9z",
    "diamond": "M19 2 24 7 19 12 14 7z",
    "triangle-down": "M19 11.5 23.5 3.5h-9z",
    "cross": "M17.3 2.5h3.4v2.8h2.8v3.4h-2.8v2.8h-3.4V8.7h-2.8V5.3h2.8z",
    "x": "M19 5 21.5 2.5 23.5 4.5 21 7 23.5 9.5 21.5 11.5 19 9 16.5 11.5 14.5 9.5 17 7 14.5 4.5 16.5 2.5z",
    "star": "M19 2 20.2 5.4H23.8L20.9 7.6 22 11 19 8.9 16 11 17.1 7.6 14.2 5.4H17.8z",
}


@dataclass(frozen=True)
class _BestTable:
    title: str
    part: str
    score: str
    simulated: bool
    aligned: bool
    published: bool
    rows: list[BestLayer]


@dataclass(frozen=True)
class _FactorPart:
    title: str
    question: str
    section: Section
    notes: tuple[str, ...]
    differs: Plain | None
    tables: list[Differences]


@dataclass(frozen=True)
class _FindingPart:
    claim: str
    rule: str
    verdict: str
    look: str
    why: str
    published: str
    rests_on: str
    aside: str
    evidence: Plain | None


def study_page(
    study: Study,
    factors: Sequence[Factor],
    findings: Sequence[Finding],
    skipped: Sequence[str] = (),
    transforms: Transforms = NO_TRANSFORMS,
) -> str:
    """The page as text; the same study makes the same text.

    Args:
        study: What it is about; without runs, the page is about transforms alone.
        factors: Its factors.
        findings: The findings of the paper in it.
        skipped: A line for each folder that was left out.
        transforms: Learned and judged transforms to show.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    charts = Charts([run.curve for run in study.runs]) if study.runs else None
    of_runs = _of_runs(charts, study, factors, findings) if charts else {"runs": 0, "factors": ()}
    drawn: dict[str, Any] = charts.data() if charts else {"depth": DEPTH, "curves": [], "charts": {}}
    readouts = collect_readouts(transforms.learned, len(drawn["curves"]))
    drawn |= {"curves": [*drawn["curves"], *readouts.curves], "charts": drawn["charts"] | readouts.charts}
    simulated = [panel.dataset for panel in charts.panels if panel.simulated] if charts else []
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template("page.html").render(
        version=version("alignbench"),
        simulated=SIMULATED,
        simulated_sets=list(dict.fromkeys([*simulated, *transforms.simulated])),
        source=SOURCE,
        remarks=study.remarks,
        skipped=skipped,
        transforms=_told(transforms),
        readouts=readouts,
        costs=collect_costs(transforms.judged),
        markers=_MARKERS,
        data=drawn,
        css=_asset("page.css"),
        js=_asset("page.js"),
        plotly=get_plotlyjs(),
        **of_runs,
    )


def _of_runs(charts: Charts, study: Study, factors: Sequence[Factor], findings: Sequence[Finding]) -> dict[str, Any]:
    """What the page says of runs; sections are made here, which puts their charts among the data of the script."""
    parts = [_factor_part(charts, factor) for factor in factors]
    everything = charts.section("everything")
    common, sources = provenance(study.runs)
    return {
        "runs": len(study.runs),
        "outline": _outline(study, charts),
        "best": _best_tables(charts, peak_depths(study)),
        "findings": [_finding_part(finding) for finding in findings],
        "factors": [part for part in parts if part.section.charts],
        "everything": everything,
        "common": common,
        "sources": sources,
    }


def _told(transforms: Transforms) -> str:
    """How many transforms there are."""
    learned, judged = len(transforms.learned), len(transforms.judged)
    folders = f"{_counted(learned, 'folder')} of learned transforms" if learned else ""
    return " and ".join(filter(None, [folders, _counted(judged, "judged transform") if judged else ""]))


def write_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    write_whole(path, text.encode(), "choose another --output")


def _asset(name: str) -> str:
    return files("alignbench").joinpath("report", "assets", name).read_text(encoding="utf-8")


def _outline(study: Study, charts: Charts) -> str:
    """How many runs there are, of how many models, on which data sets, by which protocol."""
    labels = {run.model: run.is_baseline for run in study.runs}
    twins = sum(TWINS in label for label in labels)
    counts = {
        "model": len(labels) - sum(labels.values()) - twins,
        "untrained twin": twins,
        "baseline": sum(labels.values()),
    }
    shown = ", ".join(_counted(count, name) for name, count in counts.items() if count)
    places = ", ".join(f"{panel.title}{f': {panel.part}' if panel.part else ''}" for panel in charts.panels)
    protocols = " and ".join(dict.fromkeys(run.protocol for run in study.runs))
    return f"{_counted(len(study.runs), 'run')} ({shown}) on {places}, by the {protocols} protocol"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _best_tables(charts: Charts, peaks: Peaks) -> list[_BestTable]:
    return [
        _BestTable(
            panel.title,
            panel.part,
            panel.score,
            panel.simulated,
            bool(panel.aligned),
            bool(panel.published),
            best_rows(charts, panel, peaks),
        )
        for panel in charts.panels
    ]


def _factor_part(charts: Charts, factor: Factor) -> _FactorPart:
    of_distances = factor.name == "distance"
    slug = f"factor-{factor.name}"
    labels = None if of_distances else [option.label for option in factor.options]
    section = charts.section(slug, labels, by_distance=of_distances)
    return _FactorPart(
        factor.name.capitalize(),
        factor.question,
        section,
        factor.notes,
        plain(factor.differs) if len(factor.differs) else None,
        difference_tables(factor, section, slug),
    )


def _finding_part(finding: Finding) -> _FindingPart:
    return _FindingPart(
        finding.claim,
        finding.rule,
        finding.verdict,
        _VERDICTS[finding.verdict],
        finding.why,
        finding.published,
        finding.rests_on,
        finding.aside,
        plain(finding.evidence) if len(finding.evidence) else None,
    )
