"""What rules need: models and baselines by level, and models that have all three levels."""

import numpy as np

from alignbench.study.levels import Scored
from alignbench.study.rules.needs import everywhere, missing
from level_panels import COSINE, DEPTHS, NORMALISED, flat, panel
from level_panels import everywhere as everywhere_panels
from studies import BASE_16, BASE_32, LARGE_14, LARGE_336

SIZES = (BASE_32, BASE_16, LARGE_14, LARGE_336)
LEVELS = ("low", "middle", "high")


def test_what_lacks_is_named_with_its_data_sets() -> None:
    panels = everywhere_panels({BASE_16: 0.7, LARGE_14: 0.7, BASE_32: 0.8})
    assert missing(panels, SIZES[:3], LEVELS) is None
    found = missing(panels, SIZES, LEVELS)
    assert found is not None
    assert (found.verdict, found.why) == (
        "untestable",
        f"Needs {LARGE_336} on TID2013, NIGHTS, THINGS (with normalized_euclidean).",
    )
    del panels["high"]
    found = missing(panels, SIZES, LEVELS)
    assert found is not None
    assert found.why == (
        f"Needs {LARGE_336} on TID2013, NIGHTS, THINGS; {BASE_32}, {BASE_16}, {LARGE_14} on THINGS "
        "(with normalized_euclidean)."
    )


def test_a_baseline_is_needed_as_well_by_itself_or_as_a_variant() -> None:
    panels = {"low": panel("low", {(BASE_16, NORMALISED): flat(0.7)}, {"lpips-vgg": 0.5})}
    assert missing(panels, (BASE_16,), ("low",), "lpips") is None
    found = missing(panels, (BASE_16,), ("low",), "pixels")
    assert found is not None
    assert found.why == "Needs pixels on TID2013."


def test_models_count_that_have_a_score_of_the_normalised_distance_at_all_levels() -> None:
    panels = everywhere_panels({BASE_16: 0.7, BASE_32: 0.8, LARGE_14: 0.6})
    nothing = Scored(DEPTHS, True, np.full((6, 1001), np.nan))
    curves = {(BASE_16, NORMALISED): flat(0.5), (BASE_32, COSINE): flat(0.5), (LARGE_14, NORMALISED): nothing}
    panels["high"] = panel("high", curves)
    assert everywhere(panels) == [BASE_16]
    del panels["middle"]
    assert everywhere(panels) == []
