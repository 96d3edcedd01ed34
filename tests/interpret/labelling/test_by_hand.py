"""Labels by hand: heads that exist, texts in quotes, and a judge that knows what is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.interpret.labelling.by_hand import HandLabeller, check_places, read_head_labels
from alignbench.interpret.labelling.labeller import HeadTexts, LabellerRequest, make_labeller

HEADS = [HeadTexts(11, head, ("a",)) for head in range(3)]


def test_heads_have_the_labels_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text("11:\n  0: colours\n  2: 'no'\n")
    labeller = make_labeller("file", LabellerRequest({}, file=tmp_path / "it.yaml"))
    assert [found.label for found in labeller.label(HEADS)] == ["colours", "", "no"]
    assert not labeller.asks
    (tmp_path / "same.yaml").write_text("11:\n  0: colours\n  2: 'no'\n")
    assert HandLabeller(tmp_path / "same.yaml").identities == labeller.identities


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("11: {0: ''}\n", "has a label of layer 11, head 0, that is empty"),
        ("11: {0: }\n", r"has a label of layer 11, head 0, that YAML takes for no text \(None\)"),
        ("11: {0: yes}\n", r"that YAML takes for no text \(True\): write it in quotes"),
        ("11: {0: a, 0: b}\n", "has the key 0 twice"),
        ("11: {0: a}\n11: {1: b}\n", "has the key 11 twice"),
        ("eleven: {0: a}\n", "has eleven where a layer's number belongs"),
        ("0: {0: a}\n", "has 0 where a layer's number belongs"),
        ("true: {0: a}\n", "has True where a layer's number belongs"),
        ("11: colours\n", "has 11 where a layer's number belongs, with its heads under it"),
        ("11: {first: a}\n", "has first under layer 11 where a head's number belongs"),
        ("11: {-1: a}\n", "has -1 under layer 11 where a head's number belongs"),
        ("? [1, 2]\n: {0: a}\n", "is not YAML|where a layer's number belongs"),
        ("labels: [a, b]\n", "has labels where a layer's number belongs"),
    ],
)
def test_odd_files_are_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text(content)
    with pytest.raises(DataError, match=said) as caught:
        read_head_labels(tmp_path / "it.yaml")
    assert str(tmp_path / "it.yaml") in str(caught.value)


def test_heads_that_are_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text("11: {0: a}\n12: {5: b}\n")
    said = "it.yaml labels layer 12, head 5, which is not there: layers are 11, and their heads 0 to 2"
    with pytest.raises(DataError, match=said):
        HandLabeller(tmp_path / "it.yaml").label(HEADS)
    with pytest.raises(DataError, match="layer 11, head 3, which is not there"):
        check_places(tmp_path / "it.yaml", {(11, 3): "a"}, [(11, 0), (11, 2)])


def test_as_a_judge_it_knows_what_is_listed(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text("colours: [a red cup, blue]\nanimals: [a dog]\n")
    judge = HandLabeller(tmp_path / "it.yaml")
    with pytest.warns(AlignbenchWarning, match=r"1 text of .* are none of those .* \('blue'\): see whether"):
        found = judge.judge(("a red cup", "a dog", "red"), ("animals", "colours"))
    assert found.tolist() == [[False, True], [True, False], [False, False]]
    with pytest.raises(UsageError, match=r"it.yaml cannot judge the label 'plants'"):
        judge.judge(("a",), ("plants",))
    with pytest.raises(DataError, match="cannot be read"):
        HandLabeller(tmp_path / "nowhere.yaml")
    with pytest.raises(UsageError, match="file needs --file: give it"):
        make_labeller("file", LabellerRequest({}))
