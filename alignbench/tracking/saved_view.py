"""The saved view of a project: which panels show what runs log, by the names of `keys`.

It is made with the package wandb-workspaces, which comes with the extra `workspaces`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from alignbench.distances.names import DISTANCES, distance_name
from alignbench.errors import UsageError, one_line, shortened
from alignbench.models.cards import FACTORS
from alignbench.tracking.keys import (
    CHART_FIELDS,
    CHART_NAME,
    CURVE_TABLE,
    DATA_SET,
    DEPTH,
    FIGURES,
    LABEL,
    LEVEL,
    best_key,
    chart_table_key,
    level_baseline_key,
    level_best_key,
    level_curve_key,
    level_projection_key,
    projection_key,
)
from alignbench.tracking.projects import Project

if TYPE_CHECKING:
    import wandb
    from wandb_workspaces.reports.v2.interface import PanelTypes
    from wandb_workspaces.workspaces import Section, Workspace

NAME: Final = "alignbench"
LEVELS: Final = (  # what people did at each level, by its score; the paper's three first
    ("low", "spearman", "ratings of distortions"),
    ("middle", "accuracy", "choices of variations"),
    ("high", "accuracy", "odd one out of objects"),
    ("low", "accuracy", "choices of distortions"),
    ("high", "spearman", "similarity matrices"),
)
_PAPER: Final = LEVELS[:3]
_MAIN: Final = DISTANCES[0]
_MOST_RUNS: Final = 100  # that a panel shows; W&B's own is 10
_VIEWS: Final = """
query SavedViews($entityName: String, $name: String) {
  project(name: $name, entityName: $entityName) {
    allViews(viewType: "project-view") { edges { node { id name displayName } } }
  }
}
"""


def make_view(project: Project, name: str, grouped: Sequence[str] = ()) -> Workspace:
    """Make the view, which is not saved yet.

    Args:
        project: The project.
        name: The name of the view.
        grouped: Keys of the configuration that the runs are grouped by.

    Raises:
        UsageError: If the package is not installed, or it does not take the name.
    """
    try:
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise UsageError("a saved view needs its package: pip install 'alignbench[workspaces]'") from error
    from wandb_workspaces import expr

    columns = [f"config:{key}.value" for key in (LABEL, DATA_SET, LEVEL)]
    columns += [f"summary:{key}" for key in (projection_key(_MAIN), best_key(_MAIN), best_key(_MAIN, "layer"))]
    try:
        return ws.Workspace(
            entity=project.entity,
            project=project.name,
            name=name,
            sections=list(_sections()),
            settings=ws.WorkspaceSettings(x_axis=DEPTH, max_runs=_MOST_RUNS),
            runset_settings=ws.RunsetSettings(
                groupby=[expr.Config(key) for key in grouped], pinned_columns=["run:displayName", *columns]
            ),
        )
    except ValueError as error:
        reason = one_line(error).rpartition("Value error, ")[2]
        raise UsageError(f"W&B does not take the view '{shortened(name)}' ({reason}): choose another --name") from error


def save_view(api: wandb.Api, view: Workspace, project: Project) -> tuple[str, bool]:
    """Save a view, in the place of the one of its name if there is one.

    Args:
        api: What asks the server.
        view: The view.
        project: The project.

    Returns:
        Its address, and whether it took the place of another.

    Raises:
        UsageError: If W&B does not know the project.
        Exception: Whatever W&B raises.
    """
    from wandb_workspaces._graphql import execute_graphql

    variables = {"entityName": project.entity, "name": project.name}
    found = execute_graphql(api, _VIEWS, variables).get("project")
    if found is None:
        raise project.is_unknown()
    nodes = [edge["node"] for edge in (found.get("allViews") or {}).get("edges", [])]
    same = next((node for node in nodes if node["displayName"] == view.name), None)
    if same is not None:
        view._internal_id, view._internal_name = same["id"], same["name"]
    view.save()
    return str(view.url), same is not None


def _sections() -> Iterator[Section]:
    import wandb_workspaces.workspaces as ws

    for level in LEVELS:
        name = f"{level[0].capitalize()} level: {level[2]} ({level[1]})"
        yield ws.Section(name=name, panels=list(_level_panels(*level)), is_open=level in _PAPER)
    yield ws.Section(name="Beside the published curves and baselines", panels=list(_chart_panels()), is_open=True)
    yield ws.Section(name="Grouped by factor", panels=list(_factor_panels()))
    yield ws.Section(name="Tables", panels=list(_tables()))


def _level_panels(level: str, metric: str, what: str) -> Iterator[PanelTypes]:
    """Curves over depth beside baselines, a panel a distance, and the scores at the best layer and the projection."""
    import wandb_workspaces.reports.v2 as wr

    for distance in DISTANCES:
        yield wr.LinePlot(
            title=f"{what}, {distance_name(distance)}",
            x=DEPTH,
            y=[level_curve_key(level, metric, distance), level_baseline_key(level, metric)],
            range_x=(0, 100),
            title_x="depth (%)",
            title_y=metric,
            max_runs_to_show=_MOST_RUNS,
        )
    for title, key in (
        ("projection", level_projection_key),
        ("best layer (selected, and so too high)", level_best_key),
    ):
        yield wr.BarPlot(
            title=f"{what}, {title}",
            metrics=[wr.SummaryMetric(key(level, metric, distance)) for distance in DISTANCES],
            title_x=metric,
            max_runs_to_show=_MOST_RUNS,
            max_bars_to_show=_MOST_RUNS,
        )


def _chart_panels() -> Iterator[PanelTypes]:
    """The charts of runs, with what was published and the baselines beside them, and their figures."""
    import wandb_workspaces.reports.v2 as wr

    for distance in DISTANCES:
        yield wr.CustomChart(
            query={"summaryTable": {"tableKey": chart_table_key(distance)}},
            chart_name=CHART_NAME,
            chart_fields=dict(CHART_FIELDS),
            chart_strings={"title": distance_name(distance), "xname": DEPTH},
        )
    yield wr.MediaBrowser(title="figures", media_keys=list(FIGURES))


def _factor_panels() -> Iterator[PanelTypes]:
    """Mean and range of the curves of the runs that share a factor, and all factors beside the score."""
    import wandb_workspaces.reports.v2 as wr

    for level, metric, what in _PAPER:
        for factor in FACTORS:
            yield wr.LinePlot(
                title=f"{what} by {factor.replace('_', ' ')}",
                x=DEPTH,
                y=[level_curve_key(level, metric, _MAIN)],
                range_x=(0, 100),
                groupby=wr.Config(factor),
                groupby_aggfunc="mean",
                groupby_rangefunc="minmax",
                max_runs_to_show=_MOST_RUNS,
            )
        columns = [wr.Config(factor) for factor in FACTORS]
        scored = wr.SummaryMetric(level_projection_key(level, metric, _MAIN))
        yield wr.ParallelCoordinatesPlot(
            title=f"{what}: factors and projection",
            columns=[wr.ParallelCoordinatesPlotColumn(metric=each) for each in (*columns, scored)],
        )


def _tables() -> Iterator[PanelTypes]:
    import wandb_workspaces.reports.v2 as wr

    yield wr.WeavePanelSummaryTable(table_name=CURVE_TABLE)
    yield wr.RunComparer(diff_only="split")
