"""What a labeller is: it names what the texts of a head have in common, or judges whether a text goes with a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import UsageError
from alignbench.plugins import Registry, callable_with

Agreement = NDArray[np.bool_]


@dataclass(frozen=True)
class HeadTexts:
    """The texts that a head is labelled by.

    Attributes:
        layer: Number of its layer, from 1.
        head: Number of it in its layer, from 0.
        texts: The texts, in the order in which they were picked.
    """

    layer: int
    head: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class HeadLabel:
    """What a head is called.

    Attributes:
        label: The label; empty where the labeller abstains.
        margin: How far it is ahead of the next, in units of the labeller's own; not a number where there is no next.
    """

    label: str
    margin: float = float("nan")


@dataclass(frozen=True)
class LabellerRequest:
    """What labellers are made of; each takes what it needs, and refuses what it has no use for.

    Attributes:
        properties: Labels to choose from, each with its words.
        model: Text encoder, or chat model.
        file: File by hand.
        url: Address of an endpoint.
        timeout: Seconds that it may take for an answer.
        tested: Fingerprint of the text encoder of the model whose heads are labelled.
        examples: Heads that are labelled already, for a chat model to learn from.
    """

    properties: Mapping[str, tuple[str, ...]]
    model: str = ""
    file: Path | None = None
    url: str = ""
    timeout: float = 60.0
    tested: str = ""
    examples: tuple[tuple[HeadTexts, str], ...] = ()

    def only(self, name: str, *wanted: str) -> None:
        """Check that what a labeller wants is given, and nothing else.

        Args:
            name: The labeller.
            wanted: `model`, `file`, `url` or `examples`, as it needs or, for examples, may have them.

        Raises:
            UsageError: If it is not so.
        """
        for option in ("model", "file", "url", "examples"):
            given = bool(getattr(self, option))
            if given and option not in wanted:
                raise UsageError(f"{name} takes no --{option}: leave it out")
            if not given and option in wanted and option != "examples":
                raise UsageError(f"{name} needs --{option}: give it")


@runtime_checkable
class Labeller(Protocol):
    """What names heads and judges texts; the group `alignbench.labellers` has functions that make one of a request.

    Attributes:
        identities: What it is, by all names that it goes by: who labels heads must not judge the labels.
        settings: What settles its answers, of types of JSON.
        asks: Whether it asks a chat model, so that labels of draws take long.
    """

    @property
    def identities(self) -> frozenset[str]: ...  # noqa: D102

    @property
    def settings(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def asks(self) -> bool: ...  # noqa: D102

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        """Label heads, each by itself."""
        ...

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """Say of each text with each label whether it agrees, (texts, labels).

        Raises:
            UsageError: If it does not know a label.
        """
        ...


MakeLabeller = Callable[[LabellerRequest], Labeller]
_HOME: Final = "alignbench.interpret.labelling"
LABELLERS: Final[Registry[MakeLabeller]] = Registry(
    "alignbench.labellers",
    "labeller",
    {
        "words": f"{_HOME}.words:make",
        "prototypes": f"{_HOME}.prototypes:make",
        "file": f"{_HOME}.by_hand:make",
        "transformers": f"{_HOME}.local_chat:make",
        "endpoint": f"{_HOME}.endpoint:make",
    },
    callable_with(),
)


def make_labeller(name: str, request: LabellerRequest) -> Labeller:
    """Make a labeller, or a judge, which is one too.

    Args:
        name: Its name.
        request: What it is made of.

    Raises:
        UsageError: If there is none of that name, if a plug-in's is none, or if the request is not what it takes.
        AlignbenchError: Whatever the labeller finds wrong.
    """
    made = LABELLERS.load(name)(request)
    missing = [each for each in ("identities", "settings", "asks", "label", "judge") if not hasattr(made, each)]
    if missing:
        package = LABELLERS.plug_in(name)
        raise UsageError(f"labeller '{name}' of {package} has no {missing[0]}: correct or uninstall {package}")
    return made


def known_labels(name: str, labels: Sequence[str], known: Mapping[str, object]) -> None:
    """Check that a judge knows all labels.

    Raises:
        UsageError: If it does not; names the first that it does not know.
    """
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise UsageError(
            f"{name} cannot judge the label '{unknown[0]}', which it has no texts or words for: it knows "
            f"{', '.join(known)}"
        )
