"""Whatever a file holds, it is read or refused in one line: every reader, on files that were changed at random."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mutations import KINDS, Edit, mutate
from readers import READERS, Sound

pytestmark = pytest.mark.slow

EDITS = st.lists(
    st.builds(Edit, st.sampled_from(list(KINDS)), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1)),
    min_size=1,
    max_size=3,
)


HUGE = b"9" * 400
FOUND: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {  # what went wrong once
    "number of a reference": ("TID2013", "mos_with_names.txt", lambda text: text.replace(b"i01_01", b"i%b_01" % HUGE)),
    "number of a level": ("KADID-10k", "dmos.csv", lambda text: text.replace(b"_01.png", b"_%b.png" % HUGE)),
    "number of votes": ("NIGHTS", "data.csv", lambda text: re.sub(rb",[0-9]+(?=[,\r\n])", b"," + HUGE, text)),
    "number of an object": ("tables of triplets", "it.csv", lambda text: text.replace(b"1", HUGE, 5)),
    "header of an array": ("transforms", "it.npy", lambda text: text.replace(b"{'descr'", b"{'des'r'")),
    "bracket of a header": ("rows of features", "layer_0.npy", lambda text: text.replace(b"}", b" ", 1)),
    "side of a picture": ("transformers", "processor_config.json", lambda text: text.replace(b"32", HUGE)),
    "layers that are none": ("transformers", "config.json", lambda text: text.replace(b"3,", b"null,")),
    "activation in two lines": ("transformers", "config.json", lambda text: text.replace(b"quick_gelu", b"a\\nb")),
    "width of 0": (
        "checkpoints of open_clip",
        "open_clip_config.json",
        lambda text: re.sub(rb"(width.: )\d+", rb"\g<1>0", text),
    ),
    "command in two lines": ("sweeps", "it.yaml", lambda text: text.replace(b"run", b"ru\\n\\nn")),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_went_wrong_once_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    reader, file, change = FOUND[name]
    sound = Sound(READERS[reader], tmp_path / "it")
    content = change(sound.contents[file])
    assert content != sound.contents[file]
    assert sound.fault(file, content) == ""


@pytest.fixture(scope="module", params=READERS)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(READERS[request.param], tmp_path_factory.mktemp("fuzz") / "it")


def test_sound_files_are_read(sound: Sound) -> None:
    for file in sound.contents:
        sound.read(file, sound.contents[file])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changed_files_are_read_or_refused(sound: Sound, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(sorted(sound.contents)))
    content = mutate(sound.contents[file], data.draw(EDITS))
    assert sound.fault(file, content) == ""
