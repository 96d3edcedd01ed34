"""What the page of a study is made of: which runs, a factor and findings, and the rows that its curves are held to."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from alignbench.study.factors import Factor, FactorOption
from alignbench.study.findings import Finding
from studies import BASE_16, BASE_32, DATASETS

SIZES = {"tid2013": 50, "nights": 60, "things": 80}
TWINS = tuple(f"{BASE_32}@random-{seed}" for seed in range(2))
LABELS = (BASE_16, BASE_32, *TWINS, "pixels", "ssim")
MAIN, COSINE = "normalized_euclidean", "cosine"
VERDICTS = ("borne out", "by value only", "contradicted", "undecided", "untestable")


def difference(dataset: str, place: str, value: float, low: float, high: float, **changed: object) -> dict[str, object]:
    first, second = ("layer_2", "layer_9") if place == "best layer" else ("projection", "projection")
    return {
        **{"dataset": dataset, "level": DATASETS[dataset], "protocol": "paper", "subset": "all", "distance": MAIN},
        **{"place": place, "first": BASE_16, "second": BASE_32, "first_layer": first, "second_layer": second},
        **{"value_first": 0.5 + value, "value_second": 0.5, "difference": value},
        **{"ci_low": (low + value) / 2, "ci_high": (high + value) / 2, "corrected_low": low, "corrected_high": high},
        **{"p": 0.01, "p_corrected": 0.04, "separable": low > 0 or high < 0, "n": 1_234, "n_clusters": 25},
        **{"interval": "cluster jackknife t", "part": "", "way": "", "floored": False},
        **{"smallest": 0.2, "corrected_smallest": 0.25},
        **changed,
    }


def architecture() -> Factor:
    differences = [
        difference("tid2013", "projection", 0.1, 0.05, 0.15),
        difference("tid2013", "best layer", -0.02, -0.06, 0.02),
        difference("nights", "projection", 0.01, -0.2, 0.22, distance=COSINE),
    ]
    return Factor(
        "architecture",
        "Does alignment change with the size of the patches?",
        (FactorOption(BASE_16, "base-16"), FactorOption(BASE_32, "base-32")),
        pd.DataFrame({"factor": ["patch size"], "base-16": ["16 px"], "base-32": ["32 px"]}),
        pd.DataFrame(differences),
        ("Intervals are over stimuli, not trained models.", "There is one checkpoint for each option."),
    )


def findings() -> list[Finding]:
    evidence = pd.DataFrame(
        {"model": ["m"], "peak_depth": [12.3456], "judgments": [3_000], "early": [True], "p_corrected": [0.0004]}
    )
    return [
        Finding(
            *(f"Claim {index}.", f"Rule {index}.", verdict, evidence),
            *(f"Why {index}.", f"Theirs {index}.", f"Rests on {index}.", f"Aside {index}."),
        )
        for index, verdict in enumerate(VERDICTS)
    ]


def select_rows(folders: list[Path], label: str, dataset: str, distance: str) -> list[dict[str, str]]:
    """The main rows of a run's `curve.csv`, in the order of depth."""
    [folder] = [path for path in folders if path.name.startswith(f"{label.replace('/', '--')}__{dataset}__")]
    with (folder / "curve.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["distance"] == distance]
    main_rows = [row for row in rows if row["metric"] in ("spearman", "accuracy")]
    return sorted(main_rows, key=lambda row: float(row["depth"]))


def values_of(rows: list[dict[str, str]], column: str = "value") -> list[float]:
    return [float(row[column]) for row in rows]
