"""What a visitor may ask, each thing of its kind and no longer than it need be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from alignbench.errors import UsageError
from alignbench.interpret.browser.page_fields import named
from alignbench.interpret.head_names import Head, read_heads

TEXT_LETTERS: Final = 1000
MOST_NEIGHBOURS: Final = 200
_HEADS_LETTERS: Final = 20_000
_MOST: Final = 2**31 - 1
_FORMS: Final = ("json", "csv", "png")


def _checked(is_right: Callable[[str], bool], fault: str) -> BeforeValidator:
    """A check of what stands in an address, in words of ours: those of Pydantic are for programmers."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and not is_right(value):
            raise ValueError(fault)
        return value

    return BeforeValidator(check)


def _whole(low: int, high: int) -> BeforeValidator:
    """A number in the digits 0 to 9 alone: Pydantic takes `1_0`, `+1`, `1.0` and blanks as well."""

    def is_right(value: str) -> bool:
        digits = len(str(high))
        return value.isascii() and value.isdecimal() and len(value) <= digits and low <= int(value) <= high

    up = "" if high == _MOST else f" to {high:,}"
    return _checked(is_right, f"takes a whole number from {low}{up}, in the digits 0 to 9")


def _short(most: int) -> BeforeValidator:
    """A text of so many letters."""
    return _checked(lambda value: len(value) <= most, f"has more than {most:,} letters: shorten it")


Number = Annotated[int, _whole(0, _MOST)]
Word = Annotated[str, _short(100)]
Heads = Annotated[str, _short(_HEADS_LETTERS)]
Text = Annotated[str, _short(TEXT_LETTERS)]
_FORM: Final = _checked(lambda value: value in _FORMS, f"is one of {', '.join(_FORMS)}")


class PageQuestion(BaseModel):
    """Whatever is asked; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListQuestion(PageQuestion):
    """Which pictures there are: `count` of them from `start` on, of those whose name has `like` in it."""

    start: Number = 0
    count: Annotated[int, _whole(1, 500)] = 60
    like: Annotated[str, _short(200)] = ""


class GridQuestion(PageQuestion):
    """What heads are coloured by."""

    colouring: Word


class HeadQuestion(PageQuestion):
    """What is known of a head."""

    layer: Number
    head: Number


class ThumbnailQuestion(PageQuestion):
    """A picture by its number, with a longer side of at most `side` pixels."""

    number: Number
    side: Annotated[int, _whole(16, 512)] = 160


class CropQuestion(PageQuestion):
    """What the model sees of a picture, or of an upload."""

    picture: Number | None = None
    upload: Word | None = None


class UploadQuestion(PageQuestion):
    """What an upload is called."""

    name: Annotated[str, _short(200)] = "upload"


class SearchQuestion(CropQuestion):
    """An analysis; see `SearchJob`."""

    analysis: Word
    heads: Heads = ""
    text: Text | None = None
    against: Text | None = None
    measure: Word = "dot"
    count: Annotated[int, _whole(1, MOST_NEIGHBOURS)] | None = None
    dataset: Word | None = None
    other: Word | None = None
    other_heads: Heads = ""
    together: Annotated[int, _whole(0, 1)] = 0
    format: Annotated[Literal["json", "csv", "png"], _FORM] = "json"

    @property
    def asked_heads(self) -> tuple[Head, ...]:
        """The heads; none for all.

        Raises:
            UsageError: If they are no names of heads.
        """
        return read_heads(self.heads) if self.heads else ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, or both.

        Raises:
            UsageError: If one is empty or no text; names the field.
        """
        given = {name: each.strip() for name in ("text", "against") if (each := getattr(self, name)) is not None}
        for name, each in given.items():
            if not each:
                raise UsageError(f"{named(name)} is empty: write a text")
            if not each.isprintable() or "\ufffd" in each:  # which stands for bytes that are no text
                raise UsageError(f"{named(name)} holds what cannot be printed: write it in plain words")
        return tuple(given.values())


class WhyQuestion(SearchQuestion):
    """Why a picture is a neighbour."""

    neighbour: Number
