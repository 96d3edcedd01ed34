"""A store of the packaged world with all that can lie beside one: texts, labels, scores, people's judgments, a twin."""

from __future__ import annotations

from pathlib import Path

import yaml

from alignbench import Cell
from alignbench.interpret.align_job import AlignJob, Nulls
from alignbench.interpret.aligning import Surroundings, align
from alignbench.interpret.demo import attribute_words
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labeller import LabellerRequest, make_labeller
from alignbench.interpret.labelling.labelling import LabelJob, label_heads, read_labels
from alignbench.interpret.labelling.scoring import ScoreJob, score_heads
from alignbench.interpret.scene_attributes import attribute_texts
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.loading import load_text_encoder

MODEL, PEOPLE = "shapes-clip", "shapes-low"


def write_browsed(root: Path, judgments: int = 60) -> HeadStore:
    """Of `shapes-clip` and the pictures of so many judgments of `shapes-low`; all else lies beside it."""
    cell = Cell(MODEL, PEOPLE, accelerator="cpu", batch_size=64, workers=0, limit=judgments)
    job = AlignJob(cell, ("corrected",), output=root, nulls=Nulls(19, 1, 1))
    assert align(job, Surroundings()) is not None
    (folder,) = root.glob(f"{MODEL}__heads__*")
    store = HeadStore.open(folder)
    texts = attribute_texts()
    span, _ = span_store(store, load_text_encoder(MODEL), list(texts), SpanJob(picks=4, rank=None, resamples=0))
    picks = read_picks(span)
    labels, _ = label_heads(picks, make_labeller("words", LabellerRequest(attribute_words())), LabelJob("words"))
    lists: dict[str, list[str]] = {}
    for text in dict.fromkeys(picks.texts):
        lists.setdefault(texts[text], []).append(text)
    written = root / "attributes.yaml"
    written.write_text(yaml.safe_dump(lists), encoding="utf-8")
    judge = make_labeller("file", LabellerRequest(attribute_words(), file=written))
    score_heads(read_labels(labels), judge, ScoreJob("file"))
    return store
