"""Labellers by their names, our own and those of plug-ins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.labelling.labeller import (
    LABELLERS,
    Labeller,
    LabellerRequest,
    known_labels,
    make_labeller,
)
from distributions import write_distribution

PLUG_IN = """
import numpy as np
class Own:
    identities, settings, asks = frozenset({"own"}), {}, False
    def label(self, heads): return []
    def judge(self, texts, labels): return np.ones((len(texts), len(labels)), dtype=bool)
def make(request): return Own()
def broken(request): return object()
"""


def test_ours_are_known_by_name() -> None:
    assert LABELLERS.names()[:5] == ["words", "prototypes", "file", "transformers", "endpoint"]
    for _, make in LABELLERS.own():
        assert callable(make)
    with pytest.raises(UsageError, match="unknown labeller 'word': did you mean words"):
        make_labeller("word", LabellerRequest({}))


def test_a_plug_in_labels_and_one_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "own = own_labels:make\nbroken = own_labels:broken"
    write_distribution(tmp_path / "it", "own-labels", "1.0", f"[alignbench.labellers]\n{entries}\n")
    (tmp_path / "it/own_labels.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path / "it")
    monkeypatch.delitem(sys.modules, "own_labels", raising=False)
    made = make_labeller("own", LabellerRequest({}))
    assert isinstance(made, Labeller)
    assert made.judge(["a"], ["b", "c"]).shape == (1, 2)
    with pytest.raises(UsageError, match=r"labeller 'broken' of own-labels 1.0 has no identities: correct or"):
        make_labeller("broken", LabellerRequest({}))


def test_requests_are_what_a_labeller_takes() -> None:
    request = LabellerRequest({}, model="m", url="u")
    request.only("it", "model", "url", "examples")
    with pytest.raises(UsageError, match="it takes no --url: leave it out"):
        request.only("it", "model")
    with pytest.raises(UsageError, match="it needs --file: give it"):
        request.only("it", "model", "url", "file")
    with pytest.raises(UsageError, match=r"it cannot judge the label 'b', .* it knows a, c"):
        known_labels("it", ["a", "b"], {"a": 1, "c": 2})
