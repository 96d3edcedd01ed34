"""What is asked of a store, before anything is loaded."""

from __future__ import annotations

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.shards import DTYPES
from alignbench.interpret.store_job import STORED_TYPES, StoreJob


def test_every_type_can_be_kept() -> None:
    assert set(STORED_TYPES) == set(DTYPES)
    for dtype in STORED_TYPES:
        assert StoreJob(dtype=dtype).checked().dtype == dtype


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (StoreJob(layers="last5"), "unknown --layers 'last5': did you mean last4"),
        (StoreJob(dtype="fp8"), "unknown --dtype 'fp8': did you mean"),
        (StoreJob(devices=0), "--devices 0: give 1 or more"),
    ],
)
def test_what_is_impossible_is_refused(job: StoreJob, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        job.checked()
