"""What a visitor may ask, each thing of its kind and no longer than it need be."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from alignbench.errors import UsageError
from alignbench.interpret.head_names import Head, read_heads

TEXT_LETTERS: Final = 1000
_WORD: Final = Field(max_length=100)
_NUMBER: Final = Field(ge=0, le=2**31 - 1)


def _plain_number(value: object) -> object:
    """A number in the digits 0 to 9 alone: Pydantic takes `1_0`, `+1`, `1.0` and blanks as well."""
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("a whole number in the digits 0 to 9")
    return value


_Plain: Final = BeforeValidator(_plain_number)
Number = Annotated[int, _Plain, _NUMBER]


class PageQuestion(BaseModel):
    """Whatever is asked; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListQuestion(PageQuestion):
    """Which pictures there are: `count` of them from `start` on, of those whose name has `like` in it."""

    start: Number = 0
    count: Annotated[int, _Plain, Field(ge=1, le=500)] = 60
    like: str = Field("", max_length=200)


class GridQuestion(PageQuestion):
    """What heads are coloured by."""

    colouring: Annotated[str, _WORD]


class HeadQuestion(PageQuestion):
    """What is known of a head."""

    layer: Number
    head: Number


class ThumbnailQuestion(PageQuestion):
    """A picture by its number, with a longer side of at most `side` pixels."""

    number: Number
    side: Annotated[int, _Plain, Field(ge=16, le=512)] = 160


class CropQuestion(PageQuestion):
    """What the model sees of a picture, or of an upload."""

    picture: Number | None = None
    upload: Annotated[str, _WORD] | None = None


class UploadQuestion(PageQuestion):
    """What an upload is called."""

    name: str = Field("upload", max_length=200)


class SearchQuestion(CropQuestion):
    """An analysis; see `SearchJob`."""

    analysis: Annotated[str, _WORD]
    heads: str = Field("", max_length=100_000)
    text: str | None = Field(None, max_length=TEXT_LETTERS)
    against: str | None = Field(None, max_length=TEXT_LETTERS)
    measure: Annotated[str, _WORD] = "dot"
    count: Annotated[int, _Plain, Field(ge=1, le=200)] | None = None
    dataset: Annotated[str, _WORD] | None = None
    other: Annotated[str, _WORD] | None = None
    other_heads: str = Field("", max_length=100_000)
    together: Annotated[int, _Plain, Field(ge=0, le=1)] = 0
    form: Literal["json", "csv", "png"] = Field("json", alias="as")

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
            UsageError: If one is empty or no text, or there is only the other.
        """
        if self.against is not None and self.text is None:
            raise UsageError("there is a text to compare with, and none that is compared: give --text")
        texts = tuple(each.strip() for each in (self.text, self.against) if each is not None)
        for each in texts:
            if not each or not each.isprintable():
                raise UsageError("a text is empty, or holds what cannot be printed: write it in plain words")
        return texts


class WhyQuestion(SearchQuestion):
    """Why a picture is a neighbour."""

    neighbour: Number
