"""Which model is the highest on each data set and what it is above, held against what the run folders say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.study.peaks import Curve, peak_depths
from alignbench.study.standings import Gap, Standing, stand
from alignbench.study.study import Study, read_study
from standings_by_hand import (
    MAIN,
    METRICS,
    MODELS,
    TWINS,
    all_contrasts,
    folder_of,
    half_widths,
    joint_of,
    projection_of,
    rows_of,
)
from studies import BASE_16, BASE_32, DATASETS, Made, as_published, write_made


def standings_of(study: Study) -> dict[str, Standing]:
    return {one.dataset: one for one in stand(study, {BASE_32: TWINS}, peak_depths(study))}


@pytest.fixture(scope="module")
def found(ranked: Path) -> dict[str, Standing]:
    return standings_of(read_study([ranked])[0])


def test_the_highest_is_that_of_the_curves_with_its_own_interval(found: dict[str, Standing], ranked: Path) -> None:
    assert list(found) == list(DATASETS), "from the low level to the high one"
    for dataset, one in found.items():
        rows = {label: projection_of(folder_of(ranked, label, dataset)) for label in MODELS}
        best = max(rows, key=lambda label: rows[label]["value"])
        assert (one.label, one.distance, one.level) == (best, MAIN, DATASETS[dataset])
        expected = [rows[best][name] for name in ("value", "ci_low", "ci_high")]
        assert [one.score.value, one.score.low, one.score.high] == expected
        others = sorted(rows[label]["value"] for label in MODELS if label != best)
        np.testing.assert_allclose([rows[best]["value"] - gap.value for gap in one.others], others[::-1], atol=1e-9)
        metrics = {label: projection_of(folder_of(ranked, label, dataset))["value"] for label in METRICS}
        assert one.baseline
        assert one.baseline.second == max(metrics, key=metrics.__getitem__)
        assert one.baseline.value == pytest.approx(rows[best]["value"] - max(metrics.values()), abs=1e-9)
        [training] = one.training
        twins = [projection_of(folder_of(ranked, label, dataset))["value"] for label in TWINS]
        assert (training.first, training.twins) == (BASE_32, 2)
        assert training.value == pytest.approx(rows[BASE_32]["value"] - np.mean(twins), abs=1e-9)


def test_bounds_hold_for_all_that_could_have_been_said(found: dict[str, Standing], ranked: Path) -> None:
    joints = [joint_of(ranked, dataset, (*MODELS, *TWINS, *METRICS)) for dataset in found]
    contrasts = [all_contrasts(joint) for joint in joints]
    widths = half_widths(joints, [list(each.values()) for each in contrasts])
    for one, named, reach in zip(found.values(), contrasts, widths, strict=True):
        by_pair = dict(zip(named, reach, strict=True))
        told = [(one.label, (gap.second,), gap) for gap in one.others]
        assert one.baseline
        told += [(one.label, (one.baseline.second,), one.baseline), (BASE_32, TWINS, one.training[0])]
        for first, others, gap in told:
            key = (first, others) if (first, others) in by_pair else (others[0], (first,))
            assert (gap.high - gap.low) / 2 == pytest.approx(by_pair[key], rel=0.15)
            assert (gap.low + gap.high) / 2 == pytest.approx(gap.value, abs=1e-9)


def test_the_peak_is_the_highest_layer_before_the_projection(found: dict[str, Standing], ranked: Path) -> None:
    depths = peak_depths(read_study([ranked])[0])
    for dataset, one in found.items():
        rows = rows_of(folder_of(ranked, one.label, dataset))
        best = max((layer for layer in rows if layer != "projection"), key=lambda layer: rows[layer]["value"])
        assert one.peak
        assert (one.peak.layer, one.peak.depth) == (best, rows[best]["depth"])
        assert (one.peak.score.value, one.peak.score.high) == (rows[best]["value"], rows[best]["ci_high"])
        name = "testset1" if dataset == "things" else "all"
        assert one.peak.ends == depths[Curve(dataset, name, "paper", "all", one.label, MAIN)]
        assert one.peak.ends[0] <= one.peak.depth <= one.peak.ends[1]


def test_two_models_that_score_alike_are_not_told_apart_and_others_are(tmp_path: Path) -> None:
    scores = {BASE_16: 0.70, BASE_32: 0.69, "mine": 0.4}
    for label in scores:
        model = label if label != "mine" else BASE_16
        write_made(Made(model, "nights", 400, lambda name, *_: scores[name], (MAIN,), label=label), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert one.label == BASE_16
    assert [gap.second for gap in one.others] == [BASE_32, "mine"]
    assert one.alike == (BASE_32,)
    assert one.others[1].separable
    assert (one.baseline, one.training) == (None, ())
    assert one.peak
    assert one.peak.ends is None, "nothing is known of it"


def test_of_several_ways_of_measuring_that_of_the_most_models_is_taken(tmp_path: Path) -> None:
    for label in (BASE_16, BASE_32):
        write_made(Made(label, "nights", 60, as_published, (MAIN,), protocol="corrected"), tmp_path)
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,)), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert (one.protocol, len(one.others)) == ("corrected", 1)


def test_a_model_without_the_distance_is_named(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,)), tmp_path)
    write_made(Made(BASE_32, "nights", 60, as_published, ("cosine",)), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert (one.label, one.others, one.lacking) == (BASE_16, (), (BASE_32,))


def test_without_the_main_distance_that_of_most_models_is_taken(tmp_path: Path) -> None:
    for label, names in ((BASE_16, ("euclidean", "cosine")), (BASE_32, ("cosine",))):
        write_made(Made(label, "nights", 60, as_published, names), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert (one.distance, len(one.others)) == ("cosine", 1)


def test_baselines_are_compared_where_there_is_no_model(tmp_path: Path) -> None:
    for label, score in (("pixels", 0.5), ("ssim", 0.8)):
        write_made(Made(label, "nights", 200, lambda *_, score=score: score), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert one.label == "ssim"
    assert [(gap.second, gap.separable) for gap in one.others] == [("pixels", True)]
    assert (one.baseline, one.peak) == (None, None)


def test_what_has_no_interval_separates_nothing(tmp_path: Path) -> None:
    for label, score in (("pixels", 0.0), ("ssim", 1.0)):
        write_made(Made(label, "nights", 1, lambda *_, score=score: score), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert one.others[0].value == pytest.approx(1.0)
    assert (one.others[0].low, one.others[0].high, one.others[0].separable) == (-np.inf, np.inf, False)


def test_a_gap_that_is_turned_has_its_ends_turned() -> None:
    assert Gap("a", "b", 0.1, -0.2, 0.3, 2).turned() == Gap("b", "a", -0.1, -0.3, 0.2, 2)


def test_the_distance_is_one_that_all_models_have(tmp_path: Path) -> None:
    for label, names in ((BASE_16, (MAIN, "cosine")), (BASE_32, ("cosine",)), ("mine", (MAIN, "cosine"))):
        write_made(Made(BASE_16, "nights", 60, as_published, names, label=label), tmp_path)
    [one] = stand(read_study([tmp_path])[0], {}, {})
    assert (one.distance, len(one.others), one.lacking) == ("cosine", 2, ())
