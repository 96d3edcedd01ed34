"""What a transform has seen, everything it is judged on, and the folder that is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.datasets import shapes
from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.datasets.judgments import Judgments
from alignbench.errors import UsageError
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation.leakage import judged_triplets
from alignbench.transforms.evaluation.run import Evidence, Labelled, evaluate
from judged_transforms import embed_pictures, matrix_of, told, transform


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))


# --------------------------------------------------------------------------------------------- everything


def all_evidence(triplets: Judgments, pictures: Path) -> Evidence:
    images, labels, _ = labelled_folder(pictures)
    return Evidence(
        dataset="shapes-high",
        judgments=triplets,
        ceiling=0.7,
        matrices=(matrix_of(pictures),),
        local=("local", image_folder(pictures)),
        labelled=Labelled("classes", images, labels),
    )


def test_everything_there_is_makes_one_table(triplets: Judgments, pictures: Path) -> None:
    evidence = all_evidence(triplets, pictures)
    found = evaluate(transform(dataset="things", local_images=None), evidence, embed_pictures)
    counts = {"rsa": 4, "odd-one-out": 2, "local structure": 6, "few-shot": 1, "anomaly": 1}
    assert [row.task for row in found.rows] == [task for task, count in counts.items() for _ in range(count)]
    assert {row.sample for row in found.rows} == {"not seen"}
    assert found.title == "people"
    assert [row.data for row in found.rows if row.task in ("odd-one-out", "few-shot")] == ["shapes-high"] * 2 + [
        "classes"
    ]


def test_similarities_are_those_of_the_first_evidence(triplets: Judgments, pictures: Path) -> None:
    evidence = all_evidence(triplets, pictures)
    chosen = transform(dataset="things", local_images=None)

    def cosine(x: Floats) -> Floats:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return np.asarray(x @ x.T)

    def after(x: Floats) -> Floats:
        return np.asarray((x - 0.1) / 1.2 @ chosen.transform.weights + 0.3)

    people = evaluate(chosen, evidence, embed_pictures)
    x = embed_pictures(evidence.matrices[0].images)
    np.testing.assert_allclose(people.matrices["before"], cosine(x), atol=1e-12)
    np.testing.assert_allclose(people.matrices["after"], cosine(after(x)), atol=1e-12)
    said = people.matrices["people"]
    assert said[3, 1] == said[1, 3] == -evidence.matrices[0].values[23 + 1]  # pairs of 0 come first, then (1, 2)
    assert np.isnan(np.diagonal(said)).all()
    learned = transform(**told(triplets, slice(0, 20)))
    choices = evaluate(learned, replace(evidence, matrices=()), embed_pictures)
    assert choices.title == "shapes-high, not seen"
    kept = np.unique(judged_triplets(learned, "shapes-high", triplets, False)[0])
    np.testing.assert_allclose(choices.matrices["before"], cosine(embed_pictures(triplets.images)[kept]), atol=1e-12)
    shuffled = evidence.labelled
    assert shuffled is not None
    labels = np.tile([1, 0], 12)
    classes = evaluate(chosen, Evidence(labelled=replace(shuffled, labels=labels)), embed_pictures)
    by_class = embed_pictures(shuffled.images)[np.argsort(labels, kind="stable")]
    np.testing.assert_allclose(classes.matrices["before"], cosine(by_class), atol=1e-12)


def test_evidence_that_cannot_be_used_is_refused(triplets: Judgments, pictures: Path) -> None:
    with pytest.raises(UsageError, match="nothing to judge the transform on: name triplets, matrices, or folders"):
        evaluate(transform(), Evidence(), embed_pictures)
    with pytest.raises(UsageError, match="unknown similarity 'cosin': did you mean cosine"):
        evaluate(transform(), Evidence("shapes-high", triplets, similarity="cosin"), embed_pictures)
    with pytest.raises(UsageError, match="shapes-low has no odd-one-out triplets"):
        evaluate(transform(), Evidence("shapes-low", shapes.read("low", None, ("test",)).limited(4)), embed_pictures)
    with pytest.raises(UsageError, match="the human matrix people is named twice: name one folder of it"):
        evaluate(transform(), Evidence(matrices=(matrix_of(pictures),) * 2), embed_pictures)
