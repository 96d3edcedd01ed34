"""What a study says in sentences: every number of them is in the run folders, and nothing is said that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.study.factors import Factor, FactorOption, compare_factors
from alignbench.study.peaks import peak_depths
from alignbench.study.standings import Gap
from alignbench.study.study import Study, read_study
from alignbench.study.summary import Sentence, Summary, _level, summarise
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

TITLES = dict(zip(DATASETS, ("TID2013", "NIGHTS", "THINGS"), strict=True))
BOUND = 0.15  # of a width: bounds that hold together are drawn, here by other means


def summary_of(*places: Path) -> Summary:
    study, skipped = read_study(places)
    assert not skipped
    return summarise(study, compare_factors(study), peak_depths(study))


def numbers(text: str) -> list[float]:
    """The numbers of a text but those in names."""
    return [float(each) for each in re.findall(r"(?<![\w.-])[+-]?\d+(?:\.\d+)?(?![\w.]*[\w-])", text)]


@pytest.fixture(scope="module")
def summary(ranked: Path) -> Summary:
    return summary_of(ranked)


class ByHand:
    """The numbers of each data set, from the run folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        joints = [joint_of(root, dataset, (*MODELS, *TWINS, *METRICS)) for dataset in DATASETS]
        contrasts = [all_contrasts(joint) for joint in joints]
        widths = half_widths(joints, [list(each.values()) for each in contrasts])
        self.reach = {
            dataset: dict(zip(named, each, strict=True))
            for dataset, named, each in zip(DATASETS, contrasts, widths, strict=True)
        }

    def score(self, dataset: str, label: str) -> float:
        return projection_of(folder_of(self.root, label, dataset))["value"]

    def ranked(self, dataset: str, labels: tuple[str, ...] = MODELS) -> list[str]:
        return sorted(labels, key=lambda label: -self.score(dataset, label))

    def gap(self, dataset: str, first: str, others: tuple[str, ...]) -> tuple[float, float]:
        """A difference, and half the width of its interval."""
        reach = self.reach[dataset]
        value = self.score(dataset, first) - float(np.mean([self.score(dataset, other) for other in others]))
        return value, reach[first, others] if (first, others) in reach else reach[others[0], (first,)]


@pytest.fixture(scope="module")
def by_hand(ranked: Path) -> ByHand:
    return ByHand(ranked)


def check_gap(said: list[float], expected: tuple[float, float]) -> None:
    """A difference and its ends, as they are said, beside one with half its width."""
    value, reach = expected
    assert said[0] == pytest.approx(value, abs=6e-4)
    assert (said[2] - said[1]) / 2 == pytest.approx(reach, rel=BOUND, abs=1e-3)


def test_it_says_which_is_the_highest_and_whether_the_second_is_separable(summary: Summary, by_hand: ByHand) -> None:
    first = summary.sentences[0]
    assert first.lead == "At the projection, by the normalised Euclidean distance, the highest score is:"
    for (dataset, level), part in zip(DATASETS.items(), first.parts, strict=True):
        best, second, third = by_hand.ranked(dataset)
        said = re.fullmatch(r"(.+?\): .+?), above the second, (.+), by (.+)", part)
        assert said
        head, middle, end = said.groups()
        assert head.startswith(f"{TITLES[dataset]} ({level} level, ")
        assert f"): {best}, " in head
        assert middle == second
        row = projection_of(folder_of(by_hand.root, best, dataset))
        assert numbers(head)[-3:] == [round(row[name], 3) for name in ("value", "ci_low", "ci_high")]
        check_gap(numbers(end)[:3], by_hand.gap(dataset, best, (second,)))
        apart = {
            other: abs(value) > reach
            for other in (second, third)
            for value, reach in [by_hand.gap(dataset, best, (other,))]
        }
        if all(apart.values()):
            assert end.endswith(": separable, as from the other")
        elif apart[second]:
            assert end.endswith(f": separable, but not from {third}")
        else:
            assert end.endswith(f": cannot be told apart{'' if apart[third] else f', nor from {third}'}")


def test_it_says_where_that_lies_beside_the_highest_baseline(summary: Summary, by_hand: ByHand) -> None:
    [sentence] = [each for each in summary.sentences if "baseline" in each.lead]
    for dataset, part in zip(DATASETS, sentence.parts, strict=True):
        best, metric = by_hand.ranked(dataset)[0], by_hand.ranked(dataset, METRICS)[0]
        value, reach = by_hand.gap(dataset, best, (metric,))
        side = "above" if value >= 0 else "below"
        assert part.startswith(f"{TITLES[dataset]}: {side} {metric} by ")
        check_gap(numbers(part.partition(" by ")[2]), (abs(value), reach))
        assert part.endswith(": separable") == (abs(value) > reach)


def test_it_says_where_alignment_peaks(summary: Summary, by_hand: ByHand) -> None:
    [sentence] = [each for each in summary.sentences if each.lead.startswith("Before the projection")]
    study, _ = read_study([by_hand.root])
    known = peak_depths(study)
    for dataset, part in zip(DATASETS, sentence.parts, strict=True):
        best = by_hand.ranked(dataset)[0]
        rows = {
            name: row for name, row in rows_of(folder_of(by_hand.root, best, dataset)).items() if name != "projection"
        }
        layer = max(rows, key=lambda name: rows[name]["value"])
        assert part.startswith(f"{TITLES[dataset]}: {layer} of {best}, ")
        [(first, last)] = [ends for key, ends in known.items() if (key.dataset, key.label) == (dataset, best)]
        expected = [rows[layer]["depth"], *([first, last] if first < last else [])]
        expected += [rows[layer][name] for name in ("value", "ci_low", "ci_high")]
        np.testing.assert_allclose(numbers(part.partition(best)[2]), expected, atol=0.051)


def test_it_says_what_training_adds(summary: Summary, by_hand: ByHand) -> None:
    [sentence] = [each for each in summary.sentences if each.lead.startswith("Training")]
    for dataset, part in zip(DATASETS, sentence.parts, strict=True):
        expected = by_hand.gap(dataset, BASE_32, TWINS)
        check_gap(numbers(part.partition(": ")[2])[:3], expected)
        said = f" to {BASE_32} over the mean of 2 untrained twins"
        assert part.endswith(said if abs(expected[0]) > expected[1] else f"{said}, cannot be told from 0")


def test_it_counts_what_is_separable_over_the_factors(summary: Summary, ranked: Path) -> None:
    factors = {factor.title: factor.differences for factor in compare_factors(read_study([ranked])[0])}
    counts = {name: (int(table["separable"].sum()), len(table)) for name, table in factors.items()}
    [sentence] = [each for each in summary.sentences if "paired differences" in each.lead]
    assert sentence.parts == tuple(f"{name} {some} of {all_}" for name, (some, all_) in counts.items())
    assert set(counts) == {"Architecture", "Language", "Training"}
    totals = [sum(each) for each in zip(*counts.values(), strict=True)]
    assert numbers(sentence.lead) == [totals[1], totals[0]]


def test_it_says_what_it_is_about_and_is_short(summary: Summary) -> None:
    assert str(summary.sentences[-1]) == (
        "All of this is about new stimuli like these and about these checkpoints, not about kinds of models."
    )
    assert 3 <= len(summary.sentences) <= 6
    assert summary.models == len(MODELS)


def test_a_sentence_is_a_line() -> None:
    assert str(Sentence("It is:", ("a 1", "b 2"))) == "It is: a 1; b 2."
    assert str(Sentence("That is all.")) == "That is all."


# --- What is not there ----------------------------------------------------------------------------------------------


def test_of_one_model_it_says_its_curve_and_compares_nothing(tmp_path: Path) -> None:
    folder = write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,)), tmp_path)
    found = summary_of(tmp_path)
    rows = rows_of(folder)
    values = [rows["projection"][name] for name in ("value", "ci_low", "ci_high")]
    score, peak, scope = found.sentences
    assert score.lead == "At the projection, by the normalised Euclidean distance, the score is:"
    assert score.parts == (
        f"NIGHTS (middle level, 60 of 20,019 triplets): {BASE_16}, "
        f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})",
    )
    assert peak.parts[0].startswith("NIGHTS: layer_")
    assert (
        scope.lead
        == "All of this is about new stimuli like these and about this checkpoint, not about a kind of model."
    )
    said = " ".join(map(str, found.sentences))
    for word in ("baseline", "rain", "second", "separable"):
        assert word not in said.replace("separably", "")


def test_simulated_observers_are_said_in_the_first_sentence(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "shapes-low", 60, as_simulated, (MAIN,)), tmp_path / "shapes")
    first = str(summary_of(tmp_path / "shapes").sentences[0])
    assert first.startswith("By simulated observers, not human data, so that nothing here is about vision: at the ")
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,)), tmp_path / "people")
    mixed = summary_of(tmp_path / "shapes", tmp_path / "people").sentences[0]
    assert mixed.lead.startswith("At the projection")
    assert ["simulated observers" in part for part in mixed.parts] == [True, False]


def as_simulated(label: str, dataset: str, distance: str, layer: str) -> float:
    return 0.5


def test_baselines_alone_are_called_baselines(tmp_path: Path) -> None:
    for label, score in (("pixels", 0.5), ("ssim", 0.8)):
        write_made(Made(label, "nights", 200, lambda *_, score=score: score), tmp_path)
    first, scope = summary_of(tmp_path).sentences
    assert first.lead == "The highest score is that of a baseline:"
    assert re.fullmatch(
        r"NIGHTS \(.+\): ssim, 0\.800 \(.+\), above the second, pixels, by 0\.300 \(.+\): separable", first.parts[0]
    )
    assert scope.lead == "All of this is about new stimuli like these and about these metrics."


def test_nothing_is_said_of_nothing() -> None:
    [only] = summarise(Study((), ()), (), {}).sentences
    assert str(only) == "These runs hold no score of a trained model or of a baseline, so nothing is the highest."


def test_other_ways_of_measuring_are_named(tmp_path: Path) -> None:
    for label in (BASE_16, BASE_32):
        write_made(Made(label, "nights", 60, as_published, (MAIN,)), tmp_path)
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,), protocol="corrected"), tmp_path)
    found = summary_of(tmp_path)
    assert found.elsewhere == ("NIGHTS all (corrected protocol)",)
    assert found.sentences[-1].lead.endswith("(measured too, and shown below: NIGHTS all (corrected protocol)).")


def test_an_unusual_way_of_measuring_is_said_of_the_score(tmp_path: Path) -> None:
    settings = {"tokens": "cls", "resize": "squash", "precision": "bf16"}
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,), settings=settings), tmp_path)
    expected = "NIGHTS (middle level, cls tokens, squash resize, bf16, 60 of 20,019 triplets): "
    assert summary_of(tmp_path).sentences[0].parts[0].startswith(expected)


def test_of_many_trained_models_the_least_and_the_most_gaining_are_named(tmp_path: Path) -> None:
    gains = {f"model-{index}": 0.05 * index for index in range(4)}
    pairs = [(label, f"{label}@random-0") for label in gains]
    for label, twin in pairs:
        for name, score in ((label, 0.5 + gains[label]), (twin, 0.5)):
            made = Made(BASE_16, "nights", 400, lambda *_, score=score: score, (MAIN,), label=name)
            write_made(made, tmp_path)
    study, _ = read_study([tmp_path])
    options = tuple(FactorOption(label, label) for pair in pairs for label in pair)
    table = pd.DataFrame(pairs, columns=["first", "second"]).assign(separable=True)
    factor = Factor("training", "?", options, pd.DataFrame(), table, ())
    [sentence] = [each for each in summarise(study, [factor], {}).sentences if each.lead.startswith("Training")]
    pattern = r"NIGHTS: from \+0\.000 \(.+\) to model-0, cannot be told from 0, to \+0\.150 \(.+\) to model-3, (.+)"
    said = re.fullmatch(pattern, sentence.parts[0])
    assert said
    assert re.fullmatch(r"separably above 0 in [23] of 4 models", said[1])


def test_a_model_that_lacks_the_distance_is_named(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,)), tmp_path)
    write_made(Made(BASE_32, "nights", 60, as_published, ("cosine",)), tmp_path)
    assert summary_of(tmp_path).sentences[0].parts[0].endswith(f"(not by this distance: {BASE_32})")


@pytest.mark.parametrize(("count", "told"), [(2, r"step-1 \(.+\)"), (6, "step-1, step-2, step-3 and 2 more")])
def test_a_tie_is_told_as_one(tmp_path: Path, count: int, told: str) -> None:
    for step in range(count):
        write_made(Made(BASE_16, "nights", 60, lambda *_: 0.6, (MAIN,), label=f"step-{step}"), tmp_path)
    write_made(Made("pixels", "nights", 60, lambda *_: 0.6), tmp_path)
    first, beside, *_ = summary_of(tmp_path).sentences
    said = first.parts[0]
    assert re.fullmatch(rf"NIGHTS \(.+\): step-0, 0\.600 \(.+\), level with {told}: cannot be told apart", said)
    assert "above" not in said
    assert "level with pixels" in beside.parts[0]
    assert "above" not in beside.parts[0]


def test_a_tie_has_the_interval_of_its_difference_unless_no_judgment_differs() -> None:
    tie = Gap("a", "b", 0.0, -0.02, 0.03)
    assert _level([Gap("a", "b", 0.0, 0.0, 0.0)]) == "level with b (no judgment tells them apart)"
    assert _level([tie]) == "level with b (-0.020 to 0.030)"
    assert _level([tie, Gap("a", "c", 0.0, 0.0, 0.0)]) == "level with b, c"
