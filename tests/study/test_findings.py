"""The findings of the paper: hand-made curves for each branch of each rule, the published values, whole studies."""

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import alignbench
from alignbench.study import rules
from alignbench.study.findings import Finding, judge_findings
from alignbench.study.levels import build_panels, published_panels
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
LEVELS = ("low", "middle", "high")
DEPTHS = np.array([2.5, 25.0, 50.0, 75.0, 97.5, 100.0])  # the last is the projection
TABLE = Path(alignbench.__file__).parent / "assets" / "published_curves.csv"


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


def by_hand() -> list[bool]:
    """Whether the published values bear out each finding, in the order of the findings."""
    sets = tuple(DATASETS)
    towers = (*SIZES, CHINESE, SIGLIP, BIOMED)
    best = {(m, d): max(blocks(m, d).values()) for m in towers for d in sets}
    depth = {(m, d): max(blocks(m, d), key=blocks(m, d).__getitem__) for m in towers for d in sets}
    known = published_values()
    highest = {(m, d): max(best[m, d], known[m, d, NORMALISED, "projection"]) for m in towers for d in sets}

    def dip_of(values: dict[float, float]) -> float:
        parts = [
            [v for d, v in values.items() if inside(d)]
            for inside in (lambda d: d < 45, lambda d: 45 <= d <= 80, lambda d: d > 80)
        ]
        return min(max(parts[0]), max(parts[2])) - min(parts[1])

    dips = {(d, name): dip_of(blocks(BASE_16, d, name)) for d in sets for name in (EUCLIDEAN, NORMALISED)}
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
    baselines = {(m, d): value for (m, d, _, layer), value in known.items() if layer == "image"}
    beaten = {(m, d, b): best[m, d] > score for m in towers for (b, d), score in baselines.items()}
    return [
        all(best[BASE_32, d] > best[m, d] for d in sets for m in SIZES if m != BASE_32),
        all(dips[d, EUCLIDEAN] > max(0.0, dips[d, NORMALISED]) for d in sets),
        all(a < b for a, b in pairwise(np.mean([depth[m, d] for m in towers]) for d in sets)),
        all(best[m, "tid2013"] > best[m, "nights"] > best[m, "things"] for m in towers),
        all(apart[d, COSINE] < 0.5 * apart[d, NORMALISED] for d in sets),
        best[SIGLIP, "tid2013"] > best[BASE_16, "tid2013"],
        all(highest[m, "tid2013"] > highest[BASE_16, "tid2013"] for m in (CHINESE, BIOMED))
        and all(highest[m, d] - highest[BASE_16, d] < 0.01 for m in (CHINESE, BIOMED) for d in sets[1:]),
        all(wins for (_, *where), wins in beaten.items() if where != ["tid2013", "perceptnet"]),
        not any(wins for (_, *where), wins in beaten.items() if where == ["tid2013", "perceptnet"]),
    ]


def test_the_published_values_are_judged_by_the_same_rules(tmp_path: Path) -> None:
    study, _ = read_study([write_made(Made("ssim", "tid2013", 60, as_published), tmp_path)])
    findings = judge_findings(study)
    assert [finding.published for finding in findings] == ["borne out" if h else "not borne out" for h in by_hand()]
    assert {finding.published for finding in findings} == {"borne out"}, "the rules are to say what the paper says"
    assert {finding.verdict for finding in findings} == {"not testable"}
    assert all(finding.why.startswith("Needs ") for finding in findings)


def test_what_a_rule_says_of_the_published_values_beside_its_verdict_is_so() -> None:
    """Before the projection alone, Chinese-CLIP and BiomedCLIP gain at middle as well."""
    gains = [max(blocks(m, "nights").values()) - max(blocks(BASE_16, "nights").values()) for m in (CHINESE, BIOMED)]
    assert [f"{gain:.3f}" for gain in gains] == ["0.010", "0.020"]
    outcome = rules.gains_are_at_low_only(published_panels())
    found = outcome.evidence.set_index(["model", "level"])["difference_before_projection"]
    assert [found[m, "middle"] for m in (CHINESE, BIOMED)] == pytest.approx(gains)


# --- Whole studies --------------------------------------------------------------------------------------------------


def by_claim(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    names = ("base-32", "dips", "peak", "falls", "cosine", "SigLIP", "BiomedCLIP", "baselines", "PerceptNet beats")
    assert all(name in finding.claim for name, finding in zip(names, findings, strict=True))
    return dict(zip(names, findings, strict=True))


def clear(label: str, dataset: str, distance: str, layer: str) -> float:
    """A world in which every finding holds by far."""
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
    """A world in which none holds."""
    if layer == "image":
        return 0.3 if (label, dataset) == ("perceptnet", "tid2013") else 0.66
    at = 14 if layer == "projection" else int(layer.removeprefix("layer_"))
    top = {"tid2013": 0.45, "nights": 0.55, "things": 0.64}[dataset] - 0.1 * (label in (BASE_32, SIGLIP))
    if label in (CHINESE, BIOMED):
        top += -0.08 if dataset == "tid2013" else 0.01
    middle = {"tid2013": 11, "nights": 6, "things": 2}[dataset]
    return top - 0.008 * abs(at - middle) - 0.1 * (distance == COSINE) - 0.05 * (distance == NORMALISED and at == 8)


MODELS = (*SIZES, CHINESE, SIGLIP, BIOMED)


def study_in(root: Path, target: Callable[[str, str, str, str], float]) -> tuple[Finding, ...]:
    others = [model for model in MODELS if model != BASE_16]
    sizes = {"low": 300, "middle": 600, "high": 800}
    write_study(root, (*others, "ssim", "perceptnet"), sizes=sizes, target=target, distances=(NORMALISED,))
    write_study(root, (BASE_16,), sizes=sizes, target=target)
    return judge_findings(read_study([root])[0])


def test_a_study_in_which_everything_holds(tmp_path: Path) -> None:
    findings = study_in(tmp_path, clear)
    found = {name: finding.verdict for name, finding in by_claim(findings).items()}
    assert set(found.values()) <= {"borne out", "borne out, not separable"}, found
    assert found["baselines"] == found["base-32"] == "borne out"


def test_a_study_in_which_nothing_holds(tmp_path: Path) -> None:
    findings = study_in(tmp_path, reverse)
    assert {
        name: finding.verdict for name, finding in by_claim(findings).items() if finding.verdict != "not borne out"
    } == {}
    assert {finding.published for finding in findings} == {"borne out"}


def test_a_study_of_the_packaged_world_is_judged_where_it_can_be(tmp_path: Path) -> None:
    def target(label: str, dataset: str, distance: str, layer: str) -> float:
        sets = {"shapes-low": "tid2013", "shapes-middle": "nights", "shapes-high": "things"}
        return clear(label, sets[dataset], distance, layer)

    sets = ("shapes-low", "shapes-middle", "shapes-high")
    write_study(tmp_path, ("shapes-clip", "ssim"), sets, target=target)
    write_study(tmp_path, ("shapes-clip",), sets, target=reverse_of(target), label="shapes-clip@random-0")
    study, _ = read_study([tmp_path])
    found = by_claim(judge_findings(study))
    assert {name for name, finding in found.items() if finding.verdict == "not testable"} == {
        *("base-32", "SigLIP", "BiomedCLIP", "PerceptNet beats")
    }
    assert found["falls"].verdict.startswith("borne out")
    sizes = "shapes-low: 200 of 1,000 test ratings; shapes-middle: 300 of 600 test triplets; shapes-high: 480 of 35,000"
    assert found["falls"].why.startswith(f"(simulated observers; {sizes} test triplets) ")
    assert set(found["falls"].evidence["model"]) == {"shapes-clip"}, "untrained twins do not count"
    assert {panel.dataset for panel in build_panels(study).values()} == set(sets)


def reverse_of(target: Callable[[str, str, str, str], float]) -> Callable[[str, str, str, str], float]:
    return lambda label, dataset, distance, layer: 0.9 - target(label, dataset, distance, layer)


def test_findings_are_of_one_protocol_the_one_of_most_models(tmp_path: Path) -> None:
    for model, protocol in ((BASE_16, "paper"), (BASE_16, "corrected"), (BASE_32, "corrected"), ("ssim", "corrected")):
        write_made(Made(model, "tid2013", 200, clear, protocol=protocol, distances=(NORMALISED,)), tmp_path)
    found = by_claim(judge_findings(read_study([tmp_path])[0]))["baselines"]
    assert found.verdict == "borne out"
    condition = "(corrected protocol; on tid2013 alone; tid2013: 200 of 3,000 ratings)"
    assert found.why == f"{condition} 2 of 2 comparisons are as stated, 2 of them separably."
    assert set(found.evidence["model"]) == {BASE_16, BASE_32}
