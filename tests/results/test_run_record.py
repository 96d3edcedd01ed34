"""`run.json` as data: settings come back as they stand, whatever version wrote them; other types are refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.results.run_folder import run_hash
from alignbench.results.run_record import RunRecord, RunSettings

TOWER: dict[str, Any] = {
    **{"model": "mine@turned", "dataset": "tid2013", "data_fingerprint": "d" * 64, "calibration_fingerprint": None},
    **{"protocol": "paper", "subset": ["all"], "parts": ["distortion_01", "level_1"], "limit": 60},
    **{"random_init": False, "seed": 3, "transform": {"name": "turned", "layer": "projection", "sha256": "a" * 64}},
    **{"model_fingerprint": "f" * 64, "distance": ["cosine"], "tokens": "all", "resize": "checkpoint"},
    **{"precision": "fp32"},
}
BASELINE = {name: value for name, value in TOWER.items() if name != "tokens"} | {"transform": None, "resize": 224}


NARROWED = TOWER | {"layers": ["stage_1", "classifier.3"]}


@pytest.mark.parametrize("stored", [TOWER, BASELINE])
def test_settings_come_back_as_they_stand(stored: dict[str, Any]) -> None:
    found = RunSettings.from_json(stored)
    assert json.dumps(found.to_json()) == json.dumps(stored), "in this order too"
    assert run_hash(found.to_json()) == run_hash(stored)
    assert not found.lacking
    assert not found.others


def test_layers_are_a_setting_only_where_they_are_not_the_usual_ones() -> None:
    plain, narrowed = RunSettings.from_json(TOWER), RunSettings.from_json(NARROWED)
    assert plain.layers is None
    assert narrowed.layers == ("stage_1", "classifier.3")
    assert narrowed.to_json() == NARROWED
    assert run_hash(plain.to_json()) != run_hash(narrowed.to_json())
    assert not plain.lacking
    with pytest.raises(ValueError, match=r"^its setting layers is not a list of texts$"):
        RunSettings.from_json(TOWER | {"layers": "stage_1"})


def test_settings_that_are_made_are_those_that_are_read() -> None:
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in BASELINE.items()}
    made = RunSettings(**known)
    assert made.to_json() == BASELINE
    assert made == RunSettings.from_json(BASELINE)


def test_the_hash_of_settings_is_what_it_was() -> None:
    assert run_hash(RunSettings.from_json(TOWER).to_json()) == "a0c50258"


@given(st.sets(st.sampled_from(sorted(TOWER))), st.dictionaries(st.text(), st.none() | st.integers() | st.text()))
def test_settings_of_another_version_survive(left: set[str], further: dict[str, Any]) -> None:
    stored = {name: value for name, value in TOWER.items() if name in left} | {
        name: value for name, value in further.items() if name not in NARROWED
    }
    found = RunSettings.from_json(stored)
    assert found.to_json() == stored
    assert run_hash(found.to_json()) == run_hash(stored)
    assert found.lacking == set(TOWER) - left - {"tokens"}
    assert set(found.others) == set(stored) - set(TOWER)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": 3}, "its setting model is not a text"),
        ({"subset": "all"}, "its setting subset is not a list of texts"),
        ({"subset": [1]}, "its setting subset is not a list of texts"),
        ({"limit": "60"}, "its setting limit is not a whole number or null"),
        ({"seed": True}, "its setting seed is not a whole number"),
        ({"random_init": 0}, "its setting random_init is not true or false"),
        ({"precision": None}, "its setting precision is not a text"),
    ],
)
def test_a_setting_of_another_type_is_said(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        RunSettings.from_json(TOWER | change)


def test_a_record_keeps_what_it_does_not_know() -> None:
    found = RunRecord.from_json({"label": "mine", "settings": TOWER, "kind": "rating", "images": 9, "mood": "fine"})
    assert (found.label, found.kind, found.images, found.settings.seed) == ("mine", "rating", 9, 3)
    assert found.details == {"mood": "fine"}
    assert (found.observers, found.timing, found.peak_memory_gb, found.transform) == ("", {}, None, None)


def test_what_few_runs_have_stands_in_the_file_only_where_it_says_something() -> None:
    plain = RunRecord.from_json({"label": "mine", "settings": TOWER})
    assert (plain.projection, plain.trained_on) == ("", "")
    assert not {"projection", "trained_on", "transform"} & set(plain.to_json())
    told = {"projection": "the class token", "trained_on": "trained on NIGHTS' train split"}
    found = RunRecord.from_json({"label": "mine", "settings": TOWER, **told})
    assert found.to_json().items() >= told.items()
    assert run_hash(found.settings.to_json()) == run_hash(TOWER), "they change no number"
    with pytest.raises(ValueError, match=r"^its trained_on is not a text$"):
        RunRecord.from_json({"label": "mine", "settings": TOWER, "trained_on": ["nights"]})


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ([1, 2], "it has no label or settings"),
        (5, "it has no label or settings"),
        ({"label": "mine"}, "it has no label or settings"),
        ({"label": "mine", "settings": []}, "its settings are no object"),
        ({"label": None, "settings": {}}, "its label is not a text"),
        ({"label": "mine", "settings": {}, "versions": "3.12"}, "its versions is not an object"),
        ({"label": "mine", "settings": {}, "images": 1.5}, "its images is not a whole number or null"),
    ],
)
def test_a_record_that_is_none_is_said(stored: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        RunRecord.from_json(stored)
