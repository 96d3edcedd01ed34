"""Whatever a file holds, it is read or refused in one line: every reader, on files that were changed at random."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutations import KINDS, Edit, mutate
from readers import READERS, Sound

EDITS = st.lists(
    st.builds(Edit, st.sampled_from(list(KINDS)), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module", params=READERS)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(READERS[request.param], tmp_path_factory.mktemp("fuzz") / "it")


def test_sound_files_are_read(sound: Sound) -> None:
    for file in sound.contents:
        sound.read(file, sound.contents[file])


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_files_are_read_or_refused(sound: Sound, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(sorted(sound.contents)))
    content = mutate(sound.contents[file], data.draw(EDITS))
    assert sound.fault(file, content) == ""
