"""What the page shows of heads, as it is read: the folders of all stages of `alignbench interpret`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from alignbench.errors import DataError
from alignbench.report.page.heads import HeadsFolder, read_head_folders
from alignbench.results import head_ablations, head_scores, head_texts
from alignbench.results.folders import find_folders
from alignbench.results.head_ablations import read_ablation
from alignbench.results.head_labels import read_label_table
from alignbench.results.head_scores import read_head_rows, read_scores
from alignbench.results.head_stages import find_labels, once
from alignbench.results.head_texts import heads_of, read_span
from alignbench.results.layer_curve import is_simulated
from alignbench.results.published_heads import compare_heads

_Folder = TypeVar("_Folder")


@dataclass(frozen=True)
class LabelsFolder:
    """A folder of scores of labelled heads.

    Attributes:
        name: Its own.
        record: `scores.json`.
        scores: `scores.csv`.
        heads: `heads.csv`.
        published: What is published of these heads, see `compare_heads`; empty if nothing is.
    """

    name: str
    record: Mapping[str, Any]
    scores: pd.DataFrame
    heads: pd.DataFrame
    published: pd.DataFrame

    @property
    def fingerprint(self) -> str:
        """That of the weights of the model; empty where it is not known."""
        return str(self.record["settings"]["labels"]["span"]["heads"].get("model_fingerprint", ""))

    @property
    def makers(self) -> tuple[str, str]:
        """Who labelled, and who judged."""
        settings = self.record["settings"]
        return str(settings["labels"]["labeller"]["name"]), str(settings["judge"]["name"])


@dataclass(frozen=True)
class TextsFolder:
    """A folder of texts of heads, or of labels of them.

    Attributes:
        name: Its own.
        settings: Those of it.
        heads: A row for each head, with `layer`, `head`, `texts` in the order of their picks, and in a folder of labels
            `label` and `source`.
        notes: What is to be known of it.
    """

    name: str
    settings: Mapping[str, Any]
    heads: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def labeller(self) -> str:
        """Who labelled; empty for nobody."""
        return str(self.settings["labeller"]["name"]) if "labeller" in self.settings else ""

    @property
    def model(self) -> str:
        """Name of the model; empty where it is not known."""
        heads = self.settings.get("span", self.settings).get("heads")
        return str(heads.get("model", "")) if isinstance(heads, dict) else ""


@dataclass(frozen=True)
class AblationsFolder:
    """A folder of ablations.

    Attributes:
        name: Its own.
        record: `ablate.json`.
        table: `ablations.csv`.
    """

    name: str
    record: Mapping[str, Any]
    table: pd.DataFrame


@dataclass(frozen=True)
class ShownHeads:
    """What is to be shown of heads.

    Attributes:
        folders: Folders of components that were scored against people.
        labels: Folders of scores of labelled heads.
        texts: Folders of labels that nobody has judged, and of texts that nobody has labelled.
        ablations: Folders of ablations.
    """

    folders: tuple[HeadsFolder, ...] = ()
    labels: tuple[LabelsFolder, ...] = ()
    texts: tuple[TextsFolder, ...] = ()
    ablations: tuple[AblationsFolder, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to be shown."""
        return bool(self.folders or self.labels or self.texts or self.ablations)

    @property
    def simulated(self) -> list[str]:
        """Data sets among theirs whose people are simulated observers."""
        names = (name for folder in self.folders for name in folder.alignment["dataset"])
        return [name for name in dict.fromkeys(names) if is_simulated(name)]


NO_HEADS: Final = ShownHeads()


def read_heads(places: Sequence[Path]) -> tuple[ShownHeads, tuple[str, ...]]:
    """Read the folders of all stages among or directly below some places.

    Labels that are judged in another of the folders are shown there, and texts that are labelled likewise.

    Args:
        places: Such folders, or folders of them.

    Returns:
        What they hold, and a line for each that cannot be read and was left out.
    """
    folders, lines = read_head_folders(places)
    refused = list(lines)
    labels = _whole(find_folders(head_scores.RECORD, places), _judged, refused)
    named = _whole(find_labels(places), _labelled, refused)
    picked = _whole(find_folders(head_texts.RECORD, places), _picked, refused)
    ablations = _whole(find_folders(head_ablations.RECORD, places), _ablated, refused)
    judged = [folder.record["settings"]["labels"] for folder in labels]
    spans = [settings["span"] for settings in (*judged, *(folder.settings for folder in named))]
    texts = [folder for folder in named if folder.settings not in judged]
    texts += [folder for folder in picked if folder.settings not in spans]
    return ShownHeads(folders, tuple(labels), tuple(texts), tuple(ablations)), tuple(refused)


def _whole(folders: Iterable[Path], read: Callable[[Path], _Folder], refused: list[str]) -> list[_Folder]:
    """Read each folder once, and add a line to those that are refused for each that cannot be read."""
    found = []
    for folder in once(folders):
        try:
            found.append(read(folder))
        except DataError as error:
            refused.append(str(error))
    return found


def _judged(folder: Path) -> LabelsFolder:
    record, scores = read_scores(folder)
    return LabelsFolder(folder.name, record, scores, read_head_rows(folder), compare_heads(folder))


def _labelled(folder: Path) -> TextsFolder:
    """Labels, with the texts that they are of where these lie beside."""
    record, table = read_label_table(folder)
    span, heads, why_not = folder.parent / record["picks"], table.assign(texts=""), ""
    try:
        of_span, rows = read_span(span)
    except DataError as error:
        why_not = str(error)
    else:
        if of_span["settings"] == record["settings"]["span"]:
            heads = table.merge(_joined(rows), on=["layer", "head"], how="left").fillna({"texts": ""})
        else:
            why_not = f"{span} holds other picks than those that were labelled"
    notes = (f"texts are not shown: {why_not}",) if why_not else ()
    return TextsFolder(folder.name, record["settings"], heads, notes)


def _picked(folder: Path) -> TextsFolder:
    record, rows = read_span(folder)
    return TextsFolder(folder.name, record["settings"], _joined(rows))


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each head with its texts, as `heads.csv` of scores has them."""
    found = [(layer, head, "; ".join(picks["text"])) for layer, head, picks in heads_of(rows)]
    return pd.DataFrame(found, columns=["layer", "head", "texts"])


def _ablated(folder: Path) -> AblationsFolder:
    return AblationsFolder(folder.name, *read_ablation(folder))
