"""What is noted of pictures ends in one warning of ours, whichever thread looked at them, and Pillow stays silent."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alignbench.datasets.picture_remarks import PictureRemarks
from alignbench.errors import AlignbenchWarning


def test_remarks_are_said_once_in_the_order_of_the_names() -> None:
    remarks = PictureRemarks()
    turns = threading.Barrier(3)

    def look(name: str) -> None:
        remarks.looking_at(name)
        turns.wait(timeout=30)  # so that all look at the same time
        warnings.warn(f"odd {name}\nindeed", RuntimeWarning, stacklevel=1)
        remarks.add("said later")

    with warnings.catch_warnings(record=True) as raw:
        warnings.simplefilter("error")
        with remarks.gathered(), ThreadPoolExecutor(3) as pool:
            list(pool.map(look, ["c", "a", "b"]))
        assert not raw
    with pytest.warns(AlignbenchWarning) as said:
        remarks.warn(["a", "b", "c", "d"], Path("root"))
    assert [str(warning.message) for warning in said] == [
        "3 of 4 images under root are read, and yet: a (odd a indeed), b (odd b indeed), c (odd c indeed); check that "
        "they are the published ones"
    ]


def test_many_are_counted_and_none_is_no_warning() -> None:
    names = [f"{number:04d}" for number in range(2_000)]
    remarks = PictureRemarks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        remarks.warn(names, Path("root"))
    for name in names[100:]:
        remarks.looking_at(name)
        remarks.add("odd")
    with pytest.warns(
        AlignbenchWarning, match=r"^1,900 of 2,000 images .* 0100 \(odd\), .*0104 \(odd\), \.\.\.; check"
    ):
        remarks.warn(names, Path("root"))


def test_warnings_are_shown_as_before_afterwards_and_in_other_threads() -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    with PictureRemarks().gathered():
        assert warnings.showwarning is not shown
    assert (warnings.showwarning, list(warnings.filters)) == (shown, filters)

    def elsewhere() -> bool:
        with PictureRemarks().gathered():
            return warnings.showwarning is shown

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere).result()
