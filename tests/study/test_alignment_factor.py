"""What aligning a layer changes is a paired difference within one run, said with what it may not be taken for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from alignbench.study.alignment_factor import compare_alignment
from alignbench.study.study import read_study
from studies import BASE_32, Made, as_published, write_made

NAMES = ("normalized_euclidean", "cosine")


def aligned(root: Path, dataset: str = "nights") -> Path:
    """A run of 120 choices whose projection is aligned by a transform that finds every chosen pair."""
    settings = {"transform": {"name": "turned", "layer": "projection", "sha256": "0" * 64}}
    target = as_published if dataset == "nights" else (lambda *_: 0.6)
    made = Made(BASE_32, dataset, 120, target, NAMES, label=f"{BASE_32}@turned", settings=settings)
    folder = write_made(made, root)
    judgments = pd.read_parquet(folder / "judgments.parquet")
    perfect = np.ones(240)
    for pairs, chosen in zip(judgments["pairs"], judgments["value"].astype(int), strict=True):
        perfect[pairs[chosen]] = 0.5
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = [*json.loads(file.metadata()["layers"]), "projection_aligned"]
        arrays = {name: np.vstack([file.get_tensor(name), perfect]) for name in NAMES}
    save_file(arrays, folder / "distances.safetensors", metadata={"layers": json.dumps(layers)})
    curve = pd.read_csv(folder / "curve.csv")
    after = curve[curve["layer"] == "projection"].assign(layer="projection_aligned", value=1.0)
    pd.concat([curve, after]).to_csv(folder / "curve.csv", index=False)
    return folder


def test_the_layer_after_the_transform_stands_against_the_layer_before(tmp_path: Path) -> None:
    folder = aligned(tmp_path)
    study, skipped = read_study([folder])
    assert not skipped
    factor = compare_alignment(study)
    assert factor is not None
    assert [option.label for option in factor.options] == [f"{BASE_32}@turned", BASE_32]
    assert factor.differs.empty
    table = factor.differences.set_index("distance")
    assert list(table.index) == list(NAMES)
    before = pd.read_csv(folder / "curve.csv").query("layer == 'projection'").set_index("distance")["value"]
    for name, row in table.iterrows():
        assert (row["value_first"], row["value_second"]) == pytest.approx((1.0, before[name]), abs=1e-12)
        assert row["difference"] == pytest.approx(1.0 - before[name], abs=1e-12)
        assert 0 < row["ci_low"] < row["difference"] < row["ci_high"]
        assert (row["first_layer"], row["second_layer"], row["place"]) == (
            *("projection_aligned", "projection", "projection"),
        )
        assert (row["n"], row["n_clusters"], bool(row["separable"])) == (120, 120, True)
    np.testing.assert_allclose(table["p_corrected"], 2 * table["p"])
    assert (table["corrected_low"] < table["ci_low"]).all()
    assert "for the 2 rows of this table" in factor.notes[0]
    assert not any("simulated" in note for note in factor.notes)


def test_simulated_observers_are_said(tmp_path: Path) -> None:
    factor = compare_alignment(read_study([aligned(tmp_path, "shapes-middle")])[0])
    assert factor is not None
    assert factor.notes[-1] == "The judgments of shapes-middle are those of simulated observers, not of people."


def test_without_an_aligned_layer_there_is_no_factor(tmp_path: Path) -> None:
    write_made(Made(BASE_32, "nights", 40, as_published, NAMES), tmp_path)
    assert compare_alignment(read_study([tmp_path])[0]) is None
