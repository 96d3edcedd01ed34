"""Captions say of the judgments behind a table what is so, and nothing else."""

import pandas as pd

from alignbench.report.tables.captions import condition_text, told_of_data

ROW = {
    **{"dataset": "things", "subset": "testset1", "metric": "accuracy", "part": "", "chance": 1 / 3, "kind": "model"},
    **{"observers": "people", "interval": "percentile cluster bootstrap", "ceiling": "noise ceiling"},
    **{"protocol": "paper", "tokens": "all", "precision": "fp32", "resize": "checkpoint"},
}


def said(*rows: dict[str, object]) -> str:
    return " ".join(told_of_data(pd.DataFrame([ROW | row for row in rows]), []))


def test_a_whole_data_set_of_people_needs_few_words() -> None:
    text = said({})
    assert text == (
        "In brackets: 95 % intervals over stimuli, each of one score alone (a percentile bootstrap of clusters). "
        "Scores on THINGS are shares of the choices that a model agrees with. Chance is 1/3 on THINGS. "
        "Ceiling: noise ceiling on THINGS. "
        "Paper protocol, all tokens, fp32, pictures prepared as the checkpoint says."
    )


def test_parts_and_simulated_observers_are_named() -> None:
    simulated = {"dataset": "shapes-low", "observers": "simulated observers", "chance": 0.0, "metric": "spearman"}
    text = said({"part": "10 of 20 triplets"}, simulated)
    assert "Only a part of the data was measured: THINGS: 10 of 20 triplets." in text
    assert "shapes-low: simulated observers, not human data." in text
    assert "Chance is 1/3 on THINGS and 0 on shapes-low." in text
    assert "Scores on shapes-low are Spearman correlations." in text


def test_nothing_is_said_of_what_there_is_none_of() -> None:
    text = said({"interval": "none", "chance": None, "ceiling": None})
    assert "interval" not in text
    assert "Chance" not in text
    assert "eiling" not in text


def test_conditions_are_said_in_words() -> None:
    assert condition_text({"protocol": "corrected", "tokens": "", "resize": "squash"}) == (
        "corrected protocol, pictures resized: squash"
    )
    assert condition_text({"tokens": "cls"}) == "cls tokens"
