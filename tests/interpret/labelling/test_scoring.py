"""The stage of scores: planted heads by hand, intervals of draws, baselines, and judges that must not judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labelling import LabelJob, LabelledHeads, label_heads, read_labels
from alignbench.interpret.labelling.measures import OF_LABELS_ALONE
from alignbench.interpret.labelling.scoring import ScoreJob, score_heads
from alignbench.interpret.labelling.words import WordLabeller
from alignbench.results.head_scores import read_head_rows, read_judged_texts, read_scores
from span_folders import write_span

LABELLER = WordLabeller({"colours": ("red",), "animals": ("dog",), "shapes": ("star",)})
JUDGE = WordLabeller({"colours": ("red", "blue"), "animals": ("dog",), "shapes": ("star",)})


def texts(*words: str) -> list[str]:
    """Ten texts: the odd ones name the first word, the even ones the others in turn."""
    even = [words[1:][place % len(words[1:])] for place in range(5)]
    return [f"{(words[0], even[place // 2])[place % 2]} {words[0]}{words[-1]}{place}" for place in range(10)]


PURE, TWIN = texts("red", "blue"), texts("red", "red")
MIXED = texts("dog", "dog", "cup")  # dog, cup, dog, cup, dog: three of five
LOST = texts("star", "cup")
PICKED = {(11, 0): PURE, (11, 1): TWIN, (11, 2): MIXED, (12, 0): LOST, (12, 1): texts("cup", "cup")}


def labelled(place: Path, drawn: Sequence[Any] = (), labeller: Any = LABELLER, **job: Any) -> LabelledHeads:
    folder = place / "own__textspan__0"
    picks = read_picks(folder if folder.exists() else write_span(folder, PICKED, drawn))
    return read_labels(label_heads(picks, labeller, LabelJob("words", **job))[0])


def rows(folder: Path) -> dict[str, dict[str, float]]:
    return {row["measure"]: row for row in read_scores(folder)[1].to_dict("records")}


def test_planted_heads_have_the_scores_of_the_hand(tmp_path: Path) -> None:
    folder, is_finished = score_heads(labelled(tmp_path), JUDGE, ScoreJob("words"))
    assert not is_finished
    assert folder.name.startswith("own__scores__")
    values = {name: row["value"] for name, row in rows(folder).items()}
    assert values == pytest.approx(
        {
            **{"association_all": 2 / 5, "association_some": 3 / 5, "association_mean": 2.6 / 5},
            **{"entangled": 2 / 4, "unique": 2 / 4, "distinct": 3 / 4, "entropy": 1.5, "simpson": 2 / 12},
            **{"redundancy": 1 / 3, "ccs_high": 2 / 5, "ccs_moderate": 1 / 5, "ccs_low": 2 / 5, "labelled": 4 / 5},
        }
    )
    heads = read_head_rows(folder)
    assert heads["label"].tolist() == ["colours", "colours", "animals", "shapes", ""]
    assert heads["agreeing"].tolist() == [5, 5, 3, 0, 0]
    assert heads["others"].tolist() == [1, 1, 0, 0, 0]
    assert heads["texts"].iloc[0] == "; ".join(PURE)
    judgments = read_judged_texts(folder)
    of_mixed = judgments[(judgments["layer"] == 11) & (judgments["head"] == 2)]
    assert of_mixed["pick"].tolist() == [2, 4, 6, 8, 10]
    assert of_mixed["text"].tolist() == MIXED[1::2]
    assert of_mixed["agrees"].tolist() == [1, 0, 1, 0, 1]
    assert score_heads(labelled(tmp_path), JUDGE, ScoreJob("words")) == (folder, True)


def test_intervals_are_of_draws_that_are_labelled_anew(tmp_path: Path) -> None:
    good, lost = dict(PICKED), dict(PICKED) | {(11, 0): LOST, (11, 1): LOST}
    drawn = [good] * 60 + [lost] * 60
    folder, _ = score_heads(labelled(tmp_path, drawn), JUDGE, ScoreJob("words"))
    found = rows(folder)
    assert (found["association_all"]["low"], found["association_all"]["high"]) == pytest.approx((0, 4 / 5 + 1 / 5))
    assert (found["simpson"]["low"], found["simpson"]["high"]) == pytest.approx((0, 6 / 12 + 2 / 12))
    heads = read_head_rows(folder)
    assert heads["label_again"].tolist() == [0.5, 0.5, 1, 1, 1]
    assert heads["picks_again"].tolist() == pytest.approx([0.5, 0.5, 1, 1, 1])
    assert "labels are made anew in each draw of the images" in read_scores(folder)[0]["notes"]
    assert not [note for note in read_scores(folder)[0]["notes"] if "few for intervals" in note]


def test_labels_of_a_chat_model_stay_in_draws_unless_it_is_asked(tmp_path: Path) -> None:
    class Asking(WordLabeller):
        asks = True

    chat = Asking({"colours": ("red",), "animals": ("dog",), "shapes": ("star", "never")})
    drawn = [dict(PICKED) | {(11, 0): MIXED}] * 3
    heads = labelled(tmp_path, drawn, chat, permutations=40)
    found = rows(score_heads(heads, JUDGE, ScoreJob("words"))[0])
    ends = found["association_all"]["low"], found["association_all"]["high"]
    assert ends == pytest.approx((1 / 5 - 1 / 5, 3 / 5 + 1 / 5)), "red does not go with dogs: 1/5 in every draw"
    for name in OF_LABELS_ALONE:
        assert np.isnan([found[name]["low"], found[name]["baseline"], found[name]["p"]]).all()
    record, _ = read_scores(score_heads(heads, JUDGE, ScoreJob("words"))[0])
    assert (
        "labels are not made anew in draws of the images: intervals are of these labels, as they are" in record["notes"]
    )
    assert "baseline: labels are given to heads anew, and texts stay" in record["notes"]
    assert any("200 images and 3 draws are few for intervals: take 100" in note for note in record["notes"])


def test_a_judge_that_asks_judges_its_own_texts_alone(tmp_path: Path) -> None:
    asked: list[str] = []

    class Asking(WordLabeller):
        asks = True

        def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Any:
            asked.extend(texts)
            return super().judge(texts, labels)

    judge = Asking(dict(JUDGE._properties))
    heads = labelled(tmp_path, [dict(PICKED) | {(11, 0): texts("red", "never")}] * 2, permutations=10)
    folder, _ = score_heads(heads, judge, ScoreJob("words"))
    assert sorted(asked) == sorted({text for each in PICKED.values() for text in each[1::2]})
    assert np.isnan(rows(folder)["association_all"]["low"])
    assert "no intervals: a chat model judges what is picked in draws" in " ".join(read_scores(folder)[0]["notes"])
    asked.clear()
    anew, _ = score_heads(heads, judge, ScoreJob("words", anew=True))
    assert anew != folder
    assert len(asked) > 25
    assert np.isfinite(rows(anew)["association_all"]["low"])


def test_the_baseline_is_texts_that_are_dealt_and_labelled_anew(tmp_path: Path) -> None:
    heads = labelled(tmp_path, permutations=300, seed=1)
    found = rows(score_heads(heads, JUDGE, ScoreJob("words"))[0])
    flat = [text for each in PICKED.values() for text in each]
    rng = np.random.default_rng(11)
    expected = []
    for _ in range(600):  # the same by hand, with other luck
        order = rng.permutation(flat)
        shares = []
        for head in order.reshape(5, 10):
            counts = [sum(word in text.split() for text in head[0::2]) for word in ("red", "dog", "star")]
            best = int(np.argmax(counts))
            clear = sorted(counts)[-1] > sorted(counts)[-2] and counts[best] >= 2
            words = (("red", "blue"), ("dog",), ("star",))[best]
            judged = [any(word in text.split() for word in words) for text in head[1::2]]
            shares.append(np.mean(judged) if clear else 0.0)
        expected.append(np.mean(shares))
    spread = np.std(expected) / np.sqrt(300)
    assert found["association_mean"]["baseline"] == pytest.approx(np.mean(expected), abs=5 * spread)
    assert found["association_mean"]["p"] == pytest.approx(1 / 301, abs=2 / 301)
    assert found["association_mean"]["baseline_high"] < found["association_mean"]["value"]


def test_no_permutations_give_no_baseline(tmp_path: Path) -> None:
    folder, _ = score_heads(labelled(tmp_path, permutations=0), JUDGE, ScoreJob("words"))
    record, table = read_scores(folder)
    assert table[["baseline", "baseline_low", "baseline_high", "p", "low", "high"]].isna().all(axis=None)
    assert "no baseline: --permutations was 0 when heads were labelled" in record["notes"]
    assert any(note.startswith("no intervals: the picks are not those of") for note in record["notes"])


def test_examples_have_no_scores(tmp_path: Path) -> None:
    heads = labelled(tmp_path, examples={(11, 1): "colours", (12, 1): "other"})
    folder, _ = score_heads(heads, JUDGE, ScoreJob("words"))
    record, _ = read_scores(folder)
    assert record["heads"] == 3
    assert "left out, as examples for the labeller: 2 heads" in record["notes"]
    found = rows(folder)
    assert found["association_all"]["value"] == pytest.approx(1 / 3)
    assert found["entangled"]["value"] == 0, "the twin is an example"
    table = read_head_rows(folder)
    assert table["share"].isna().tolist() == [False, True, False, False, True]
    assert table["label_again"].isna().all(), "no draws"
    assert table["source"].tolist() == ["labelled", "example", "labelled", "labelled", "example"]


def test_the_labeller_does_not_judge_itself(tmp_path: Path) -> None:
    heads = labelled(tmp_path)
    before = set(tmp_path.iterdir())
    said = r"the judge words is what labelled these heads \(words\), and would find its own labels right: give another"
    with pytest.raises(UsageError, match=said):
        score_heads(heads, WordLabeller(dict(LABELLER._properties)), ScoreJob("words"))
    with pytest.raises(UsageError, match="cannot judge the label 'animals'"):
        score_heads(heads, WordLabeller({"colours": ("red",), "shapes": ("star",)}), ScoreJob("words"))
    assert set(tmp_path.iterdir()) == before


def test_the_same_words_are_said_to_be_the_same(tmp_path: Path) -> None:
    class Other(WordLabeller):
        identities = frozenset({"other"})  # type: ignore[assignment]

    folder, _ = score_heads(labelled(tmp_path), Other(dict(LABELLER._properties)), ScoreJob("words"))
    assert any("the same words of properties" in note for note in read_scores(folder)[0]["notes"])


def test_picks_that_were_made_again_are_refused(tmp_path: Path) -> None:
    heads = labelled(tmp_path)
    span = tmp_path / "own__textspan__0/textspan.json"
    record = json.loads(span.read_text())
    span.write_text(json.dumps(record | {"settings": record["settings"] | {"picks": 7}}))
    with pytest.raises(DataError, match=r"labels other picks than .* has: label them again"):
        score_heads(heads, JUDGE, ScoreJob("words"))


def test_a_judge_of_another_form_is_refused(tmp_path: Path) -> None:
    class Odd(WordLabeller):
        def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Any:
            return np.ones((len(texts), 1))

    with pytest.raises(UsageError, match="the judge gives float64 of"):
        score_heads(labelled(tmp_path), Odd({"a": ("b",), "c": ("d",)}), ScoreJob("odd"))


def test_scores_do_not_depend_on_the_order_of_heads(tmp_path: Path) -> None:
    first = read_scores(score_heads(labelled(tmp_path / "a", permutations=0), JUDGE, ScoreJob("words"))[0])[1]
    write_span(tmp_path / "b/own__textspan__0", dict(reversed(PICKED.items())))
    other = read_scores(score_heads(labelled(tmp_path / "b", permutations=0), JUDGE, ScoreJob("words"))[0])[1]
    pd.testing.assert_frame_equal(first, other)
