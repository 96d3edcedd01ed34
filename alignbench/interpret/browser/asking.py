"""From a question to what is found: the picture, the texts and the analysis, by the functions of the commands."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alignbench.arrays import Floats
from alignbench.errors import UsageError, shortened
from alignbench.interpret.browser.page_fields import check_fields, named
from alignbench.interpret.browser.questions import CropQuestion, SearchQuestion, WhyQuestion
from alignbench.interpret.browser.sessions import VisitorSession
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.head_names import heads_named, read_heads
from alignbench.interpret.searching.analysis import (
    MAPS,
    HeatMap,
    Picture,
    SearchJob,
    all_heads,
    analyse,
    unit_of,
)
from alignbench.interpret.searching.asked import DecomposedPicture, PreparedPicture, StoredPicture, decomposed
from alignbench.interpret.searching.comparing import DifferenceJob, compare_sides
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.explaining import explain
from alignbench.interpret.searching.judged_pairs import PeopleJob
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.people import AlikePairs
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.searching.why import Why
from alignbench.interpret.text_cache import unit_embeddings

if TYPE_CHECKING:
    from alignbench.interpret.decomposition import Decomposer
    from alignbench.models.towers import Tower

_MOST_REMEMBERED: Final = 300_000_000  # bytes of decomposed pictures
_MOST_TEXTS: Final = 64
Result = list[Neighbours] | HeatMap | list[Compared] | list[AlikePairs] | Why


@dataclass(frozen=True, eq=False)
class ReadyQuestion:
    """A question that is ready to be answered.

    Attributes:
        question: The question.
        picture: The picture that is asked about.
        texts: Embeddings of the texts.
        spanned: The texts of the heads, where it is asked why.
        notes: What there is to say of it.
    """

    question: SearchQuestion
    picture: Picture | None
    texts: tuple[Floats, ...]
    spanned: PickedTexts | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FoundAnswer:
    """An answer.

    Attributes:
        asked: What was asked.
        result: What was found.
        unit: What its values are in.
    """

    asked: ReadyQuestion
    result: Result
    unit: str


class ModelWork:
    """What is asked of the model, one thing at a time; what was worked out last is remembered.

    Args:
        world: What is browsed.
    """

    def __init__(self, world: HeadWorld) -> None:
        self._world = world
        self._pictures: OrderedDict[str, DecomposedPicture] = OrderedDict()
        self._decomposer: Decomposer | None = None
        self._picked: PickedTexts | None = None
        self._texts: OrderedDict[tuple[str, ...], tuple[Floats, ...]] = OrderedDict()

    @property
    def tower(self) -> Tower:
        """The model, which is loaded if it was not needed before.

        Raises:
            UsageError: If it cannot be had.
        """
        tower = self._world.tower
        if tower is None:
            raise UsageError(self._world.cannot["maps"])
        return tower

    def decomposed(self, picture: PreparedPicture) -> DecomposedPicture:
        """Decompose a picture, token by token.

        Raises:
            UsageError: If there is no model.
        """
        found = self._pictures.pop(picture.identity, None)
        if found is None:
            if self._decomposer is None:
                from alignbench.interpret.decomposition import decomposer

                self._decomposer = decomposer(self.tower)
            found = decomposed(self.tower, picture, self._decomposer)
        self._pictures[picture.identity] = found
        while len(self._pictures) > 1 and sum(map(_size, self._pictures.values())) > _MOST_REMEMBERED:
            self._pictures.popitem(last=False)
        return found

    def embedded(self, texts: tuple[str, ...]) -> tuple[Floats, ...]:
        """Return embeddings of texts, which are kept nowhere but here.

        Raises:
            UsageError: If there is no encoder, or a text has more tokens than it takes.
        """
        encoder = self._world.encoder
        if encoder is None:
            raise UsageError(self._world.cannot["texts"])
        found = self._texts.pop(texts, None)
        if found is None:
            context = encoder.tokenizer.context
            for field, text in zip(("text", "against"), texts, strict=False):
                (length,) = encoder.tokenizer([text]).lengths
                if length > context:
                    raise UsageError(
                        f"{named(field)} has {length} tokens, and {encoder.name} takes {context}: shorten it"
                    )
            found = tuple(unit_embeddings(encoder, texts, is_kept=False))
        self._texts[texts] = found
        while len(self._texts) > _MOST_TEXTS:
            self._texts.popitem(last=False)
        return found

    def ready(self, question: SearchQuestion, session: VisitorSession) -> ReadyQuestion:
        """Make a question ready: by the model, where it is of texts, of an upload, or of a map.

        Args:
            question: What is asked.
            session: Of whoever asks.

        Raises:
            AlignbenchError: If it cannot be answered; says why.
        """
        check_fields(question, isinstance(question, WhyQuestion))
        self._check_heads(question)
        analysis = question.analysis
        texts = self.embedded(question.texts) if question.texts else ()
        picture: Picture | None = None
        if question.upload is not None or (question.picture is not None and analysis in MAPS):
            picture = self.decomposed(self.prepared(question, session))
        elif question.picture is not None:
            picture = stored_picture(self._world, question.picture)
        notes = tuple(self._notes(question.texts, texts))
        spanned = self._spanned() if isinstance(question, WhyQuestion) else None
        return ReadyQuestion(question, picture, texts, spanned, notes)

    def _check_heads(self, question: SearchQuestion) -> None:
        """See that the store has the heads that are asked."""
        there = all_heads(self._world.store)
        for head in question.asked_heads:
            if head not in there:
                first, last = heads_named(there[:1]), heads_named(there[-1:])
                raise UsageError(
                    f"{named('heads')} has {heads_named([head])}, and there are {first} to {last}: leave it out"
                )

    def _notes(self, texts: tuple[str, ...], embeddings: tuple[Floats, ...]) -> Iterator[str]:
        """What there is to say of texts that the model does not know, or cannot tell apart."""
        encoder = self._world.encoder if texts else None
        for words in () if encoder is None else encoder.tokenizer(texts).unknown_words():
            if words:
                yield f"{self._world.model} does not know {shortened(', '.join(words))}: write it in other words"
        if len(embeddings) == 2 and (embeddings[0] == embeddings[1]).all():
            yield "both texts are the same to the model: it does not know all of their words"

    def _spanned(self) -> PickedTexts:
        """The texts of the heads, which are read when they are asked for first."""
        if self._picked is None:
            span, encoder = self._world.span, self._world.encoder
            if span is None or encoder is None:
                raise UsageError(self._world.cannot["why"])
            self._picked = PickedTexts.read(span, self._world.store, encoder)
        return self._picked

    def prepared(self, question: CropQuestion, session: VisitorSession) -> PreparedPicture:
        """Return a picture of the store, or an upload, as the model sees it.

        Raises:
            AlignbenchError: If there is none, or no model.
        """
        if (question.picture is None) == (question.upload is None):
            raise UsageError(f"{named('picture')} or {named('upload')}: give one of them")
        if question.upload is not None:
            upload = session.upload(question.upload)
            if upload is None:
                raise UsageError("this upload is not kept any more, or never was: use “Upload a picture” again")
            return upload.prepared
        if self._world.pictures is None:
            raise UsageError(self._world.cannot["pictures"])
        assert question.picture is not None
        return self._world.pictures.prepared(question.picture, self.tower)


def needs_model(question: SearchQuestion) -> bool:
    """Whether the model has to work before a question can be answered."""
    is_why = isinstance(question, WhyQuestion)
    return is_why or bool(question.texts) or question.upload is not None or question.analysis in MAPS


def stored_picture(world: HeadWorld, number: int) -> StoredPicture:
    """Return a picture of the store by its number.

    Raises:
        UsageError: If there is no such picture.
    """
    names = world.store.names
    if number >= len(names):
        raise UsageError(f"there is no picture {number}: they are counted from 0 to {len(names) - 1}")
    return StoredPicture(names[number], number)


def answer(world: HeadWorld, asked: ReadyQuestion) -> FoundAnswer:
    """Do the analysis.

    Args:
        world: What is browsed.
        asked: What is asked.

    Raises:
        AlignbenchError: If it cannot be done.
    """
    question = asked.question
    result: Result
    if question.analysis == "difference":
        result = _difference(world, asked)
    elif question.analysis == "people":
        result = _people(world, asked)
    else:
        job = SearchJob(
            question.analysis, question.asked_heads, question.texts, question.measure, question.count
        ).checked()
        if isinstance(question, WhyQuestion):
            assert asked.spanned is not None
            result = explain(asked.spanned, job, question.neighbour, asked.picture, asked.texts)
        else:
            result = analyse(world.store, job, asked.picture, asked.texts)
    return FoundAnswer(asked, result, result.unit if isinstance(result, HeatMap) else unit_of(question.measure))


def _difference(world: HeadWorld, asked: ReadyQuestion) -> list[Compared]:
    question = asked.question
    if question.other is None or question.other not in world.others:
        raise UsageError(world.cannot.get("others", f"{named('other')} is none of those that there are: choose one"))
    if not isinstance(asked.picture, StoredPicture):
        raise UsageError("Difference is asked about a picture of the folder, not an upload: choose one")
    others = read_heads(question.other_heads, "--than-group") if question.other_heads else ()
    job = DifferenceJob(question.asked_heads, others, bool(question.together), question.measure, question.count)
    return compare_sides(world.store, world.others[question.other].than, job, asked.picture)


def _people(world: HeadWorld, asked: ReadyQuestion) -> list[AlikePairs]:
    question = asked.question
    if question.dataset is None or question.dataset not in world.people:
        raise UsageError(world.cannot.get("people", f"{named('dataset')} is none of those that there are: choose one"))
    if isinstance(asked.picture, DecomposedPicture):
        raise UsageError("People is asked about a picture of the folder, not an upload: choose one")
    picture = None if asked.picture is None else asked.picture.number
    return world.people[question.dataset].pairs(
        PeopleJob(question.asked_heads, picture, question.measure, question.count)
    )


def _size(picture: DecomposedPicture) -> int:
    return picture.patches.nbytes + picture.heads.nbytes + picture.attention.nbytes
