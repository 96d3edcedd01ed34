"""What chat models are asked: which property a head's texts share, and whether a text is about a property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from alignbench.errors import UsageError
from alignbench.interpret.labelling.labeller import Agreement, HeadLabel, HeadTexts
from alignbench.interpret.labelling.word_lists import WordLists

NONE: Final = "none of these"


@dataclass(frozen=True)
class Message:
    """A turn of a conversation.

    Attributes:
        role: `user` or `assistant`.
        content: What is said.
    """

    role: str
    content: str


@dataclass(frozen=True)
class ChatQuestion:
    """A conversation that ends with a question, and the answers to choose from."""

    messages: tuple[Message, ...]
    choices: tuple[str, ...]


class Chat(Protocol):
    """A chat model that answers the same to the same question."""

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        ...

    def choose(self, question: ChatQuestion) -> tuple[int, float]:
        """Choose an answer: its number, and how far it is ahead of the next, which may be no number."""
        ...

    def agreeing(self, text: str, labels: Sequence[str]) -> list[bool]:
        """Say of each label whether a text is about it."""
        ...


class ChatLabeller:
    """Labels and judges as a chat model answers; it abstains where that says none of these.

    Args:
        chat: The model.
        properties: What it chooses from.
        examples: Heads that are labelled already, put before the question.

    Raises:
        UsageError: If an example has a label that is no choice.
    """

    asks = True

    def __init__(self, chat: Chat, properties: WordLists, examples: Sequence[tuple[HeadTexts, str]] = ()) -> None:
        self._chat, self._choices = chat, (*properties, NONE)
        for head, label in examples:
            if label not in self._choices:
                raise UsageError(
                    f"the example of layer {head.layer}, head {head.head} is labelled '{label}', which is none of the "
                    f"properties: {', '.join(properties)}"
                )
        self._before = tuple(
            message
            for head, label in examples
            for message in (Message("user", label_question(head.texts, self._choices)), Message("assistant", label))
        )

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return self._chat.identities

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {**self._chat.settings, "examples": [message.content for message in self._before]}

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        """See `Labeller`; equal texts are asked about once."""
        known: dict[tuple[str, ...], HeadLabel] = {(): HeadLabel("")}
        for head in heads:
            if head.texts not in known:
                asked = Message("user", label_question(head.texts, self._choices))
                chosen, margin = self._chat.choose(ChatQuestion((*self._before, asked), self._choices))
                label = self._choices[chosen]
                known[head.texts] = HeadLabel("" if label == NONE else label, margin)
        return [known[head.texts] for head in heads]

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """See `Labeller`."""
        found = [self._chat.agreeing(text, labels) for text in texts]
        return np.array(found, dtype=np.bool_).reshape(len(texts), len(labels))


def label_question(texts: Sequence[str], choices: Sequence[str]) -> str:
    """Ask which property texts share."""
    listed = "\n".join(f"- {text}" for text in texts)
    return (
        f"These short texts describe what a part of a vision model responds to:\n{listed}\n"
        f"Which one of these properties are most of them about: {', '.join(choices)}? Answer with it alone."
    )


def pair_question(text: str, label: str) -> str:
    """Ask whether a text is about a property."""
    return f'The text is: "{text}"\nIs it about {label}? Answer yes or no.'


def list_question(text: str, labels: Sequence[str]) -> str:
    """Ask which properties a text is about."""
    return f'The text is: "{text}"\nWhich of these is it about, if any: {", ".join(labels)}?'
