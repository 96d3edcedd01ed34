"""What a panel shows: which lines, the noise ceiling, what is to be minded of the published values beside them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignbench import LayerCurve
from alignbench.errors import UsageError
from alignbench.report.panels import Ceiling, aligned_by, is_baseline, lay_out_panels
from alignbench.results.layer_curve import COLUMNS
from alignbench.results.published import published_curves
from drawn_curves import baseline_curve, row, tower_curve

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"


def published_again(model: str, n: int) -> LayerCurve:
    """The published values of NIGHTS as if they were ours, of some number of judgments."""
    frame = published_curves()
    frame = frame[(frame["model"] == model) & (frame["dataset"] == "nights")]
    rows = [row(model, "nights", "all", one.distance, one.layer, one.depth, one.value) for one in frame.itertuples()]
    return LayerCurve(pd.DataFrame(rows)[list(COLUMNS)].assign(n=n))


def test_panels_come_by_level_and_a_subset_is_named_where_it_says_something() -> None:
    curves = [tower_curve("m", "nights", subset="test"), tower_curve("m"), tower_curve("m", "nights", subset="train")]
    _, panels = lay_out_panels([*curves, tower_curve("m", "mine")], None)
    assert [panel.title for panel in panels] == [
        "TID2013 (low level)",
        "mine (low level)",
        "NIGHTS, test (middle level)",
        "NIGHTS, train (middle level)",
    ]
    assert [panel.score for panel in panels][1:3] == ["Spearman correlation", "agreement with the choices"]


def test_an_aligned_layer_is_beside_its_line_and_no_point_of_it() -> None:
    plain = tower_curve("m@turned")
    after = plain.frame[plain.frame["layer"] == "layer_1"].assign(layer="layer_1_aligned", value=0.99)
    _, [panel] = lay_out_panels([LayerCurve(pd.concat([plain.frame, after], ignore_index=True))], None)
    [(key, rows)] = panel.aligned.items()
    assert rows["value"].tolist() == [0.99]
    assert len(panel.lines[key]) == 4
    assert aligned_by(rows) == "aligned by turned"


def test_a_panel_of_some_lines_has_their_notes_alone() -> None:
    _, [panel] = lay_out_panels([published_again(BASE_16, 100), published_again(BASE_32, 50)], None)
    assert panel.notes == (
        f"{BASE_16}, ours of 100 judgments, published of 20,019",
        f"{BASE_32}, ours of 50 judgments, published of 20,019",
    )
    keys = [key for key in panel.lines if key.line == BASE_32]
    some = panel.only(keys)
    assert list(some.lines) == list(some.published) == keys
    assert some.notes == ("ours of 50 judgments, published of 20,019",), "there is no need to say whose"
    assert panel.only([]).notes == ()


def test_all_judgments_need_no_note() -> None:
    _, [panel] = lay_out_panels([published_again(BASE_32, 20_019)], None)
    assert panel.notes == ()


def test_two_estimates_of_the_ceiling_go_before_a_published_one() -> None:
    curve = tower_curve("m", "things", subset="testset1")
    values = {"ceiling_max_share": 0.7, "ceiling_loo": 0.6, "ceiling_published": 0.65}
    parts = [curve.frame.assign(metric=name, value=value) for name, value in values.items()]
    _, [panel] = lay_out_panels([LayerCurve(pd.concat([curve.frame, *parts], ignore_index=True))], None)
    assert panel.ceiling == Ceiling("noise ceiling", (0.6, 0.7))
    unknown = parts[0].assign(value=np.nan)
    _, [panel] = lay_out_panels([LayerCurve(pd.concat([curve.frame, unknown], ignore_index=True))], None)
    assert panel.ceiling is None


def test_a_baseline_has_no_depth() -> None:
    _, [alone] = lay_out_panels([baseline_curve("pixels")], None)
    assert not alone.has_depth
    assert all(map(is_baseline, alone.lines.values()))
    _, [both] = lay_out_panels([baseline_curve("pixels"), tower_curve("m")], None)
    assert both.has_depth
    assert [is_baseline(rows) for rows in both.lines.values()] == [True, False]


def test_a_part_that_all_lines_share_is_said_of_the_panel() -> None:
    _, [panel] = lay_out_panels([tower_curve("a", "nights"), tower_curve("b", "nights")], None)
    assert panel.part == "100 of 20,019 triplets"
    whole = LayerCurve(tower_curve("b", "nights").frame.assign(n=20_019))
    _, [panel] = lay_out_panels([tower_curve("a", "nights"), whole], None)
    assert panel.part == "", "its lines say it"


def test_a_panel_of_the_corrected_protocol_names_its_subset() -> None:
    curve = LayerCurve(tower_curve("m", "nights", subset="test").frame.assign(protocol="corrected", n=1_824))
    _, [panel] = lay_out_panels([curve], None)
    assert (panel.title, panel.part) == ("NIGHTS, test (middle level)", "")


@pytest.mark.parametrize(
    ("dataset", "kind", "chance"),
    [("tid2013", "rating", 0.0), ("nights", "preference", 1 / 2), ("things", "choice", 1 / 3), ("nights", "", None)],
)
def test_chance_is_that_of_the_kind_of_judgments(dataset: str, kind: str, chance: float | None) -> None:
    curves = [tower_curve("m", dataset), replace(tower_curve("k", dataset), kind=kind)]
    _, [panel] = lay_out_panels(curves, None)
    assert panel.chance == (None if chance is None else pytest.approx(chance))


def test_the_axis_shows_all_that_is_drawn_chance_and_the_ceiling() -> None:
    curve = tower_curve("m", "nights")
    ceiling = curve.frame.assign(metric="ceiling_loo", value=0.97)
    whole = LayerCurve(pd.concat([curve.frame, ceiling], ignore_index=True), kind="preference")
    high = LayerCurve(whole.frame.assign(ci_low=0.80, ci_high=0.95).assign(value=whole.frame["value"].clip(lower=0.85)))
    high = replace(high, kind="preference")
    _, [panel] = lay_out_panels([high], None)
    low, top = panel.span
    assert low < 0.5 < 0.97 < top
    assert low > 0.4, "no empty half"
    assert top < 1.05
    _, [unknown] = lay_out_panels([replace(high, kind="")], None)
    assert 0.7 < unknown.span[0] < 0.8, "chance that nobody knows takes no room"


def test_scores_that_are_all_missing_leave_an_axis() -> None:
    curve = tower_curve("m", "nights")
    _, [panel] = lay_out_panels([LayerCurve(curve.frame.assign(value=np.nan, ci_low=np.nan, ci_high=np.nan))], None)
    low, top = panel.span
    assert low < top


def test_references_stand_in_panels_of_the_paper_without_a_run_of_their_model() -> None:
    curves = [
        tower_curve("mine", name) for name in ("tid2013", "nights", "things")
    ]  # things: all, no subset of the paper
    _, panels = lay_out_panels(curves, None, [BASE_16, "ssim"])
    names = {panel.dataset: [reference.name for reference in panel.references] for panel in panels}
    both = ["published clip-vit-base-patch16", "published ssim"]
    assert names == {"tid2013": both, "nights": both, "things": []}
    assert "published ssim: 0.554 is given for both TID2013 and NIGHTS" in panels[0].notes
    kept = panels[0].only([])
    assert kept.references == panels[0].references
    assert kept.notes == panels[0].notes
    values = published_curves()
    theirs = values[(values["model"] == BASE_16) & (values["dataset"] == "tid2013") & (values["metric"] == "spearman")]
    low, top = kept.span
    assert low < theirs.loc[theirs["distance"] == "normalized_euclidean", "value"].min() < 0.77 < top


def test_references_follow_the_distances_and_the_protocol() -> None:
    curve = tower_curve("mine", "nights", distances=("normalized_euclidean", "cosine"))
    _, [panel] = lay_out_panels([curve], None, [BASE_16])
    assert [reference.distance for reference in panel.references] == ["normalized_euclidean", "cosine"]
    _, [panel] = lay_out_panels([curve], ["cosine"], [BASE_16])
    assert [reference.name for reference in panel.references] == ["published clip-vit-base-patch16"]
    corrected = LayerCurve(curve.frame.assign(protocol="corrected"))
    with pytest.raises(UsageError, match=f"published of {BASE_16} stands beside"):
        lay_out_panels([corrected], None, [BASE_16])
    _, [panel] = lay_out_panels([baseline_curve("pixels", "nights")], None, [BASE_16])
    assert [reference.distance for reference in panel.references] == ["normalized_euclidean"]
    assert panel.has_depth, "a published tower has layers"


def test_a_line_of_a_model_that_was_trained_on_the_data_has_a_note() -> None:
    told = "trained on NIGHTS' train split"
    curves = [replace(baseline_curve("dreamsim", "nights"), trained_on=told), baseline_curve("pixels", "nights")]
    _, [panel, other] = lay_out_panels([*curves, baseline_curve("dreamsim", "things")], None)
    assert panel.notes[0] == f"dreamsim: {told}"
    assert not any(told in note for note in other.notes)
    dreamsim, pixels = panel.lines
    assert f"dreamsim: {told}" in panel.only([dreamsim]).notes
    assert not any(told in note for note in panel.only([pixels]).notes)
