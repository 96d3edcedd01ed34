"""An error is one line: it names the thing, the remedy, and what may have been meant."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest

from alignbench.errors import (
    AlignbenchWarning,
    DataError,
    LostRankError,
    UsageError,
    counted,
    did_you_mean,
    in_words,
    one_line,
    unknown,
    unwritable,
    worded,
)


def test_a_name_near_nothing_lists_all_valid_ones() -> None:
    assert str(unknown("distance", "zzz", ["euclidean", "cosine"])) == (
        "unknown distance 'zzz': valid: cosine, euclidean"
    )


@pytest.mark.parametrize("name", ["pixels ", " pixels", "\u00a0pixels", "  pixels  "])
def test_a_blank_in_front_or_at_the_end_is_shown(name: str) -> None:
    shown = f"{' ' * name[0].isspace()}pixels{' ' * name[-1].isspace()}"
    assert str(unknown("model", name, ["pixels", "ssim"])) == (
        f"unknown model '{shown}': write pixels, without a blank in front or at the end"
    )


def test_suggestions_ignore_letter_case_and_keep_the_valid_spelling() -> None:
    found = str(unknown("model", "ofa-sys/CHINESE-clip-vit-base-patch16", ["OFA-Sys/chinese-clip-vit-base-patch16"]))
    assert found.endswith("did you mean OFA-Sys/chinese-clip-vit-base-patch16?")


def test_suggestions_do_not_depend_on_the_order_of_the_choices() -> None:
    choices = ["vit", "ViT", "bit", "vid"]
    assert did_you_mean("VIT", choices) == did_you_mean("VIT", choices[::-1])
    assert did_you_mean("VIT", choices).startswith("did you mean vit or")


def test_what_is_far_less_like_it_than_the_nearest_is_not_asked_about() -> None:
    assert did_you_mean("mil", ["mild", "pixels"], 0.4) == "did you mean mild?"
    assert did_you_mean("mil", ["mild", "mile", "pixels"], 0.4) == "did you mean mile or mild?"


def test_a_name_is_near_at_the_likeness_itself_and_not_below() -> None:
    # two of four letters are shared: 2 * 2 / (4 + 4)
    assert did_you_mean("abcd", ["abxy"], likeness=0.5) == "did you mean abxy?"
    assert did_you_mean("abcd", ["abxy"], likeness=0.51) == ""
    assert did_you_mean("abcd", []) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\nlines,\r\n\ttabs   and spaces "), "two lines, tabs and spaces"),
        (ValueError("größer\u2028als"), "größer als"),
        (KeyError(), "KeyError"),
        (OSError(" \n"), "OSError"),
        (ValueError("x" * 300), "x" * 200),
    ],
)
def test_the_text_of_any_error_fits_on_a_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_what_cannot_be_written_is_named_with_the_systems_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "run.json"
    with pytest.raises(OSError, match="Not a directory") as refused:
        path.write_text("")
    told = f"{path} cannot be written (Not a directory): choose another --output"
    assert str(unwritable(path, refused.value)) == told
    assert str(unwritable(path, refused.value, "make room")) == told.replace("choose another --output", "make room")


def test_a_disk_that_numpy_found_full_is_told_in_its_words() -> None:
    error = OSError("8 requested\nand 3 written")  # as `ndarray.tofile` raises it, without a number of the system
    assert str(unwritable(Path("runs"), error)).startswith("runs cannot be written (8 requested and 3 written): ")


def test_a_text_is_one_line_that_can_be_printed_whatever_is_quoted() -> None:
    quoted = "a\nb\tc\x1b[31m \ud800 \u2028 né 雪"
    for kind in (UsageError, DataError, LostRankError):
        text = str(kind(quoted))
        assert text == "a b c?[31m ?   né 雪"
        assert text.encode()
        assert str(pickle.loads(pickle.dumps(kind(quoted)))) == text
    assert str(DataError("two  blanks stay")) == "two  blanks stay"


def test_errors_and_warnings_are_said_in_other_words_for_a_while() -> None:
    with worded(str.upper):
        within = DataError("a b"), AlignbenchWarning("a b"), LostRankError("a b")
        with worded(str.title):
            assert (str(UsageError("a b")), in_words("a b")) == ("A B", "A B")
        again = UsageError("a b")
    assert [str(error) for error in (*within, again)] == ["A B"] * 4
    assert (str(UsageError("a b")), in_words("a b")) == ("a b", "a b")


def test_another_thread_has_its_own_words() -> None:
    found: list[str] = []
    with worded(str.upper):
        thread = threading.Thread(target=lambda: found.append(str(UsageError("a"))))
        thread.start()
        thread.join()
    assert found == ["a"]


@pytest.mark.parametrize(
    ("count", "name", "said"),
    [
        (0, "picture", "0 pictures"),
        (1, "picture", "1 picture"),
        (1_200, "picture", "1,200 pictures"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
    ],
)
def test_counts_are_said_in_the_right_number(count: int, name: str, said: str) -> None:
    assert counted(count, name) == said
