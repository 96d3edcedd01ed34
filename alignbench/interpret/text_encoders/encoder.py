"""What a text encoder is: a tokenizer and a text tower that turn texts into rows of the space of pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import punctuation
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import AlignbenchWarning, ModelError, UsageError, one_line, shortened

if TYPE_CHECKING:
    from torch import Tensor

_BATCH: Final = 64


@dataclass(frozen=True)
class Tokens:
    """Texts as a tower takes them.

    Attributes:
        ids: Numbers of the tokens, (texts, tokens).
        mask: 1 where there is a token and 0 where the row is filled up; none for towers that are trained without.
        lengths: How many tokens each text has by itself, which may be more than there is room for.
        unknown: Words of each text that the tokenizer does not know; none where it can spell any word, or does not say.
    """

    ids: Tensor
    mask: Tensor | None
    lengths: tuple[int, ...]
    unknown: tuple[tuple[str, ...], ...] = ()

    def unknown_words(self) -> Iterator[tuple[str, ...]]:
        """The words of each text that are unknown, each once and without punctuation that stands alone."""
        for words in self.unknown:
            yield tuple(dict.fromkeys(word for word in words if word.strip(punctuation)))


class Tokenizer(Protocol):
    """What cuts texts into tokens."""

    @property
    def context(self) -> int:
        """Tokens that a text may have."""
        ...

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Turn texts into tokens, cut at `context`."""
        ...


@dataclass(frozen=True)
class TextEncoder:
    """A model's encoder of texts.

    Attributes:
        name: The model's name as it was given.
        tokenizer: Turns texts into tokens.
        tower: Turns tokens into embeddings, (texts, width).
        vocabulary: How many tokens the tower knows.
        width: Width of an embedding, d'.
        fingerprint: SHA-256 over the weights, the tokenizer and everything else that settles an embedding.
    """

    name: str
    tokenizer: Tokenizer
    tower: Callable[[Tokens], Tensor]
    vocabulary: int
    width: int
    fingerprint: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts.

        Texts that are longer than the tower's context are cut, and texts may consist of the same tokens; either is
        said in a warning.

        Args:
            texts: The texts.

        Returns:
            (texts, d'), of the length that the tower gives them.

        Raises:
            UsageError: If there is no text.
            ModelError: If tokenizer and tower do not fit, or numbers are not finite.
        """
        import torch

        batches = self.tokens(texts)
        with torch.inference_mode():
            rows = torch.cat([self._embedded(batch) for batch in batches])
        if not torch.isfinite(rows).all():
            raise ModelError(f"the text tower of {self.name} gives numbers that are not finite: download it again")
        return np.ascontiguousarray(rows.numpy())

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Cut texts into tokens, batch by batch, and say what becomes of them; see `encode`.

        Raises:
            UsageError: If there is no text.
            ModelError: If the tokenizer cannot be used.
        """
        if not texts:
            raise UsageError("there is no text to encode: give one at least")
        try:
            batches = [self.tokenizer(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        except ModelError:
            raise
        except Exception as error:  # of a tokenizer that lacks something, or has something else in its place
            raise ModelError(
                f"the tokenizer of {self.name} cannot be used ({one_line(error)}): download it again"
            ) from error
        self._warn(texts, batches)
        return batches

    def _embedded(self, tokens: Tokens) -> Tensor:
        largest = int(tokens.ids.max())
        if largest >= self.vocabulary:
            raise ModelError(
                f"the tokenizer of {self.name} gives token {largest:,}, and its text tower knows {self.vocabulary:,}: "
                "give the tokenizer that it was trained with"
            )
        return self.tower(tokens).float()

    def _warn(self, texts: Sequence[str], batches: Sequence[Tokens]) -> None:
        lengths = [length for batch in batches for length in batch.lengths]
        cut = [text for text, length in zip(texts, lengths, strict=True) if length > self.tokenizer.context]
        if cut:
            warnings.warn(
                f"{len(cut):,} of {len(texts):,} texts are longer than the {self.tokenizer.context} tokens that "
                f"{self.name} takes, and are cut ('{shortened(cut[0], 60)}'): shorten them",
                AlignbenchWarning,
                stacklevel=3,
            )
        unknown = [words for batch in batches for words in batch.unknown_words() if words]
        if unknown:
            words = shortened(", ".join(dict.fromkeys(word for each in unknown for word in each)), 60)
            warnings.warn(
                f"{len(unknown):,} of {len(texts):,} texts have words that {self.name} does not know ({words}): "
                "write them in other words",
                AlignbenchWarning,
                stacklevel=3,
            )
        rows = [row for batch in batches for row in batch.ids.tolist()]
        different = {tuple(row[:length]) for row, length in zip(rows, lengths, strict=True)}
        alike = len(set(texts)) - len(different)
        if alike > 0:
            warnings.warn(
                f"{alike:,} of {len(texts):,} texts are the same as an earlier one to the tokenizer of {self.name}, "
                "which does not know all of their words: of such texts the first is picked",
                AlignbenchWarning,
                stacklevel=3,
            )
