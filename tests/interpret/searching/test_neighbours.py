"""The three analyses that give pictures, against plain NumPy."""

from __future__ import annotations

import numpy as np

from alignbench.interpret.searching.neighbours import (
    HeadRows,
    picture_neighbours,
    property_neighbours,
    text_neighbours,
)

VALUES = np.random.default_rng(1).normal(size=(3, 9, 4)).astype(np.float32)  # heads, pictures, numbers
NAMES = ((5, 0), (5, 1), (6, 2))


def heads(picture: int) -> list[HeadRows]:
    return [HeadRows(name, rows, rows[picture]) for name, rows in zip(NAMES, VALUES, strict=True)]


def test_a_property_is_the_mean_over_its_heads() -> None:
    found = property_neighbours(heads(2), without=2)
    products = np.einsum("hnd,hd->hn", VALUES.astype(float), VALUES[:, 2].astype(float)).mean(axis=0)
    wanted = [number for number in sorted(range(9), key=lambda number: -products[number]) if number != 2][:4]
    assert (found.heads, found.pictures.tolist()) == (NAMES, wanted)
    np.testing.assert_allclose(found.values, products[wanted])
    (one,) = picture_neighbours(heads(2)[1:2], 4, without=2)
    alone = property_neighbours(heads(2)[1:2], without=2)
    assert (alone.heads, alone.pictures.tolist()) == (one.heads, one.pictures.tolist())


def test_each_head_has_its_own_neighbours() -> None:
    found = picture_neighbours(heads(4), count=3, measure="cosine", without=4)
    assert [each.heads for each in found] == [(name,) for name in NAMES]
    for rows, each in zip(VALUES.astype(float), found, strict=True):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = unit @ unit[4]
        cosines[4] = -2.0
        assert each.pictures.tolist() == np.argsort(-cosines)[:3].tolist()
        np.testing.assert_allclose(each.values, np.sort(cosines)[::-1][:3], rtol=1e-6)
    assert len(picture_neighbours(heads(4))[0].pictures) == 8


def test_each_head_has_pictures_of_a_text() -> None:
    text = np.array([0.5, -0.5, 0.5, 0.5])
    found = text_neighbours([HeadRows(name, rows, text) for name, rows in zip(NAMES, VALUES, strict=True)])
    for rows, each in zip(VALUES.astype(float), found, strict=True):
        products = rows @ text
        assert each.pictures.tolist() == np.argsort(-products)[:3].tolist()
        np.testing.assert_allclose(each.values, np.sort(products)[::-1][:3])
