"""Runs that may be put side by side come together, and their differences are those of two runs alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from alignbench.study.comparison import compare
from alignbench.study.study import read_study
from factor_grid import MAIN, made
from studies import BASE_16, BASE_32, LARGE_14, SMALL, write_made


def test_a_baseline_stands_beside_every_way_of_measuring_towers(tmp_path: Path) -> None:
    for one in (
        made(BASE_16, "tid2013", "low"),
        made(BASE_32, "tid2013", "low", settings={"tokens": "cls"}),
        made("ssim", "tid2013", "low"),
    ):
        write_made(one, tmp_path)
    study, _ = read_study([tmp_path])
    assert [{run.label for run in group.runs} for group in study.groups] == [{BASE_16, "ssim"}, {BASE_32, "ssim"}]


def test_distances_of_several_runs_of_a_model_come_together(tmp_path: Path) -> None:
    for distance in ("cosine", "euclidean"):
        write_made(replace(made(BASE_16, "tid2013", "low"), distances=(distance,)), tmp_path)
    study, _ = read_study([tmp_path])
    [group] = study.groups
    assert group.distances(BASE_16) == ["cosine", "euclidean"]
    assert study.remarks == ()


# --- Differences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["tid2013", "nights", "things"])
@pytest.mark.parametrize("other", [LARGE_14, "ssim"])
def test_differences_are_those_of_two_runs_alone(root: Path, dataset: str, other: str) -> None:
    study, _ = read_study([root])
    [group] = [group for group in study.groups if group.dataset == dataset]
    runs = {run.label: run.folder for run in group.runs}
    alone = compare(runs[BASE_32], runs[other])
    for distance in ("normalized_euclidean", "cosine"):
        theirs = "ssim" if other == "ssim" else distance
        name = distance if theirs == distance else f"{distance} / {theirs}"
        for place in ("projection", "best layer"):
            rows = alone[(alone["distance"] == name) & (alone["place"] == place)]
            [expected] = rows.to_dict("records")
            found = group.difference((BASE_32, distance), (other, theirs), place)
            for column in ("first", "second", "difference", "ci_low", "ci_high", "p"):
                assert getattr(found, column) == pytest.approx(expected[column], rel=1e-9, abs=1e-12), column
            assert (found.first_layer, found.second_layer) == (expected["first_layer"], expected["second_layer"])
            assert (group.interval, group.clusters) == (expected["interval"], expected["n_clusters"])


def test_ties_count_as_the_protocol_says(tmp_path: Path) -> None:
    found = {}
    for protocol in ("paper", "corrected"):
        for model in (BASE_16, BASE_32):
            folder = write_made(made(model, "nights", "middle", protocol=protocol), tmp_path / protocol)
            path = folder / "distances.safetensors"
            with safe_open(path, framework="np") as file:
                metadata, values = file.metadata(), file.get_tensor(MAIN[0])
            values[:, : 200 if model == BASE_16 else 100] = 0.5  # of two pairs each: 100 and 50 triplets
            save_file({MAIN[0]: values}, path, metadata=metadata)
        study, _ = read_study([tmp_path / protocol])
        [group] = study.groups
        found[protocol] = group.difference((BASE_16, MAIN[0]), (BASE_32, MAIN[0]), "projection").to_row()
        alone = compare(*(run.folder for run in study.runs)).set_index("place").loc["projection"]
        for name in ("first", "second", "difference", "ci_low", "ci_high"):
            assert found[protocol][name] == pytest.approx(alone[name], rel=0, abs=1e-12)
    for name, ties in (("first", 100), ("second", 50)):
        assert found["corrected"][name] - found["paper"][name] == pytest.approx(ties / 2 / SMALL["middle"], abs=1e-12)


def test_the_order_of_judgments_does_not_matter(tmp_path: Path) -> None:
    first, second = (write_made(made(model, "nights", "middle"), tmp_path / "one") for model in (BASE_16, BASE_32))
    [group] = read_study([first, second])[0].groups
    keys = (BASE_16, MAIN[0]), (BASE_32, MAIN[0])
    expected = group.difference(*keys, "best layer").to_row()
    table = pd.read_parquet(second / "judgments.parquet")
    table.sample(frac=1.0, random_state=3).to_parquet(second / "judgments.parquet", index=False)
    [group] = read_study([first, second])[0].groups
    found = group.difference(*keys, "best layer").to_row()
    assert {name: found[name] for name in ("difference", "ci_low", "ci_high")} == pytest.approx(
        {name: expected[name] for name in ("difference", "ci_low", "ci_high")}, rel=0, abs=1e-12
    )


def test_scores_are_those_of_the_curve(root: Path) -> None:
    study, _ = read_study([root])
    for group in study.groups:
        for (label, distance), run in group.series.items():
            rows = run.curve.primary()
            expected = rows.loc[rows["distance"] == distance, "value"].to_numpy()
            np.testing.assert_allclose(group.scores([(label, distance)])[0][:, 0], expected, rtol=0, atol=1e-12)


def test_a_group_says_how_much_of_the_data_it_is_of(root: Path) -> None:
    study, _ = read_study([root])
    assert {group.dataset: group.part for group in study.groups} == {
        "tid2013": "200 of 3,000 ratings",
        "nights": "300 of 20,019 triplets",
        "things": "480 of 15,640 testset1 triplets",
    }


def test_scores_over_shared_objects_vary_together_as_their_difference_does(tmp_path: Path) -> None:
    """Asked for at once, what two curves might have been gives the interval of their difference."""
    objects = np.array([np.random.default_rng(row).choice(40, 3, replace=False) for row in range(480)])
    for model in (BASE_16, BASE_32):
        folder = write_made(made(model, "things", "high", distances=(MAIN[0],)), tmp_path)
        table = pd.read_parquet(folder / "judgments.parquet")
        table["cluster"] = [objects[int(name.removeprefix("judgment "))].tolist() for name in table["id"]]
        table.to_parquet(folder / "judgments.parquet", index=False)
    [group] = read_study([tmp_path])[0].groups
    keys = [(model, MAIN[0]) for model in (BASE_16, BASE_32)]
    one, other = (scores[-1] for scores in group.scores(keys))
    found = group.difference(keys[0], keys[1], "projection")
    assert one[0] - other[0] == pytest.approx(found.difference)
    low, high = np.quantile((one - other)[1:], [0.025, 0.975])
    assert (low, high) == pytest.approx((found.ci_low, found.ci_high), abs=0.1 * (found.ci_high - found.ci_low))
    apart = np.quantile(one[1:] - group.scores([keys[1]])[0][-1, 1:][::-1], [0.025, 0.975])
    assert apart[1] - apart[0] > 1.1 * (high - low), "what one and the other err by is partly the same"
