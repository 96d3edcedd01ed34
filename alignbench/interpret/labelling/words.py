"""The labeller `words`: a text goes with a property if one of the property's words stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from alignbench.interpret.labelling.labeller import Agreement, HeadLabel, HeadTexts, LabellerRequest, known_labels
from alignbench.interpret.labelling.word_lists import WordLists, lists_digest

_FEWEST: Final = 2  # texts that must name a property, where there are as many


class WordLabeller:
    """Labels by the property that most texts of a head name, and that at least two do; it abstains from a tie.

    Args:
        properties: The words of each property. They are looked for as whole words, plurals in -s and -es too, in
            whatever letter case.
    """

    asks = False

    def __init__(self, properties: WordLists) -> None:
        self._properties = properties

    @cached_property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return frozenset({f"words {lists_digest(self._properties)}"})

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {"words": lists_digest(self._properties)}

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {
            name: re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})(?:e?s)?\b", re.IGNORECASE)
            for name, words in self._properties.items()
        }

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        """See `Labeller`; a margin is in shares of texts."""
        names = list(self._properties)
        texts = sorted({text for head in heads for text in head.texts})
        named = dict(zip(texts, self.judge(texts, names), strict=True))
        return [self._label([named[text] for text in head.texts]) for head in heads]

    def _label(self, named: Sequence[Agreement]) -> HeadLabel:
        if not named:
            return HeadLabel("")
        counts = np.sum(named, axis=0)
        first, second = np.argsort(-counts, kind="stable")[:2]
        margin = float(counts[first] - counts[second]) / len(named)
        is_clear = counts[first] > counts[second] and counts[first] >= min(_FEWEST, len(named))
        return HeadLabel(list(self._properties)[first] if is_clear else "", margin)

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """See `Labeller`."""
        known_labels("words", labels, self._properties)
        patterns = [self._patterns[label] for label in labels]
        found = [[pattern.search(text) is not None for pattern in patterns] for text in texts]
        return np.array(found, dtype=np.bool_).reshape(len(texts), len(labels))


def make(request: LabellerRequest) -> WordLabeller:
    """Make the labeller of a request.

    Raises:
        UsageError: If the request has what it has no use for.
    """
    request.only("words")
    return WordLabeller(request.properties)
