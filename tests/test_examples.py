"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from documented import ROOT

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "alignbench").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
@pytest.mark.parametrize("module", MODULES)
def test_examples_give_what_they_say(module: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(module))
    assert attempted > 0
    assert failed == 0
