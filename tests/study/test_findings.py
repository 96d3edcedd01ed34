"""The findings of the paper: the published values by hand, faithful replications of them, and whole studies."""

import csv
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import alignbench
from alignbench.study.evidence import Outcome
from alignbench.study.findings import Finding, judge_findings
from alignbench.study.levels import LevelPanel, build_panels, published_panels
from alignbench.study.rules import training
from alignbench.study.statements import STATEMENTS, Statement
from alignbench.study.study import read_study
from studies import (
    BASE_16,
    BASE_32,
    BIOMED,
    CHINESE,
    DATASETS,
    LARGE_14,
    LARGE_336,
    SIGLIP,
    Made,
    as_published,
    write_made,
    write_study,
)
from studies import published as published_values

Floats = NDArray[np.float64]
NORMALISED, EUCLIDEAN, COSINE = "normalized_euclidean", "euclidean", "cosine"
SIZES = (BASE_16, BASE_32, LARGE_14, LARGE_336)
TOWERS = (*SIZES, CHINESE, SIGLIP, BIOMED)
TABLE = Path(alignbench.__file__).parent / "assets" / "published_curves.csv"
ABSTRACT, FINAL = "The sigmoid helps at all levels", "BiomedCLIP is above CLIP in the final layers"
CHANNEL = "One channel"


def named(findings: tuple[Finding, ...], beginning: str) -> Finding:
    [found] = [finding for finding in findings if finding.claim.startswith(beginning)]
    return found


# --- The published values -------------------------------------------------------------------------------------------


def blocks(model: str, dataset: str, distance: str = NORMALISED) -> dict[float, float]:
    """Published scores before the projection by depth, read without the package."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            float(row["depth"]): float(row["value"])
            for row in csv.DictReader(file)
            if (row["model"], row["dataset"], row["distance"]) == (model, dataset, distance)
            and row["metric"] in ("spearman", "accuracy")
            and row["layer"] not in ("projection", "image")
        }


def dip_of(values: dict[float, float]) -> float:
    before, between, after = (
        [v for d, v in values.items() if inside(d)]
        for inside in (lambda d: d < 45, lambda d: 45 <= d <= 80, lambda d: d > 80)
    )
    return min(max(before), max(after)) - min(between)


def onset_of(values: dict[float, float], pixels: float) -> float:
    halfway = (pixels + max(pixels, *values.values())) / 2
    return min((0.0, *values) if pixels >= halfway else (d for d, v in values.items() if v >= halfway))


def by_hand() -> dict[str, bool]:
    """Whether the published values bear out each finding, by the beginning of its claim."""
    low, middle, high = sets = tuple(DATASETS)
    curves = {(m, d): blocks(m, d) for m in TOWERS for d in sets}
    best = {key: max(values.values()) for key, values in curves.items()}
    depth = {key: max(values, key=values.__getitem__) for key, values in curves.items()}
    last = {key: values[97.5] for key, values in curves.items()}
    known = published_values()
    end = {(m, d): known[m, d, NORMALISED, "projection"] for m in TOWERS for d in sets}
    highest = {key: max(best[key], end[key]) for key in best}
    baselines = {(m, d): value for (m, d, _, layer), value in known.items() if layer == "image"}
    pixels = {d: baselines["pixels", d] for d in sets}
    onset = {(m, d): onset_of(values, pixels[d]) for (m, d), values in curves.items()}
    plain = {d: blocks(BASE_16, d, EUCLIDEAN) for d in sets}
    lost = {d: {at: plain[d][at] - curves[BASE_16, d][at] for at in plain[d]} for d in sets}
    apart = {
        (d, name): np.mean(
            [
                abs(value - known[BASE_16, d, EUCLIDEAN, layer])
                for (m, at, n, layer), value in known.items()
                if (m, at, n) == (BASE_16, d, name)
            ]
        )
        for d in sets
        for name in (COSINE, NORMALISED)
    }
    beaten = {(m, d, b): best[m, d] > score for m in TOWERS for (b, d), score in baselines.items()}
    gain = {
        (m, d): {at: v - curves[BASE_16, d][at] for at, v in curves[m, d].items()}
        for m in (SIGLIP, BIOMED)
        for d in sets
    }

    def at_the_end(model: str, dataset: str) -> list[float]:
        return [gain[model, dataset][at] for at in sorted(gain[model, dataset])[-2:]]

    def rises(depths: dict[tuple[str, str], float]) -> bool:
        return all(a < b for a, b in pairwise(np.mean([depths[m, d] for m in TOWERS]) for d in sets))

    return {
        "CLIP base-32 is the best": all(best[BASE_32, d] > best[m, d] for d in sets for m in SIZES if m != BASE_32),
        "CLIP large-14-336 is the worst": all(
            best[LARGE_336, d] < best[m, d] for d in sets for m in SIZES if m != LARGE_336
        ),
        "At the projection, CLIP large-14-336": all(
            end[LARGE_336, d] > min(end[m, d] for m in SIZES if m != LARGE_336) for d in sets
        ),
        "CLIP base-32 peaks": all(55 < depth[BASE_32, d] < 80 for d in (middle, high)),
        "CLIP base-32 falls": all(best[BASE_32, d] > last[BASE_32, d] < end[BASE_32, d] for d in (middle, high)),
        "At low, CLIP base-32": best[BASE_32, low] - last[BASE_32, low] < 0.05
        and end[BASE_32, low] < last[BASE_32, low],
        "The plain Euclidean": all(dip_of(plain[d]) > 0 and dip_of(lost[d]) > 0 for d in sets),
        "The cosine": all(apart[d, COSINE] < 0.5 * apart[d, NORMALISED] for d in sets),
        "The peak": rises(depth),
        "Alignment sets in": rises(onset),
        "Alignment falls": all(best[m, low] > best[m, middle] > best[m, high] for m in TOWERS),
        "SigLIP is above": best[SIGLIP, low] > best[BASE_16, low],
        ABSTRACT: all(
            best[SIGLIP, d] > best[BASE_16, d]
            and min(at_the_end(SIGLIP, d)) > 0
            and np.mean(at_the_end(SIGLIP, d)) > np.mean(list(gain[SIGLIP, d].values())[:-2])
            for d in sets
        ),
        "At high, the sigmoid": max(at_the_end(SIGLIP, high)) < 0 and end[SIGLIP, high] < end[BASE_16, high],
        "At low, the projections": abs(end[SIGLIP, low] - end[BASE_16, low]) < 0.05,
        "SigLIP drops": curves[SIGLIP, middle][2.5] < pixels[middle],
        "Chinese-CLIP": all(highest[m, low] > highest[BASE_16, low] for m in (CHINESE, BIOMED))
        and all(highest[m, d] - highest[BASE_16, d] < 0.01 for m in (CHINESE, BIOMED) for d in (middle, high)),
        FINAL: all(min(at_the_end(BIOMED, d)) > 0 for d in (middle, high)),
        "BiomedCLIP is close": all(abs(last[BIOMED, d] - baselines["lpips", d]) < 0.05 for d in (middle, high)),
        "The models beat": all(wins for (_, *where), wins in beaten.items() if where != [low, "perceptnet"]),
        "At the low level, PerceptNet": not any(
            wins for (_, *where), wins in beaten.items() if where == [low, "perceptnet"]
        ),
    }


def test_the_published_values_are_judged_by_the_same_rules(tmp_path: Path) -> None:
    study, _ = read_study([write_made(Made("ssim", "tid2013", 60, as_published), tmp_path)])
    findings = judge_findings(study)
    expected = by_hand()
    assert len(findings) == len(expected) + 1
    for beginning, holds in expected.items():
        assert named(findings, beginning).published == ("by value only" if holds else "not so"), beginning
    assert [beginning for beginning, holds in expected.items() if not holds] == [ABSTRACT, FINAL], "as facts have it"
    assert named(findings, CHANNEL).published == "untestable"
    assert {finding.verdict for finding in findings} == {"untestable"}
    assert all(finding.why.startswith("Needs ") for finding in findings)


def test_what_a_rule_says_of_the_published_values_beside_its_verdict_is_so() -> None:
    """Before the projection alone, Chinese-CLIP and BiomedCLIP gain at middle; BiomedCLIP at blocks 8 to 10 only."""
    gains = [max(blocks(m, "nights").values()) - max(blocks(BASE_16, "nights").values()) for m in (CHINESE, BIOMED)]
    assert [f"{gain:.3f}" for gain in gains] == ["0.010", "0.020"]
    outcome = training.gains_are_at_low_only(published_panels())
    found = outcome.evidence.set_index(["model", "level"])["difference_before_projection"]
    assert [found[m, "middle"] for m in (CHINESE, BIOMED)] == pytest.approx(gains)
    pairs = zip(blocks(BIOMED, "nights").values(), blocks(BASE_16, "nights").values(), strict=True)
    assert [layer for layer, (own, other) in enumerate(pairs) if own > other] == [8, 9, 10]


# --- Faithful replications ------------------------------------------------------------------------------------------


def replicated(seed: int, exactly: bool) -> dict[str, LevelPanel]:
    """The published values with errors of the paper's size: 25 references, 20,019 and about 1,000 triplets.

    Layers of a model err together (0.8), models less (0.4). The values themselves are the published ones, or are drawn
    with that error too.
    """
    rng = np.random.default_rng(seed)
    sizes = {"low": (25, 0.025), "middle": (1000, 0.0034), "high": (1000, 0.0075)}
    return {level: with_errors(panel, *sizes[level], rng, exactly) for level, panel in published_panels().items()}


def with_errors(panel: LevelPanel, count: int, error: float, rng: np.random.Generator, exactly: bool) -> LevelPanel:
    """A panel of so many clusters, with resamples: all but one of fewer than 100, or 1,000 drawn with replacement."""
    shared, own = rng.normal(size=count), {model: rng.normal(size=count) for model in (*TOWERS, *panel.baselines)}
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=1000) / count
    weights = drawn if count >= 100 else (1 - np.eye(count)) / (count - 1)

    def scores(model: str, values: Floats) -> Floats:
        noise = 0.4**0.5 * (shared + own[model]) + 0.2**0.5 * rng.normal(size=(len(values), count))
        noise *= error * count**0.5
        if exactly:
            noise -= noise.mean(axis=1, keepdims=True)
        return np.asarray(values[:, None] + np.column_stack([noise.mean(axis=1), noise @ weights.T]))

    return replace(
        panel,
        curves={key: replace(each, scores=scores(key[0], each.scores[:, 0])) for key, each in panel.curves.items()},
        baselines={name: scores(name, score)[0] for name, score in panel.baselines.items()},
        interval="cluster jackknife t" if count < 100 else "percentile cluster bootstrap",
    )


@pytest.fixture(scope="module")
def exact() -> dict[str, LevelPanel]:
    return replicated(0, exactly=True)


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.judge.__name__)
def test_a_faithful_replication_is_not_contradicted(statement: Statement, exact: dict[str, LevelPanel]) -> None:
    """Only what the published values contradict themselves is."""
    outcome = statement.judge(exact)
    if statement.claim.startswith((ABSTRACT, FINAL)):
        assert outcome.verdict == "contradicted"
    elif statement.claim.startswith(CHANNEL):
        assert outcome.verdict == "untestable"
    else:
        assert outcome.verdict in ("borne out", "by value only")


def test_replications_with_errors_of_their_own_are_not_contradicted_either() -> None:
    found: dict[str, list[Outcome]] = {}
    for seed in (1, 2):
        panels = replicated(seed, exactly=False)
        for statement in STATEMENTS:
            found.setdefault(statement.claim, []).append(statement.judge(panels))
    contradicted = {claim for claim, some in found.items() if any(each.verdict == "contradicted" for each in some)}
    assert {claim.startswith((ABSTRACT, FINAL)) for claim in contradicted} == {True}


# --- Whole studies --------------------------------------------------------------------------------------------------


def clear(label: str, dataset: str, distance: str, layer: str) -> float:
    """A world in which most findings hold by far."""
    if layer == "image":
        return 0.9 if (label, dataset) == ("perceptnet", "tid2013") else 0.35
    at = 14 if layer == "projection" else int(layer.removeprefix("layer_"))
    top = {"tid2013": 0.78, "nights": 0.66, "things": 0.5}[dataset]
    shift = {"tid2013": {BASE_32: 0.1, SIGLIP: 0.05, CHINESE: 0.05, BIOMED: 0.05}, "nights": {BASE_32: 0.1}}
    top += shift.get(dataset, {BASE_32: 0.06}).get(label, -0.06 if label in (CHINESE, BIOMED) else 0.0)
    middle = {"tid2013": 2, "nights": 6, "things": 11}[dataset]
    if distance != NORMALISED:
        top -= 0.03 + 0.12 * (6 <= at <= 9) - 0.004 * (distance == COSINE)
    return top - 0.02 * abs(at - middle) * (0.5 if "large" in label else 1.0)


def reverse(label: str, dataset: str, distance: str, layer: str) -> float:
    """A world in which they do not."""
    if layer == "image":
        return 0.3 if (label, dataset) == ("perceptnet", "tid2013") else 0.66
    at = 14 if layer == "projection" else int(layer.removeprefix("layer_"))
    top = {"tid2013": 0.45, "nights": 0.55, "things": 0.64}[dataset] - 0.1 * (label in (BASE_32, SIGLIP))
    if label in (CHINESE, BIOMED):
        top += -0.08 if dataset == "tid2013" else 0.01
    middle = {"tid2013": 11, "nights": 6, "things": 2}[dataset]
    return top - 0.008 * abs(at - middle) - 0.1 * (distance == COSINE) - 0.05 * (distance == NORMALISED and at == 8)


SIZES_OF_LEVELS = {"low": 300, "middle": 600, "high": 800}
MOST = (
    *(
        "CLIP base-32 is the best",
        "The plain Euclidean",
        "The peak",
        "Alignment falls",
        "The cosine",
        "SigLIP is above",
    ),
    *("Chinese-CLIP", "The models beat", "At the low level, PerceptNet"),
)


def write_world(root: Path, target: Callable[[str, str, str, str], float]) -> None:
    others = [model for model in TOWERS if model != BASE_16]
    write_study(root, (*others, "ssim", "perceptnet"), sizes=SIZES_OF_LEVELS, target=target, distances=(NORMALISED,))
    write_study(root, (BASE_16,), sizes=SIZES_OF_LEVELS, target=target)


def contrary(label: str, dataset: str, distance: str, layer: str) -> float:
    """A user's model or metric that is worse, or better, than everything."""
    return 0.95 if layer == "image" else {"mine": 0.1}.get(label, 0.9)


def test_what_holds_by_far_is_borne_out_and_other_models_change_nothing(tmp_path: Path) -> None:
    write_world(tmp_path, clear)
    findings = judge_findings(read_study([tmp_path])[0])
    found = {beginning: named(findings, beginning).verdict for beginning in MOST}
    assert set(found.values()) <= {"borne out", "by value only"}, found
    assert found["The models beat"] == found["SigLIP is above"] == found["The plain Euclidean"] == "borne out"
    of_low = named(findings, "SigLIP is above")
    assert of_low.why == "(TID2013: 300 of 3,000 ratings) 1 of 1 comparisons are as stated, 1 of them by interval."
    best = named(findings, "CLIP base-32 is the best")
    assert best.rests_on == (
        "Four checkpoints, one of each size; the size of the patches goes with the number of tokens. Resampled: 25 "
        "clusters of 300 judgments of TID2013 (low), 600 clusters of 600 judgments of NIGHTS (middle), 200 clusters of "
        "800 judgments of THINGS (high). The paper's high level is about 1,000 distinct triplets of "
        "testset1, not the 4.70 million."
    )
    for label in ("mine", "my/other", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"):
        write_study(tmp_path, (BASE_16,), sizes=SIZES_OF_LEVELS, target=contrary, label=label)
        write_study(tmp_path, (BASE_32,), sizes=SIZES_OF_LEVELS, target=contrary, label=label, protocol="corrected")
    write_study(tmp_path, ("ms-ssim",), sizes=SIZES_OF_LEVELS, target=contrary)
    again = judge_findings(read_study([tmp_path])[0])
    for one, other in zip(findings, again, strict=True):
        assert replace(one, evidence=None) == replace(other, evidence=None)  # type: ignore[arg-type]
        assert one.evidence.equals(other.evidence)


def test_what_does_not_hold_by_far_is_contradicted_or_undecided(tmp_path: Path) -> None:
    write_world(tmp_path, reverse)
    findings = judge_findings(read_study([tmp_path])[0])
    found = {beginning: named(findings, beginning).verdict for beginning in MOST}
    assert set(found.values()) <= {"contradicted", "undecided"}, found
    assert {found[each] for each in ("CLIP base-32 is the best", "The cosine", "The models beat")} == {"contradicted"}


def test_the_channel_is_judged_where_run_folders_tell_of_it(tmp_path: Path) -> None:
    takes = tuple(0.8 if 6 <= layer <= 9 else 0.1 for layer in range(14))
    for dataset, size in {"tid2013": 300, "nights": 600}.items():
        write_made(Made(BASE_16, dataset, size, clear, shares=takes), tmp_path)
    found = named(judge_findings(read_study([tmp_path])[0]), CHANNEL)
    assert found.verdict == "borne out"
    assert found.evidence["share_before"].unique().tolist() == pytest.approx([0.1])
    assert found.why.startswith("(1 of the paper's 7 models; on TID2013, NIGHTS alone; TID2013: 300 of 3,000 ratings")


def test_a_study_of_the_packaged_world_has_none_of_the_papers_models(tmp_path: Path) -> None:
    write_study(tmp_path, ("shapes-clip", "ssim"), ("shapes-low", "shapes-middle", "shapes-high"), target=packaged)
    study, _ = read_study([tmp_path])
    assert build_panels(study) == {}
    assert {finding.verdict for finding in judge_findings(study)} == {"untestable"}


def packaged(label: str, dataset: str, distance: str, layer: str) -> float:
    sets = {"shapes-low": "tid2013", "shapes-middle": "nights", "shapes-high": "things"}
    return clear(label, sets[dataset], distance, layer)


def test_the_papers_models_on_simulated_observers_are_said_to_be_that(tmp_path: Path) -> None:
    write_study(tmp_path, (BASE_16, "ssim"), ("shapes-low", "shapes-middle", "shapes-high"), target=packaged)
    found = named(judge_findings(read_study([tmp_path])[0]), "Alignment falls")
    assert found.verdict in ("borne out", "by value only")
    sizes = "shapes-low: 200 of 1,000 test ratings; shapes-middle: 300 of 600 test triplets; shapes-high: 480 of 35,000"
    assert found.why.startswith(f"(1 of the paper's 7 models; simulated observers; {sizes} test triplets) ")
    assert "testset1" not in found.rests_on


def test_findings_are_of_one_protocol_the_one_of_most_models(tmp_path: Path) -> None:
    for model, protocol in ((BASE_16, "paper"), (BASE_16, "corrected"), (BASE_32, "corrected"), ("ssim", "corrected")):
        write_made(Made(model, "tid2013", 200, clear, protocol=protocol, distances=(NORMALISED,)), tmp_path)
    found = named(judge_findings(read_study([tmp_path])[0]), "The models beat")
    assert found.verdict == "borne out"
    condition = "(2 of the paper's 7 models; corrected protocol; on TID2013 alone; TID2013: 200 of 3,000 ratings)"
    assert found.why == f"{condition} 2 of 2 comparisons are as stated, 2 of them by interval."
    assert set(found.evidence["model"]) == {BASE_16, BASE_32}


def test_a_folder_that_is_taken_for_the_papers_model_is_said(tmp_path: Path) -> None:
    write_made(Made(BASE_32, "tid2013", 200, clear, (NORMALISED,), label="clip-vit-base-patch32"), tmp_path)
    write_made(Made("ssim", "tid2013", 200, clear), tmp_path)
    found = named(judge_findings(read_study([tmp_path])[0]), "The models beat")
    assert "clip-vit-base-patch32 taken for the paper's by the name of its folder" in found.why
