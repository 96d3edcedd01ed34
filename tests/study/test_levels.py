"""Curves and panels as findings look at them: the best of a curve, which runs a level takes, the published values."""

from pathlib import Path

import numpy as np
import pytest

from alignbench.study.levels import LevelPanels, Scored, build_panels, published_panels
from alignbench.study.study import read_study
from studies import BASE_16, BASE_32, Made, as_published, published, write_made

MAIN = ("normalized_euclidean",)


def test_the_best_is_taken_before_the_projection() -> None:
    scores = np.array([[0.5, 0.9, np.nan], [0.6, 0.2, 0.3], [0.8, 0.1, 0.7]])
    curve = Scored(np.array([2.5, 97.5, 100.0]), True, scores)
    assert (curve.best, curve.highest) == (0.6, 0.8)
    np.testing.assert_array_equal(curve.block_depths, [2.5, 97.5])
    without = Scored(curve.depths, False, scores)
    assert without.best == without.highest == 0.8
    alone = Scored(np.array([100.0]), True, scores[2:])
    assert alone.best == 0.8, "a projection alone is its own best layer"


def test_a_curve_is_scored_if_a_layer_before_the_projection_is() -> None:
    scores = np.array([[np.nan], [0.2], [0.8]])
    depths = np.array([2.5, 97.5, 100.0])
    assert Scored(depths, True, scores).is_scored
    assert Scored(depths, True, scores).best == 0.2
    nothing = Scored(depths[1:], True, scores[::2])
    assert not nothing.is_scored
    assert np.isnan(nothing.best)


def test_a_model_that_was_measured_twice_counts_once_for_a_protocol(tmp_path: Path) -> None:
    for size, protocol in ((200, "paper"), (200, "corrected"), (100, "corrected")):
        write_made(Made(BASE_16, "tid2013", size, as_published, protocol=protocol, distances=MAIN), tmp_path)
    assert build_panels(read_study([tmp_path])[0])["low"].protocol == "paper"


def test_people_go_before_simulated_observers_and_the_papers_subset_before_others(tmp_path: Path) -> None:
    runs = (Made(BASE_16, "nights", 40, as_published, MAIN), Made(BASE_16, "shapes-middle", 40, lambda *_: 0.9, MAIN))
    folders = [write_made(made, tmp_path) for made in runs]
    assert datasets(build_panels(read_study(folders)[0])) == {"middle": "nights"}
    assert datasets(build_panels(read_study(folders[1:])[0])) == {"middle": "shapes-middle"}


def test_simulated_observers_do_not_stand_in_for_people_of_whom_the_papers_models_lack(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "shapes-middle", 40, lambda *_: 0.9, MAIN), tmp_path)
    write_made(Made(BASE_16, "nights", 40, lambda *_: 0.6, MAIN, label="mine"), tmp_path)
    assert build_panels(read_study([tmp_path])[0]) == {}


def test_a_panel_holds_trained_models_and_baselines_by_their_published_names(tmp_path: Path) -> None:
    for made in (
        Made(BASE_32, "nights", 40, as_published, MAIN, label="clip-vit-base-patch32"),
        Made(BASE_32, "nights", 40, as_published, MAIN, label=f"{BASE_32}@random-0"),
        Made("ssim", "nights", 40, as_published),
    ):
        write_made(made, tmp_path)
    panel = build_panels(read_study([tmp_path])[0])["middle"]
    assert set(panel.curves) == {(BASE_32, MAIN[0])}, "an untrained twin is no model"
    assert set(panel.baselines) == {"ssim"}
    assert panel.chance == 0.5
    assert panel.by_folder == ("clip-vit-base-patch32",)
    assert panel.sampled == "40 clusters of 40 judgments"
    assert panel.models(MAIN[0]) == [BASE_32]
    assert panel.models(MAIN[0], "cosine") == []


def test_the_papers_own_checkpoint_goes_before_a_folder_of_its_name(tmp_path: Path) -> None:
    for label, score in (("clip-vit-base-patch32", 0.6), (BASE_32, 0.8)):
        made = Made(BASE_32, "nights", 200, lambda *_, score=score: score, MAIN, label=label)
        write_made(made, tmp_path)
    panel = build_panels(read_study([tmp_path])[0])["middle"]
    assert panel.curves[BASE_32, MAIN[0]].best == pytest.approx(0.8, abs=0.01)
    assert panel.by_folder == ()


def test_other_models_and_metrics_have_no_part_in_a_panel_nor_in_its_choice(tmp_path: Path) -> None:
    """Three models of a user by the corrected protocol, which would be that of most models."""
    write_made(Made(BASE_16, "nights", 40, as_published, MAIN), tmp_path)
    write_made(Made("ms-ssim", "nights", 40, as_published), tmp_path)
    for label in ("my/a", "my/b", "my/c"):
        write_made(Made(BASE_16, "nights", 40, lambda *_: 0.9, MAIN, label=label, protocol="corrected"), tmp_path)
        write_made(Made(BASE_16, "nights", 40, lambda *_: 0.9, MAIN, label=label), tmp_path)
    panel = build_panels(read_study([tmp_path])[0])["middle"]
    assert panel.protocol == "paper"
    assert set(panel.curves) == {(BASE_16, MAIN[0])}
    assert panel.baselines == {}
    users = [folder for folder in tmp_path.iterdir() if folder.name.startswith("my")]
    assert build_panels(read_study(users)[0]) == {}


def test_variants_of_a_baseline_are_known_by_its_name(tmp_path: Path) -> None:
    for name in (BASE_16, "lpips-alex", "lpips-vgg", "pixels"):
        write_made(Made(name, "nights", 40, as_published, MAIN), tmp_path)
    panel = build_panels(read_study([tmp_path])[0])["middle"]
    assert sorted(panel.variants("lpips")) == ["lpips-alex", "lpips-vgg"]
    assert panel.variants("pixels") == ["pixels"]
    assert panel.variants("ssim") == []


def test_a_panel_holds_the_share_of_the_strongest_channel_where_the_run_tells_it(tmp_path: Path) -> None:
    shares = np.linspace(0.1, 0.9, 14)
    write_made(Made(BASE_16, "nights", 40, as_published, MAIN, shares=tuple(shares)), tmp_path)
    write_made(Made(BASE_32, "nights", 40, as_published, MAIN), tmp_path)
    panel = build_panels(read_study([tmp_path])[0])["middle"]
    assert set(panel.shares) == {BASE_16}
    np.testing.assert_allclose(panel.shares[BASE_16], shares)


def test_published_panels_have_the_published_scores_and_no_resamples() -> None:
    panels = published_panels()
    assert datasets(panels) == {"low": "tid2013", "middle": "nights", "high": "things"}
    assert [panel.chance for panel in panels.values()] == pytest.approx([0, 1 / 2, 1 / 3])
    for panel in panels.values():
        known = [value for (model, name, distance, _), value in published().items()
                 if (model, name, distance) == (BASE_16, panel.dataset, MAIN[0])]  # fmt: skip
        curve = panel.curves[BASE_16, MAIN[0]]
        assert curve.scores.shape == (14, 1)
        assert sorted(curve.scores[:, 0]) == sorted(known)
        assert panel.baselines["ssim"] == published()["ssim", panel.dataset, "ssim", "image"]


def datasets(panels: LevelPanels) -> dict[str, str]:
    return {level: panel.dataset for level, panel in panels.items()}
