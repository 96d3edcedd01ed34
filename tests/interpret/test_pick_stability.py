"""Stability of picks: against the algorithm on copied rows, and in worlds where all or nothing depends on luck."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.pick_stability import image_draws, stability_of_heads
from alignbench.interpret.text_span import textspan


def test_draws_are_as_many_images_with_replacement() -> None:
    draws = image_draws(50, 400, seed=3)
    assert draws.shape == (400, 50)
    assert (draws.sum(axis=1) == 50).all()
    assert (draws == 0).mean() == pytest.approx((1 - 1 / 50) ** 50, abs=0.02)
    assert np.array_equal(draws, image_draws(50, 400, seed=3))
    assert not np.array_equal(draws, image_draws(50, 400, seed=4))


@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize("workers", [1, 2])
def test_each_draw_picks_what_copied_rows_pick(rank: int | None, workers: int) -> None:
    rng = np.random.default_rng(5)
    heads = [rng.normal(size=(40, 8)) @ rng.normal(size=(8, 20)) + rng.normal(size=20) for _ in range(2)]
    texts = rng.normal(size=(60, 20))
    draws = image_draws(40, 25)
    spans = [textspan(head, texts, 6, rank) for head in heads]
    for head, found, stability in zip(
        heads, spans, stability_of_heads(zip(heads, spans, strict=True), texts, draws, workers), strict=True
    ):
        copied = [textspan(np.repeat(head, drawn, axis=0), texts, 6, rank).indices.tolist() for drawn in draws]
        assert [[pick for pick in row if pick >= 0] for row in stability.picks.tolist()] == copied
        expected = [np.mean([pick in row for row in copied]) for pick in found.indices]
        np.testing.assert_allclose(stability.again, expected)
        in_place = [
            np.mean([row[place : place + 1] == [pick] for row in copied]) for place, pick in enumerate(found.indices)
        ]
        np.testing.assert_allclose(stability.in_place, in_place)


def test_clear_picks_come_again_and_noise_does_not() -> None:
    rng = np.random.default_rng(6)
    texts = np.vstack([np.eye(30), np.linalg.qr(rng.normal(size=(30, 30)))[0]])
    clear = np.zeros((300, 30))
    clear[:, [4, 9]] = rng.normal(size=(300, 2)) * [9, 3]
    noise = rng.normal(size=(300, 30))
    spans = [textspan(each, texts, 2) for each in (clear, noise)]
    assert spans[0].indices.tolist() == [4, 9]
    first, second = stability_of_heads(zip((clear, noise), spans, strict=True), texts, image_draws(300, 60))
    assert first.again.tolist() == first.in_place.tolist() == [1, 1]
    assert second.in_place.max() < 0.6


def test_a_draw_that_leaves_nothing_picks_nothing() -> None:
    x = np.zeros((3, 4))
    x[0, 0] = 1.0
    found = textspan(x, np.eye(4), 2)
    draws = np.array([[0, 2, 1], [1, 1, 1]])
    (stability,) = stability_of_heads([(x, found)], np.eye(4), draws)
    assert stability.picks.tolist() == [[-1], [0]]
    assert stability.again.tolist() == [0.5]


def test_bad_input_is_named() -> None:
    with pytest.raises(UsageError, match="resamples are 0: give at least 1"):
        image_draws(3, 0)
    x = np.eye(3)
    with pytest.raises(UsageError, match="4 images were drawn from, and contributions are of 3"):
        list(stability_of_heads([(x, textspan(x, x, 2))], x, np.ones((2, 4), dtype=np.int64)))
