"""Scores of labelled heads where the truth is known: do their intervals cover it, and is their baseline fair?

    python benchmarks/head_labels.py [--worlds 100] [--images 100] [--resamples 100] [--first 0]

Texts have a property each, which the labeller `words` sees. Coverage: a head's contributions are a sum over eight
texts, more or less of one property, and noise; the truth is the scores on 20,000 images, and the interval is made of
`--images`. Fairness: picks of heads are drawn from all texts at random, so that no head has a subject of its own; a
p-value of the baseline should be at most 0.05 in at most 5 % of the worlds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.interpret.labelling.dealing import deal
from alignbench.interpret.labelling.head_picks import HeadPicks, even
from alignbench.interpret.labelling.measures import BETTER, judged, measures
from alignbench.interpret.labelling.score_tables import score_rows
from alignbench.interpret.labelling.scoring import Anew, measured
from alignbench.interpret.labelling.words import WordLabeller
from alignbench.interpret.pick_stability import image_draws, stability_of_heads
from alignbench.interpret.text_span import textspan
from workload import machine

HEADS, WIDTH, TEXTS, PROPERTIES, PICKS = 16, 24, 120, 6, 10
TRUTH = 20_000
NAMES = tuple(f"p{number}" for number in range(PROPERTIES))
OF = np.arange(TEXTS) % PROPERTIES
LINES = tuple(f"w{OF[number]} t{number}" for number in range(TEXTS))
LABELLER = WordLabeller({name: (f"w{name[1:]}",) for name in NAMES})
AGREEMENT = OF[:, None] == np.arange(PROPERTIES)
Booleans = NDArray[np.bool_]


def labels_of(picks: Indices) -> Indices:
    """Number of each head's label, -1 where the labeller abstains."""
    places = tuple((1, head) for head in range(len(picks)))
    heads = HeadPicks(Path(), {}, len(picks), TRUTH, places, LINES, picks, None).labelled_by(picks)
    numbers = {name: number for number, name in enumerate(NAMES)} | {"": -1}
    return np.array([numbers[found.label] for found in LABELLER.label(heads)])


def scored(picks: Indices) -> dict[str, float]:
    return measures(judged(labels_of(picks), even(picks), AGREEMENT))


def anew(picks: Indices) -> pd.DataFrame:
    """Scores of picks that were made often, (times, heads, picks)."""
    labels = np.array([labels_of(each) for each in picks]).reshape(picks.shape[:2])
    return measured(Anew(even(picks), labels), AGREEMENT, False)


def planted(seed: int) -> tuple[Floats, list[tuple[Indices, Floats]]]:
    """Directions of texts, and the texts of each head with their strengths."""
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(TEXTS, WIDTH))
    heads = []
    for _ in range(HEADS):
        of_one = rng.choice(np.flatnonzero(rng.integers(PROPERTIES) == OF), 8)
        mixed = np.where(rng.random(8) < rng.uniform(0.3, 1), of_one, rng.integers(0, TEXTS, 8))
        heads.append((mixed, np.sort(rng.uniform(0.3, 1, 8))[::-1]))
    return texts / np.linalg.norm(texts, axis=1, keepdims=True), heads


def contributions(texts: Floats, heads: list[tuple[Indices, Floats]], images: int, seed: int) -> list[Floats]:
    rng = np.random.default_rng([seed, images])
    return [
        (rng.normal(size=(images, 8)) * strengths) @ texts[own] + 0.3 * rng.normal(size=(images, WIDTH))
        for own, strengths in heads
    ]


def coverage(worlds: range, images: int, resamples: int) -> pd.DataFrame:
    """Share of the worlds in which the interval has the truth in it, and mean truth, score and length."""
    rows = []
    for seed in worlds:
        texts, heads = planted(seed)
        truth = scored(np.array([textspan(x, texts, PICKS).indices for x in contributions(texts, heads, TRUTH, seed)]))
        seen = contributions(texts, heads, images, seed)
        spans = [textspan(x, texts, PICKS) for x in seen]
        again = stability_of_heads(zip(seen, spans, strict=True), texts, image_draws(images, resamples, seed))
        drawn = np.stack([each.picks for each in again], axis=1)
        found = score_rows(scored(np.array([span.indices for span in spans])), anew(drawn), anew(drawn[:0]))
        for row in found.itertuples():
            true = truth[row.measure]
            if np.isfinite([true, row.low]).all():
                is_in = row.low - 1e-9 <= true <= row.high + 1e-9
                rows.append((row.measure, is_in, true, row.value, row.high - row.low))
    table = pd.DataFrame(rows, columns=["measure", "covered", "truth", "value", "length"])
    return table.groupby("measure", sort=False).mean()


def fairness(worlds: int, picks: int, permutations: int = 99) -> pd.DataFrame:
    """Share of the worlds in which p is at most 0.05."""
    rows = []
    for seed in range(worlds):
        rng = np.random.default_rng([7, seed])
        found = np.stack([rng.permutation(TEXTS)[:picks] for _ in range(HEADS)])
        dealt = found.ravel()[deal(found, permutations, seed)]
        table = score_rows(scored(found), anew(found[None][:0]), anew(dealt))
        rows += [(row.measure, row.p <= 0.05) for row in table.itertuples() if BETTER[row.measure] and row.p == row.p]
    return pd.DataFrame(rows, columns=["measure", "p <= 0.05"]).groupby("measure", sort=False).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=100)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first world")
    arguments = parser.parse_args()
    print(machine())
    print(f"{arguments.worlds} worlds of {HEADS} heads; intervals by {arguments.images} images, then the baseline's p")
    worlds = range(arguments.first, arguments.first + arguments.worlds)
    print(coverage(worlds, arguments.images, arguments.resamples).round(3).to_string(), flush=True)
    print(fairness(arguments.worlds * 5, PICKS).round(3).to_string())


if __name__ == "__main__":
    main()
