"""The labeller `prototypes`: which property's words are nearest to a text, to an encoder other than the tested one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import ModelError, UsageError
from alignbench.interpret.labelling.labeller import Agreement, HeadLabel, HeadTexts, LabellerRequest, known_labels
from alignbench.interpret.labelling.word_lists import WordLists, lists_digest
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.interpret.texts import packaged_texts

_MARGIN: Final = 0.25  # standard deviations that the best property must be ahead of the next
_NOTHING: Final = 1e-6  # standard deviation of cosines that is rounding
_AGREES: Final = 1.0  # standard deviations above the pool's mean from which on a text agrees


class PrototypeLabeller:
    """Labels by the mean of the embeddings of a property's words.

    How near a text is to a property is the cosine of their embeddings, less its mean and over its standard deviation
    (divisor n) over the packaged pool of texts: some properties are near to everything.

    Args:
        encoder: The encoder of texts.
        properties: The words of each property.

    Raises:
        ModelError: If the encoder tells nothing apart.
    """

    asks = False

    def __init__(self, encoder: TextEncoder, properties: WordLists) -> None:
        self._encoder, self._properties = encoder, properties
        words = sorted({word for each in properties.values() for word in each})
        rows = dict(zip(words, unit_embeddings(encoder, words), strict=True))
        means = np.stack([np.mean([rows[word] for word in each], axis=0) for each in properties.values()])
        self._prototypes = means / np.linalg.norm(means, axis=1, keepdims=True)
        pool = unit_embeddings(encoder, packaged_texts()) @ self._prototypes.T
        self._mean, self._spread = pool.mean(axis=0), pool.std(axis=0)
        if not (self._spread > _NOTHING).all():
            raise ModelError(f"{encoder.name} does not tell the texts of the packaged pool apart: give another encoder")

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return frozenset({f"encoder {self._encoder.fingerprint}"})

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {
            "model": self._encoder.name,
            "encoder": self._encoder.fingerprint,
            "words": lists_digest(self._properties),
            "margin": _MARGIN,
            "agrees": _AGREES,
        }

    def _nearness(self, texts: Sequence[str]) -> Floats:
        """(texts, properties), in standard deviations over the pool."""
        if not texts:
            return np.empty((0, len(self._properties)))
        return np.asarray((unit_embeddings(self._encoder, texts) @ self._prototypes.T - self._mean) / self._spread)

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        """See `Labeller`; a margin is in standard deviations of nearness, averaged over a head's texts."""
        texts = sorted({text for head in heads for text in head.texts})
        near = dict(zip(texts, self._nearness(texts), strict=True))
        return [self._label([near[text] for text in head.texts]) for head in heads]

    def _label(self, near: Sequence[Floats]) -> HeadLabel:
        if not near:
            return HeadLabel("")
        means = np.mean(near, axis=0)
        first, second = np.argsort(-means, kind="stable")[:2]
        margin = float(means[first] - means[second])
        return HeadLabel(list(self._properties)[first] if margin >= _MARGIN else "", margin)

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """See `Labeller`."""
        known_labels("prototypes", labels, self._properties)
        columns = [list(self._properties).index(label) for label in labels]
        return np.asarray(self._nearness(texts)[:, columns] >= _AGREES)


def make(request: LabellerRequest) -> PrototypeLabeller:
    """Make the labeller of a request.

    Raises:
        UsageError: If the encoder is that of the tested model, or the request has what it has no use for.
        ModelError: If the encoder cannot be had.
    """
    request.only("prototypes", "model")
    from alignbench.interpret.text_encoders.loading import load_text_encoder

    encoder = load_text_encoder(request.model)
    if encoder.fingerprint == request.tested:
        raise UsageError(
            f"{request.model} is the model whose heads are labelled, which picked the texts itself: give another to "
            "--model"
        )
    return PrototypeLabeller(encoder, request.properties)
