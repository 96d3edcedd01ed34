"""Cards of a user's own checkpoints: where they lie, what they may say, and what contradicts them."""

from pathlib import Path

import pytest

from alignbench.errors import ModelError, UsageError
from alignbench.models.own_cards import (
    OwnCard,
    check_label,
    check_label_free,
    join_factors,
    local_checkpoint,
    natural_key,
    pair_labels,
    parse_factors,
    read_own_card,
)

CARD = 'label = "mine, step 1000"\n'


def test_a_card_lies_in_the_folder_of_a_checkpoint_or_beside_its_file(tmp_path: Path) -> None:
    text = 'label = "mine"\n[factors]\nstep = 1000\nrate = 0.5\nfrozen = true\ndata = "LAION-2B"\n'
    said = OwnCard("mine", {"step": 1000, "rate": 0.5, "frozen": True, "data": "LAION-2B"})
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "alignbench.toml").write_text(text)
    (tmp_path / "step.1000.pt").write_bytes(b"weights")
    (tmp_path / "step.1000.alignbench.toml").write_text(text)
    folder, file = tmp_path / "clip", tmp_path / "step.1000.pt"
    for name in (folder, f"open_clip:{folder}", file, f"open_clip:ViT-B-32/{file}"):
        assert read_own_card(str(name)) == said, name


@pytest.mark.parametrize("name", ["openai/clip-vit-base-patch32", "nobody/has-this", "ssim", "x" * 5_000, "a\0b", ""])
def test_what_lies_nowhere_has_no_card(name: str) -> None:
    assert local_checkpoint(name) is None
    assert read_own_card(name) == OwnCard()


def test_a_checkpoint_without_a_card_says_nothing(tmp_path: Path) -> None:
    assert local_checkpoint(str(tmp_path)) == tmp_path
    assert read_own_card(str(tmp_path)) == OwnCard()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label = 1", "its label is no text"),
        ("factors = 1", "its factors are no table"),
        ("name = 'x'", "it has name, which no card has"),
        ("label = 'a@b'", "has @ or a comma"),
        ("label = 'a'\nlabel = 'b'", "label"),
        ("[factors]\n'a b' = 1", "'a b' must be called by letters"),
        ("[factors]\na = [1]", "the factor a is no text"),
        ("[factors]\na = nan", "the factor a is out of range"),
        ("[factors]\na = 2020-01-01", "the factor a is no text"),
        ("[factors]\na = ' '", "the factor a is empty"),
        ("# " + "x" * 100_000, "more than 100,000 bytes"),
        ("a = " + "[" * 5_000, "is no card"),
    ],
)
def test_what_no_card_can_say_is_refused_with_its_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "alignbench.toml").write_text(text)
    with pytest.raises(ModelError) as caught:
        read_own_card(str(tmp_path))
    assert str(tmp_path / "alignbench.toml") in str(caught.value)
    assert words in str(caught.value)


def test_a_folder_in_place_of_a_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alignbench.toml").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_own_card(str(tmp_path))


@pytest.mark.parametrize(
    "label", ["", " ", " a", "a ", "a@b", "a,b", "a\nb", "a\0", "x" * 121, "\u202ea", ".a", "../a", "/a", "~a"]
)
def test_a_label_that_cannot_be_shown_or_told_apart_is_refused(label: str) -> None:
    with pytest.raises(UsageError, match="the label"):
        check_label(label)


@pytest.mark.parametrize("label", ["mine", "step 1000", "a/b:c", "größe", "模型"])
def test_other_labels_are_taken(label: str) -> None:
    check_label_free(label, "somewhere/clip")


def test_the_name_of_another_model_is_no_label() -> None:
    check_label_free("ssim", "ssim")
    for label in ("ssim", "openai/clip-vit-base-patch32", "shapes-clip"):
        with pytest.raises(UsageError, match="is the name of another model"):
            check_label_free(label, "somewhere/clip")


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((), {}),
        (("step=1000",), {"step": 1000}),
        (("step=1000,data=a b", "frozen=true"), {"step": 1000, "data": "a b", "frozen": True}),
        (("a=-1", "b=1.5", "c=1e-3", "d=2e3", "e=false"), {"a": -1, "b": 1.5, "c": 0.001, "d": 2000.0, "e": False}),
        (("a=nan", "b=inf", "c=1_0", "d=0x1", "e=True"), {"a": "nan", "b": "inf", "c": "1_0", "d": "0x1", "e": "True"}),
        (("a=x=y",), {"a": "x=y"}),
        (("a=1", "a=1"), {"a": 1}),
    ],
)
def test_factors_are_read_as_numbers_truths_or_texts(texts: tuple[str, ...], found: dict[str, object]) -> None:
    read = parse_factors(texts)
    assert read == found
    assert [type(value) for value in read.values()] == [type(value) for value in found.values()]


@pytest.mark.parametrize(
    "text", ["step", "=1", "step=", "a=1,,b=2", "a b=1", "1a=2", "a.b=1", "a=1,a=2", "a=1,a=true", ""]
)
def test_what_is_no_factor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="the factor"):
        parse_factors([text])


def test_a_card_that_is_a_broken_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alignbench.toml").symlink_to(tmp_path / "gone.toml")
    with pytest.raises(ModelError, match=r"alignbench\.toml leads to no file"):
        read_own_card(str(tmp_path))


def test_numbers_in_labels_are_sorted_by_size() -> None:
    labels = ["step 10", "step 2", "b", "step 2b", "a", "step 2@random-10", "step 2@random-9", "7"]
    assert sorted(labels, key=natural_key) == [
        *("a", "b", "step 2", "step 2@random-9", "step 2@random-10", "step 2b", "step 10", "7")
    ]


def test_factors_may_be_repeated_and_not_contradicted() -> None:
    base = "openai/clip-vit-base-patch32"
    assert join_factors("a", {"step": 1}, {"data": "x"}) == {"data": "x", "step": 1}
    assert join_factors("a", {"step": 1}, {"step": 1}) == {"step": 1}
    assert join_factors(base, {"loss": "softmax", "patch_size": 32}, {}) == {"loss": "softmax", "patch_size": 32}
    with pytest.raises(UsageError, match="loss is softmax by its card, and sigmoid is given"):
        join_factors(base, {"loss": "sigmoid"}, {})
    with pytest.raises(UsageError, match=r"step is 1 by its alignbench\.toml, and 2 is given"):
        join_factors("a", {"step": 2}, {"step": 1})


def test_each_model_has_its_label(tmp_path: Path) -> None:
    assert pair_labels("a, b,a", "") == {"a": "", "b": ""}
    assert pair_labels("a,b", "x, y") == {"a": "x", "b": "y"}
    (tmp_path / "a,b").mkdir()
    assert pair_labels(str(tmp_path / "a,b"), "x") == {str(tmp_path / "a,b"): "x"}
    assert pair_labels(f"features:{tmp_path / 'a,b'}", "x") == {f"features:{tmp_path / 'a,b'}": "x"}
    assert pair_labels("pixels,features:a", "x,y") == {"pixels": "x", "features:a": "y"}
    for models, labels, words in (
        ("", "", "--model is empty"),
        (",", "", "--model is empty"),
        ("a,b", "x", "1 of 2"),
        ("a,b", "x,x", "x twice"),
    ):
        with pytest.raises(UsageError, match=words):
            pair_labels(models, labels)
