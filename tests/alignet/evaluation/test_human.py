"""People's judgments before and after: scores from distances by NumPy and SciPy, of runs of tiny models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special, stats

from alignbench.alignet.evaluation.gain import corrected_gains
from alignbench.alignet.evaluation.human import RunsOfBoth, human_gains
from alignbench.errors import UsageError
from alignbench.measurement.cell import Cell
from alignbench.measurement.run import run_cell
from alignbench.results.gains import CURVE_COLUMNS, Gain
from alignbench.results.judgment_table import matrix
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.answers import compare
from drawing import do_not_draw
from layouts import write_levels

pytestmark = pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> RunsOfBoth:
    """Runs of random weights and of the packaged ones on made-up Levels."""
    root = tmp_path_factory.mktemp("levels")
    write_levels(root / "levels", triplets=24, participants=6)

    def run(model: str) -> ScoredRun:
        cell = Cell(
            model=model,
            dataset="levels",
            data_root=root / "levels",
            subsets=("coarse", "fine"),
            distances=("cosine",),
            layers=("layer_2", "projection"),
            protocol="corrected",
            batch_size=64,
            workers=0,
            pixel_cache="off",
        )
        return run_cell(cell, root / "runs")

    with pytest.MonkeyPatch.context() as patch:
        do_not_draw(patch)
        return RunsOfBoth(run("random:shapes-clip"), run("shapes-clip"), "projection", "", ("cosine",), "unknown")


@pytest.fixture(scope="module")
def rows(both: RunsOfBoth) -> tuple[Gain, ...]:
    return corrected_gains(human_gains(both)[0])


def of(rows: tuple[Gain, ...], subset: str, measure: str) -> Gain:
    (found,) = [row for row in rows if (row.subset, row.measure) == (subset, measure)]
    return found


def judged(run: ScoredRun, subset: str, layer: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances of the options of each judgment, which one people chose, and the triplet that it is of."""
    table = run.judgment_rows()
    table = table[table["subset"] == subset]
    options = matrix(table["pairs"])
    distances = run.all_distances()["cosine"][layer]
    return distances[options], table["value"].to_numpy().astype(int), matrix(table["cluster"])[:, 0]


def test_choices_are_the_share_of_closest_pairs_that_people_kept(both: RunsOfBoth, rows: tuple[Gain, ...]) -> None:
    assert [(row.subset, row.measure) for row in rows] == [
        (subset, measure)
        for subset in ("coarse", "fine")
        for measure in ("accuracy", "entropy_spearman", "log_rt_spearman")
    ]
    for subset in ("coarse", "fine"):
        row = of(rows, subset, "accuracy")
        for name, run in (("before", both.before), ("after", both.after)):
            distances, chosen, _ = judged(run, subset)
            assert getattr(row, name)[0] == pytest.approx((distances.argmin(axis=1) == chosen).mean())
        assert (row.task, row.data, row.n, row.sample) == ("human choices", "levels", len(chosen), "unknown")
        frame = both.after.curve.frame
        ceiling = frame[(frame["subset"] == subset) & (frame["metric"] == "ceiling_mean")]["value"].iloc[0]
        assert row.ceiling == ceiling


def test_their_differences_are_those_of_compare(both: RunsOfBoth, rows: tuple[Gain, ...]) -> None:
    table = compare(both.after.folder, both.before.folder, distance="cosine").table
    for told in table.to_dict("records"):
        row = of(rows, told["subset"], "accuracy")
        assert row.difference == pytest.approx((told["difference"], told["ci_low"], told["ci_high"]))
        assert row.p == pytest.approx(told["p"])


def entropy_of(run: ScoredRun, subset: str) -> tuple[np.ndarray, np.ndarray]:
    """Entropies of a model's choices by triplet, at the temperature under which people's are most likely."""
    distances, chosen, triplet = judged(run, subset)
    distinct, place = np.unique(triplet, return_inverse=True)
    share = np.zeros((len(distinct), 3))
    first = np.array([np.flatnonzero(triplet == each)[0] for each in distinct])
    own = np.sort(distances[first], axis=1)
    for judgment, which in enumerate(chosen):  # options come in any order, and are known by their distances
        share[place[judgment], np.searchsorted(own[place[judgment]], distances[judgment, which])] += 1
    share /= share.sum(axis=1, keepdims=True)
    loss = lambda slope: -(share * special.log_softmax(-slope * own, axis=1)).sum(axis=1).mean()  # noqa: E731
    slope = optimize.minimize_scalar(loss, bounds=(0.0, 1e4), method="bounded", options={"xatol": 1e-9}).x
    return special.entr(special.softmax(-slope * own, axis=1)).sum(axis=1), place


def test_uncertainty_is_held_against_what_people_disagreed_on(both: RunsOfBoth, rows: tuple[Gain, ...]) -> None:
    known = 0
    for subset in ("coarse", "fine"):
        _, chosen, _ = judged(both.after, subset)
        row = of(rows, subset, "entropy_spearman")
        for name, run in (("before", both.before), ("after", both.after)):
            value = getattr(row, name)[0]
            if np.isnan(value):
                continue
            known += 1
            own, place = entropy_of(run, subset)
            table = run.judgment_rows()
            pairs = np.take_along_axis(matrix(table[table["subset"] == subset]["pairs"]), chosen[:, None], axis=1)[:, 0]
            people = []
            for each in range(len(own)):
                said = pairs[place == each]
                unlike = said[:, None] != said[None]
                people.append(unlike.sum() / (len(said) * (len(said) - 1)))
            assert value == pytest.approx(stats.spearmanr(own, people).statistic, abs=1e-6)
            frame = run.curve.frame
            same = (frame["subset"] == subset) & (frame["metric"] == "entropy_spearman")
            assert value == pytest.approx(frame[same & (frame["layer"] == "projection")]["value"].iloc[0])
        assert row.task == "human uncertainty"
    assert known, "a model whose choices have a temperature is among them"


def test_curves_have_every_layer(both: RunsOfBoth) -> None:
    _, curves = human_gains(both)
    assert tuple(curves.columns) == CURVE_COLUMNS
    coarse = curves[curves["subset"] == "coarse"]
    assert coarse["after_layer"].tolist() == ["layer_2"]
    distances, chosen, _ = judged(both.after, "coarse", 0)
    assert coarse["after"].iloc[0] == pytest.approx((distances.argmin(axis=1) == chosen).mean())
    assert (coarse["band_low"] <= coarse["difference"]).all()


def test_a_layer_by_name_and_what_is_not_there(both: RunsOfBoth) -> None:
    at_layer = corrected_gains(human_gains(replace(both, at="layer_2"))[0])
    assert of(at_layer, "fine", "accuracy").after_layer == "layer_2"
    with pytest.raises(UsageError, match="has no layer layer_9: use --at projection or one of layer_2, projection"):
        human_gains(replace(both, at="layer_9"))
    with pytest.raises(UsageError, match="before and after are one model, shapes-clip"):
        human_gains(replace(both, before=both.after))
    assert both.part.startswith("Levels, coarse: "), "that it is a part is said"
