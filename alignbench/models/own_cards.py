"""Cards of a user's own checkpoints: a label and factors, in a file beside the weights or on the command line.

`alignbench.toml` in the folder of a checkpoint, or `NAME.alignbench.toml` beside its file of weights `NAME.pt`:

    label = "mine, step 1000"

    [factors]
    step = 1000
    training_data = "LAION-2B"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alignbench.errors import ModelError, UsageError, one_line, shortened
from alignbench.files import open_plain
from alignbench.models.cards import cards
from alignbench.models.feature_names import features_path
from alignbench.models.pair_metrics import METRICS

Factors = Mapping[str, str | int | float | bool]

FILE: Final = "alignbench.toml"
_MARK: Final = "@"  # what labels of untrained twins and of transforms are split at
_PATHS: Final = (".", "/", "~")  # what a run folder's path begins with, in whose place a label may be given
_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)
_LONGEST_LABEL, _LONGEST_FILE = 120, 100_000  # characters, bytes
_LARGEST: Final = 2**63


@dataclass(frozen=True)
class OwnCard:
    """What a user says of a checkpoint.

    Attributes:
        label: What it is called in tables and figures; empty for the name that it has anyway.
        factors: What it may be grouped and compared by, by name.
    """

    label: str = ""
    factors: Factors = field(default_factory=dict)


def local_checkpoint(name: str) -> Path | None:
    """Find the folder or file of a model's weights on this machine; none for a card, or an id of a hub.

    Args:
        name: A model's name, e.g. a directory, or `open_clip:ARCH/FILE`.
    """
    if name in cards():
        return None
    rest = name.partition(":")[2]
    return next((Path(text) for text in (name, rest, rest.partition("/")[2]) if _is_there(text)), None)


def _is_there(text: str) -> bool:
    """Whether a text is the path of something."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):  # no path can be called so
        return False


def read_own_card(name: str) -> OwnCard:
    """Read the card beside a checkpoint; one that says nothing where there is none.

    Args:
        name: See `local_checkpoint`.

    Raises:
        ModelError: If the file cannot be read, or says what no card can; names it.
    """
    place = local_checkpoint(name)
    if place is None:
        return OwnCard()
    path = place / FILE if place.is_dir() else place.with_suffix(f".{FILE}")
    try:
        with open_plain(path) as file:
            text = file.read(_LONGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise ModelError(f"{path} leads to no file: mend the link, or remove it") from error
        return OwnCard()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): see to it, or remove it") from error
    try:
        if len(text) > _LONGEST_FILE:
            raise UsageError(f"it has more than {_LONGEST_FILE:,} bytes")
        return _card(tomllib.loads(text.decode("utf-8")))
    except (UsageError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no card ({one_line(error)}): write label and [factors], or remove it") from error


def _card(found: Mapping[str, Any]) -> OwnCard:
    """The card of a file's content."""
    for key in found:
        if key not in ("label", "factors"):
            raise UsageError(f"it has {shortened(key)}, which no card has")
    label, factors = found.get("label", ""), found.get("factors", {})
    if not isinstance(label, str) or not isinstance(factors, dict):
        raise UsageError("its label is no text, or its factors are no table")
    if label:
        check_label(label)
    check_factors(factors)
    return OwnCard(label, factors)


def pair_labels(models: str, labels: str) -> dict[str, str]:
    """Split comma-separated models, and give each its label; a path with a comma in it is one model.

    Args:
        models: Names of models.
        labels: None, or as many labels as models.

    Returns:
        The label of each model; empty for its own name.

    Raises:
        UsageError: If there is no model, or there are more or fewer labels than models, or one label for two of them.
    """
    is_one = _is_there(str(features_path(models) or models))
    names = (models,) if is_one else tuple(dict.fromkeys(_split(models)))
    called = _split(labels)
    if not names:
        raise UsageError("--model is empty: see `alignbench models`")
    if called and len(called) != len(names):
        raise UsageError(f"--label names {len(called)} of {len(names)} models: give each a label of its own, by commas")
    if len(set(called)) < len(called):
        raise UsageError(f"--label gives {max(called, key=called.count)} twice: give each model a label of its own")
    return dict(zip(names, called or [""] * len(names), strict=True))


def _split(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """What labels are sorted by: whole numbers in them by size, so that step 2 comes before step 10."""
    parts = re.split(r"(\d+)", text, flags=re.ASCII)
    return tuple((1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts if part)


def check_label(label: str) -> None:
    """Refuse a label that could not be told from others, or that could not be shown.

    Raises:
        UsageError: If it is one.
    """
    if not label.strip() or label != label.strip() or not label.isprintable():
        raise UsageError(f"the label '{shortened(label)}' is empty, begins or ends with a blank, or cannot be shown")
    if len(label) > _LONGEST_LABEL:
        raise UsageError(f"the label '{shortened(label, 40)}' has more than {_LONGEST_LABEL} characters")
    if label.startswith(_PATHS):
        raise UsageError(f"the label '{label}' begins like a path: take away its {label[0]} at the beginning")
    if _MARK in label or "," in label:
        raise UsageError(
            f"the label '{label}' has {_MARK} or a comma: {_MARK} marks untrained twins and transforms, and a comma "
            "stands between two labels"
        )


def check_label_free(label: str, model: str) -> None:
    """Refuse a label that is the name of another model or baseline.

    Args:
        label: The label.
        model: The model that it is for.

    Raises:
        UsageError: If it is one.
    """
    check_label(label)
    if label != model and (label in cards() or label in METRICS):
        raise UsageError(
            f"the label '{label}' is the name of another model: give {shortened(model)} a label of its own"
        )


def check_factors(factors: Mapping[str, object]) -> None:
    """Refuse factors that could not be written down or told apart.

    Raises:
        UsageError: If a name has other characters than letters, digits, _ and -, or a value is no text, number, or
            true or false.
    """
    for name, value in factors.items():
        if not _KEY.fullmatch(name):
            raise UsageError(f"the factor '{shortened(name)}' must be called by letters, digits, _ and -: rename it")
        if not isinstance(value, str | int | float):
            raise UsageError(f"the factor {name} is no text, number, or true or false")
        if isinstance(value, str) and (not value.strip() or not value.isprintable()):
            raise UsageError(f"the factor {name} is empty, or cannot be shown: give it a value")
        if not isinstance(value, str) and not abs(value) < _LARGEST:
            raise UsageError(f"the factor {name} is out of range")


def parse_factors(texts: Iterable[str]) -> dict[str, str | int | float | bool]:
    """Read factors as they stand on a command line.

    Args:
        texts: `key=value`, several of them with commas between; whole numbers, other numbers, `true` and `false` are
            taken as such, and anything else as text.

    Raises:
        UsageError: If one is no `key=value`, or a key has two values.
    """
    found: dict[str, str | int | float | bool] = {}
    for text in (part for texts_given in texts for part in texts_given.split(",")):
        key, sign, value = (word.strip() for word in text.partition("="))
        if not sign or not key or not value:
            raise UsageError(f"the factor '{shortened(text)}' is no key=value: write for instance step=1000")
        read = _value(value)
        if not _are_same(found.get(key, read), read):
            raise UsageError(f"the factor {key} has two values ({found[key]}, {read}): give one")
        found[key] = read
    check_factors(found)
    return found


def _value(text: str) -> str | int | float | bool:
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _are_same(one: object, other: object) -> bool:
    """Whether two values are one; true is not 1, though Python says so."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def join_factors(model: str, given: Factors, own: Factors) -> dict[str, str | int | float | bool]:
    """Put together what is said of a model: the factors beside its checkpoint, and those that are given.

    Args:
        model: The model's name.
        given: Factors that are given.
        own: Those of the file beside its checkpoint.

    Raises:
        UsageError: If two of these and the model's card contradict each other.
    """
    card = cards()[model].factors if model in cards() else {}
    for name, value in given.items():
        for known, whose in ((card, "its card"), (own, f"its {FILE}")):
            if not _are_same(known.get(name, value), value):
                raise UsageError(
                    f"{shortened(model)}: the factor {name} is {known[name]} by {whose}, and {value} is given: take "
                    "another name for it, or leave it out"
                )
    return {**own, **given}
