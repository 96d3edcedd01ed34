"""Triplets with the pictures that they name, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from alignbench.alignet.training.triplet_data import described, digest_of, open_data


def test_only_pictures_that_a_triplet_names_are_there(inputs: Path) -> None:
    triplets, pictures = open_data(inputs / "labels", inputs / "pictures")
    assert "a/other.png" not in pictures.names
    assert triplets.names == pictures.names
    names = json.loads((inputs / "labels/names.json").read_text())
    rows = np.load(inputs / "labels/triplets.npy")
    assert [[pictures.names[i] for i in row] for row in triplets.triplets] == [[names[i] for i in row] for row in rows]
    assert np.array_equal(triplets.similarities, np.load(inputs / "labels/similarities.npy"))
    told = described(triplets, "mine")
    assert (told["triplets_of"], told["triplets"], told["pictures"]) == ("mine", 37, 12)


def test_whatever_a_step_sees_is_in_the_digest(inputs: Path) -> None:
    triplets, _ = open_data(inputs / "labels", inputs / "pictures")
    changed = (
        {"names": triplets.names[::-1]},
        {"triplets": triplets.triplets[::-1]},
        {"similarities": triplets.similarities + np.float32(1)},
    )
    digests = [digest_of(each) for each in (triplets, *(replace(triplets, **change) for change in changed))]  # type: ignore[arg-type]
    assert len(set(digests)) == 4
    assert digest_of(open_data(inputs / "labels", inputs / "pictures")[0]) == digests[0]
