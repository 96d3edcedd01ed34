"""Stores while they are written: rows in any order, gone on with after a stop, one writer at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from alignbench.errors import AlignbenchError, UsageError
from alignbench.interpret.decomposition import Contributions
from alignbench.interpret.partial_store import PartialStore
from alignbench.interpret.store import HeadStore, StoreShape

SETTINGS = {"model": "own", "images": "0"}
NAMES = [f"{number}.png" for number in range(5)]
SHAPE = StoreShape(pictures=5, blocks=3, layers=(2, 3), heads=2, width=4, dtype="fp32")


def contributions(rows: list[int], scale: float = 1.0) -> Contributions:
    """Of pictures by their numbers."""
    generator = np.random.default_rng(0)
    attention, others = generator.normal(size=(5, 3, 2, 4)) * scale, generator.normal(size=(5, 4, 4)) * scale
    norm = np.linspace(1, 2, 5)
    given = (torch.from_numpy(each[rows]).float() for each in (attention, others, norm, norm / 1e7))
    attention, others, norm, closure = given
    return Contributions(attention, others, None, norm, closure)


def write(partial: PartialStore, rows: list[int]) -> None:
    with partial.rows(NAMES) as writer:
        writer.write(np.array(rows), contributions(rows))


def test_rows_that_come_in_any_order_make_a_store(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    with partial.held() as lacking:
        assert lacking.tolist() == [0, 1, 2, 3, 4]
        write(partial, [3, 1])
    with partial.held() as lacking:  # the next start
        assert lacking.tolist() == [0, 2, 4]
        write(partial, [4])
        write(partial, [0, 2])
        partial.finish(NAMES, {"versions": {}}, None, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["it__heads__0"]
    store, whole = HeadStore.open(partial.folder), contributions([0, 1, 2, 3, 4])
    for number, layer in enumerate((1, 2)):
        for head in range(2):
            np.testing.assert_array_equal(store.head(number + 2, head), whole.attention[:, layer, head])
    np.testing.assert_array_equal(store.others(), whole.others)
    np.testing.assert_allclose(store.left_out(), whole.attention[:, 0].sum(dim=1), rtol=1e-6)
    np.testing.assert_array_equal(store.norms, whole.norm)
    assert store.record["settings"] == SETTINGS
    assert store.record["closure"]["largest"] == pytest.approx(2e-7)


def test_rows_of_other_settings_or_sizes_are_not_gone_on_with(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    with partial.held():
        write(partial, [0])
    with PartialStore(partial.folder, SETTINGS | {"images": "1"}, SHAPE).held() as lacking:
        assert len(lacking) == 5
    with partial.held():
        write(partial, [0])
    (partial.place / "store/layer_2.safetensors").write_bytes(b"damaged")
    with partial.held() as lacking:
        assert len(lacking) == 5


def test_a_row_is_done_only_when_it_is_on_the_disk(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    with partial.held(), partial.rows(NAMES) as writer:
        writer.write(np.array([1]), contributions([1]))
        assert not (partial.place / "done").read_bytes().count(1)
        writer.flush()
        assert (partial.place / "done").read_bytes() == bytes([0, 1, 0, 0, 0])


def test_nothing_is_left_where_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    with pytest.raises(AlignbenchError, match="damaged picture"), partial.held():
        raise AlignbenchError("damaged picture")
    assert not partial.place.exists()
    with partial.held():
        write(partial, [2])
    with pytest.raises(AlignbenchError, match="damaged picture"), partial.held():
        raise AlignbenchError("damaged picture")
    assert partial.place.exists()


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    with partial.held():
        with pytest.raises(UsageError, match=r"another process makes .*it__heads__0: wait for it"), partial.held():
            pass
        write(partial, [2])
    assert partial.place.exists()


def test_a_number_that_does_not_fit_its_type_is_refused(tmp_path: Path) -> None:
    shape = StoreShape(5, 3, (3,), 2, 4, "fp16")
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, shape)
    found = contributions([4, 3])
    found.others[1, 2, 0] = 1e6
    with (
        pytest.raises(AlignbenchError, match=r"contributions of 3\.png are too large for --dtype fp16: use bf16"),
        partial.held(),
        partial.rows(NAMES) as writer,
    ):
        writer.write(np.array([4, 3]), found)


def test_a_store_that_is_there_stays_or_is_exchanged(tmp_path: Path) -> None:
    partial = PartialStore(tmp_path / "it__heads__0", SETTINGS, SHAPE)
    for word, overwrite, wanted in (("first", False, "first"), ("second", False, "first"), ("third", True, "third")):
        with partial.held():
            write(partial, [0, 1, 2, 3, 4])
            partial.finish(NAMES, {"word": word}, None, overwrite)
        assert HeadStore.open(partial.folder).record["word"] == wanted
        assert [path.name for path in tmp_path.iterdir()] == ["it__heads__0"]
