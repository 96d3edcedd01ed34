"""The report of a study: one page that answers its questions, with everything it needs inside, and no network.

The answer comes first, then the user's own models, the curves of all runs, the best layers, the other factors, the
findings of the paper, what transforms reach and cost, what a taught model gained, what heads say, which of them agree
with people, what models do without them, and where all of it is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.errors import counted
from alignbench.files import write_whole
from alignbench.report.page.charts import Charts, Section
from alignbench.report.page.gains import collect_gains
from alignbench.report.page.head_ablations import collect_ablations
from alignbench.report.page.head_levels import collect_levels
from alignbench.report.page.head_reading import NO_HEADS, ShownHeads
from alignbench.report.page.head_texts import collect_said
from alignbench.report.page.heads import collect_heads
from alignbench.report.page.plain_tables import Plain, plain
from alignbench.report.page.provenance import provenance
from alignbench.report.page.readouts import collect_readouts
from alignbench.report.page.swatches import MARKERS
from alignbench.report.page.tables import BestLayer, Differences, best_rows, difference_tables
from alignbench.report.page.transforms import NO_TRANSFORMS, Transforms, collect_costs
from alignbench.report.panels import DEPTH, SIMULATED, Panel
from alignbench.report.series import TWINS
from alignbench.results.head_alignment import CAVEAT
from alignbench.results.published import SOURCE
from alignbench.study.evidence import BORNE_OUT, BY_VALUE, CONTRADICTED, UNDECIDED, UNTESTABLE
from alignbench.study.peaks import Peaks, peak_depths

if TYPE_CHECKING:
    from alignbench.study.factors import Factor
    from alignbench.study.findings import Finding
from alignbench.study.study import Study
from alignbench.study.summary import summarise

_VERDICTS = {
    **{BORNE_OUT: "yes", BY_VALUE: "unsure", CONTRADICTED: "no"},
    **{UNDECIDED: "undecided", UNTESTABLE: "open"},
}


@dataclass(frozen=True)
class Beside:
    """What a page shows beside runs.

    Attributes:
        skipped: A line for each folder that was left out.
        transforms: Learned and judged transforms.
        heads: What heads say, which of them agree with people, and what models do without them.
        published: Published models whose curves are to stand beside those of the runs, see `find_published`.
    """

    skipped: Sequence[str] = ()
    transforms: Transforms = NO_TRANSFORMS
    heads: ShownHeads = NO_HEADS
    published: Sequence[str] = ()


_NOTHING = Beside()


@dataclass(frozen=True)
class _BestTable:
    title: str
    part: str
    score: str
    simulated: bool
    aligned: bool
    published: bool
    judgments: str
    rows: list[BestLayer]


@dataclass(frozen=True)
class _FactorPart:
    title: str
    own: bool
    question: str
    section: Section
    known: bool
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


def study_page(study: Study, factors: Sequence[Factor], findings: Sequence[Finding], beside: Beside = _NOTHING) -> str:
    """The page as text; the same study makes the same text.

    Args:
        study: What it is about; without runs, the page is about what is beside them alone.
        factors: Its factors.
        findings: The findings of the paper in it.
        beside: What else it shows.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from plotly.offline import get_plotlyjs

    transforms = beside.transforms
    charts = Charts([run.curve for run in study.runs], beside.published) if study.runs else None
    of_runs = (
        _of_runs(charts, study, factors, findings)
        if charts
        else {"runs": 0, "factors": (), "owned": 0, "of_simulated": False}
    )
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
        simulated_sets=list(dict.fromkeys([*simulated, *transforms.simulated, *beside.heads.simulated])),
        source=SOURCE,
        remarks=study.remarks,
        skipped=beside.skipped,
        transforms=_told(transforms),
        readouts=readouts,
        costs=collect_costs(transforms.judged),
        taught=_taught(transforms),
        gains=collect_gains(transforms.taught),
        heads=collect_heads(beside.heads.folders),
        head_levels=collect_levels(beside.heads),
        said=collect_said(beside.heads),
        ablations=collect_ablations(beside.heads.ablations),
        caveat=CAVEAT,
        markers=MARKERS,
        data=drawn,
        css=_asset("page.css"),
        js=_asset("page.js"),
        plotly=get_plotlyjs(),
        **of_runs,
    )


def _of_runs(charts: Charts, study: Study, factors: Sequence[Factor], findings: Sequence[Finding]) -> dict[str, Any]:
    """What the page says of runs; sections are made here, which puts their charts among the data of the script."""
    everything = charts.section("everything")
    parts = [_factor_part(charts, factor, everything) for factor in factors]
    common, sources = provenance(study.runs)
    peaks = peak_depths(study)
    shown = sorted((part for part in parts if part.section.charts), key=lambda part: not part.own)
    told = [_finding_part(finding) for finding in findings]
    return {
        "runs": len(study.runs),
        "outline": _outline(study, charts),
        "sentences": summarise(study, factors, peaks).sentences,
        "best": [_best_table(charts, panel, peaks) for panel in charts.panels],
        "of_simulated": all(run.observers != "people" for run in study.runs),
        "findings": [finding for finding in told if finding.verdict != UNTESTABLE],
        "untestable": [finding for finding in told if finding.verdict == UNTESTABLE],
        "factors": shown,
        "owned": sum(part.own for part in shown),
        "everything": everything,
        "common": common,
        "sources": sources,
    }


def _told(transforms: Transforms) -> str:
    """How many transforms there are."""
    learned, judged = len(transforms.learned), len(transforms.judged)
    folders = f"{counted(learned, 'folder')} of learned transforms" if learned else ""
    return " and ".join(filter(None, [folders, counted(judged, "judged transform") if judged else ""]))


def _taught(transforms: Transforms) -> str:
    """How many models were judged before and after they were taught."""
    return counted(len(transforms.taught), "model") if transforms.taught else ""


def nothing_to_show(skipped: Sequence[str]) -> str:
    """Say why there is no page; folders of heads of which it shows nothing are not among those that are left out.

    Args:
        skipped: A line for each folder that was left out.
    """
    if not skipped:
        return "nothing is shown of contributions of heads alone: label them, ablate them, or hold them against people"
    return skipped[0] if len(skipped) == 1 else f"none of {len(skipped)} folders is whole: {skipped[0]}"


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
    shown = ", ".join(counted(count, name) for name, count in counts.items() if count)
    places = ", ".join(f"{panel.title}{f': {panel.part}' if panel.part else ''}" for panel in charts.panels)
    protocols = " and ".join(dict.fromkeys(run.protocol for run in study.runs))
    return f"{counted(len(study.runs), 'run')} ({shown}) on {places}, by the {protocols} protocol"


def _best_table(charts: Charts, panel: Panel, peaks: Peaks) -> _BestTable:
    """The table of a panel; how many judgments there are is said once where it is the same in all rows."""
    rows = best_rows(charts, panel, peaks)
    counts = {row.judgments for row in rows}
    return _BestTable(
        panel.title,
        panel.part,
        panel.score,
        panel.simulated,
        bool(panel.aligned),
        bool(panel.published),
        counts.pop() if len(counts) == 1 else "",
        rows,
    )


def _factor_part(charts: Charts, factor: Factor, everything: Section) -> _FactorPart:
    of_distances = factor.name == "distance"
    slug = f"factor-{factor.name}"
    labels = None if of_distances else [option.label for option in factor.options]
    section = charts.section(slug, labels, by_distance=of_distances)
    boxes, known = ({toggle.key for toggle in one.models["Models"]} for one in (section, everything))
    return _FactorPart(
        factor.title,
        factor.is_own,
        factor.question,
        section,
        boxes == known,
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
