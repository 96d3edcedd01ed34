"""Signs that weights are quantised: names of scales, settings that speak of it, numbers kept by the names of weights.

Codes that were saved as floats look like weights, so that any sign of the scales which belong to them is enough.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from alignbench.errors import ModelError, shortened

_NAMES: Final = re.compile(  # ends of names that bitsandbytes, GPTQ, AWQ, compressed-tensors and others write
    r"\.(SCB|CB|weight_format|weight_packed|weight_shape|(\w+_)?g_idx|qweight|qzeros|scales|_packed_params(\.\w+)*"
    r"|(nested_)?(absmax|quant_map)|quant_state(\.\w+)*|W_q|_data|_scale|\w+_qdata|codes|codebooks"
    r"|(?!layer_)\w+_scales?(_inv)?|(\w+_)?zero_points?|\w*_amax)$"
)
_SETTINGS: Final = re.compile(  # no quantile and no quantity
    r"quant(?!il|it|um)|(^|_)(gptq|awq|bnb|bitsandbytes)(_|$)|^compression_config$|^n?_?bits$|^load_in_\dbit$",
    re.IGNORECASE,
)
_LISTS: Final = (list, tuple, set, frozenset)
_DEEPEST: Final = 16  # words of a name; towers have 9 at most


def quantised(name: str, sign: str) -> ModelError:
    """Make the error for a checkpoint that is quantised.

    Args:
        name: The model's name.
        sign: What shows it.
    """
    return ModelError(f"the checkpoint {name} is quantised ({shortened(sign)}): give the unquantised one")


def looks_quantised(name: str) -> bool:
    """Say whether the name of a tensor is one that tools of quantisation give, to a scale for instance."""
    return _NAMES.search(name) is not None


def refuse_quantised_settings(name: str, *settings: Any, where: str = "its configuration") -> None:
    """Refuse a checkpoint with settings that say that it is quantised, at whatever depth.

    Args:
        name: The model's name, for messages.
        settings: Dictionaries, or lists of them; of a setting that is null, false or empty nothing is thought.
        where: Where they stand, for messages.

    Raises:
        ModelError: If they say so.
    """
    for key, value in _entries(settings):
        if isinstance(key, str) and _SETTINGS.search(key) and _is_set(value):
            raise quantised(name, f"{key} in {where}")


def number_of_a_weight(settings: Any, weights: Collection[str]) -> str | None:
    """Find a number that is kept by the name of a weight, or of a module, as scales are.

    Args:
        settings: A dictionary, or whatever else was saved beside weights.
        weights: The names of the weights.

    Returns:
        The first such name, with or without words before it; none if there is none.
    """
    ends = {end for key, _ in _entries(settings) if isinstance(key, str) for end in _ends(key)}
    named = ends.intersection(piece for name in weights for piece in _pieces(name))
    waiting: list[tuple[Any, str | None]] = [(settings, None)]  # values, each with the weight whose name it is under
    seen = set()
    while waiting and named:
        value, weight = waiting.pop()
        if weight is not None and isinstance(value, int | float) and not isinstance(value, bool):
            return weight
        if (id(value), weight is None) in seen:
            continue
        seen.add((id(value), weight is None))
        if isinstance(value, Mapping):
            for key, each in value.items():
                is_name = isinstance(key, str) and not named.isdisjoint(_ends(key))
                waiting.append((each, key if weight is None and is_name else weight))
        elif isinstance(value, _LISTS):
            waiting += ((each, weight) for each in value)
    return None


def _ends(key: str) -> Iterator[str]:
    """A key, and what is left of it without its first words."""
    parts = key.rsplit(".", _DEEPEST)
    yield from (".".join(parts[start:]) for start in range(len(parts)))


def _pieces(name: str) -> Iterator[str]:
    """A name, and every piece of it that has a dot."""
    yield name
    parts = name.split(".")
    if len(parts) <= _DEEPEST:  # of names of a million words there are too many pieces
        for start in range(len(parts)):
            yield from (".".join(parts[start:end]) for end in range(start + 2, len(parts) + 1))


def _entries(value: Any) -> Iterator[tuple[Any, Any]]:
    """The entries of all dictionaries in a value."""
    for each in everything_in(value):
        if isinstance(each, Mapping):
            yield from each.items()


def everything_in(value: Any) -> Iterator[Any]:
    """Yield a value and all that is in it, each once: it may hold itself, or the same thing many times."""
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, _LISTS):
            waiting += each


def _is_set(value: Any) -> bool:
    return not (value is None or value is False or (isinstance(value, int | float | str | list | dict) and not value))
