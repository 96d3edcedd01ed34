"""The packaged world: its pictures never change, and its simulated observers follow their documented formulas."""

import re
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.datasets import distortions, scenes, shapes
from alignbench.datasets.data_set import DataSet
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.shapes import HIGH, LOW, MIDDLE, Drawing, SceneImages
from alignbench.errors import UsageError

Floats = NDArray[np.float64]
WORLD = {data_set.name: data_set for data_set in (LOW, MIDDLE, HIGH)}
every_level = pytest.mark.parametrize("name", list(WORLD))


@pytest.fixture(scope="module")
def world() -> dict[str, Judgments]:
    """Both subsets of every level, read once."""
    return {name: data_set.read(None, ("test", "trainset")) for name, data_set in WORLD.items()}


def drawings(judgments: Judgments, subset: int) -> list[Drawing]:
    """The drawings that a subset's judgments name."""
    images = judgments.images
    assert isinstance(images, SceneImages)
    pairs = judgments.judged[judgments.subsets[subset].rows]
    return [images.drawings[int(image)] for image in np.unique(judgments.pairs[pairs])]


# --- Pictures -------------------------------------------------------------------------------------------------------


@every_level
def test_judgments_are_the_same_in_every_call(name: str, world: dict[str, Judgments]) -> None:
    again = WORLD[name].read(None, ("test", "trainset"))
    identities = world[name].images.identities()
    assert again.fingerprint(again.images.identities()) == world[name].fingerprint(identities)


@every_level
def test_a_picture_is_opened_as_it_was_drawn(name: str, world: dict[str, Judgments]) -> None:
    images = world[name].images
    assert isinstance(images, SceneImages)
    for index in (0, 7, len(images.drawings) - 1):
        drawing = images.drawings[index]
        expected = scenes.render(drawing.scene)
        if drawing.damage:
            expected = distortions.distort(expected, *drawing.damage)
        opened = images.select(np.array([3, index])).open(1)
        assert (opened.mode, opened.size) == ("RGB", (64, 64))
        np.testing.assert_array_equal(np.asarray(opened), expected)


@every_level
def test_every_drawing_has_a_name_of_its_own(name: str, world: dict[str, Judgments]) -> None:
    names = world[name].images.names
    assert len(set(names)) == len(names)
    assert len(set(world[name].images.identities())) == len(names)


# --- What is promised -----------------------------------------------------------------------------------------------


@every_level
def test_test_and_train_share_no_scene(name: str, world: dict[str, Judgments]) -> None:
    test, train = ({drawing.scene for drawing in drawings(world[name], subset)} for subset in (0, 1))
    assert test
    assert train
    assert not test & train
    assert not {scene.seed for scene in test} & {scene.seed for scene in train}


@every_level
def test_all_is_both_subsets(name: str, world: dict[str, Judgments]) -> None:
    everything = WORLD[name].read(None, ("all",))
    assert everything.ids == world[name].ids
    both = [len(np.unique(subset.clusters)) for subset in world[name].subsets]
    assert len(np.unique(everything.subsets[0].clusters)) == sum(both)


@every_level
def test_default_subset_is_test(name: str) -> None:
    assert WORLD[name].default_subset == "test"
    assert WORLD[name].packaged


def promised(data_set: DataSet) -> list[int]:
    """The numbers in the line that describes a data set."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", data_set.summary)]


def test_low_has_as_many_ratings_and_references_as_it_says(world: dict[str, Judgments]) -> None:
    ratings, references = promised(LOW)
    test = world["shapes-low"].subsets[0]
    assert len(test.rows) == ratings == 1000
    assert Counter(test.clusters[:, 0].tolist()) == dict.fromkeys(range(references), 40)


def test_middle_has_as_many_triplets_as_it_says(world: dict[str, Judgments]) -> None:
    assert [len(world["shapes-middle"].subsets[0].rows)] == promised(MIDDLE)


def test_the_triplets_of_middle_are_of_one_shape_and_colour(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-middle"]
    images = judgments.images
    assert isinstance(images, SceneImages)
    for pairs in judgments.pairs[judgments.judged].reshape(-1, 2, 2).tolist():
        (reference, left), (same, right) = pairs
        assert reference == same
        seen = {
            (images.drawings[image].scene.shape, images.drawings[image].scene.colour) for image in (reference, left)
        }
        seen |= {(images.drawings[right].scene.shape, images.drawings[right].scene.colour)}
        assert len(seen) == 1


def test_high_has_as_many_triplets_concepts_and_repeats_as_it_says(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-high"]
    distinct, count, repeated, times = promised(HIGH)
    assert (distinct, count, repeated, times) >= (20_000, 240, 1000, 16)
    concepts = [
        {(drawing.scene.shape, drawing.scene.colour, drawing.scene.texture) for drawing in drawings(judgments, subset)}
        for subset in (0, 1)
    ]
    assert len(concepts[0]) == count == len(drawings(judgments, 0)), "one picture a concept"
    assert not concepts[0] & concepts[1]
    triplets = to_triplets(judgments)
    assert Counter(Counter(triplets).values()) == {1: distinct - repeated, times: repeated}
    clusters = judgments.subsets[0].clusters[:, 0].tolist()
    assert len(set(clusters)) == len(set(zip(triplets, clusters, strict=True))) == distinct


def to_triplets(judgments: Judgments) -> list[tuple[int, ...]]:
    """The three images of every judgment of `test`, sorted."""
    ends = judgments.pairs[judgments.judged[judgments.subsets[0].rows]]
    smallest, largest = ends.min(axis=(1, 2)), ends.max(axis=(1, 2))
    middle = ends.reshape(len(ends), -1).sum(axis=1) // 2 - smallest - largest
    return list(zip(smallest.tolist(), middle.tolist(), largest.tolist(), strict=True))


@every_level
def test_a_data_root_is_refused(name: str, tmp_path: object) -> None:
    data_set: DataSet = WORLD[name]
    with pytest.raises(UsageError, match="takes no --data-root"):
        data_set.read(tmp_path, ("test",))  # type: ignore[arg-type]


@every_level
def test_simulated_observers_say_that_they_are(name: str, world: dict[str, Judgments]) -> None:
    assert world[name].observers == "simulated observers"
    assert "not human data" in WORLD[name].summary


# --- Simulated observers --------------------------------------------------------------------------------------------


def test_ratings_fall_with_the_annoyance_of_the_level(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-low"]
    images = judgments.images
    assert isinstance(images, SceneImages)
    residuals = []
    for pair, rating in zip(judgments.judged[:, 0], judgments.human, strict=True):
        original, damaged = (images.drawings[int(end)] for end in judgments.pairs[pair])
        assert original == Drawing(damaged.scene)
        assert damaged.damage is not None
        distortion, level, _ = damaged.damage
        residuals.append(rating - (9.0 - shapes.ANNOYANCE[distortion] * level))
    assert len(residuals) == 1600
    assert abs(np.mean(residuals)) < 4 * 0.5 / np.sqrt(1600)
    assert np.std(residuals) == pytest.approx(0.5, rel=4 / np.sqrt(2 * 1600))
    assert stats.kstest(np.array(residuals) / 0.5, "norm").pvalue > 1e-3


def check_calibrated(share: Floats, chosen: NDArray[np.int64]) -> None:
    """Checks that options are chosen with their probabilities, as near as chance allows (four standard errors).

    Once in ten bins of probability, and once for the slope: too sure or too unsure observers choose options of too high
    or too low a log probability on average.

    Args:
        share: Probability of each option, (judgments, options).
        chosen: The option that was chosen, (judgments,).
    """
    happened = (np.arange(share.shape[1]) == chosen[:, None]).ravel()
    for some in np.array_split(np.argsort(share, axis=None, kind="stable"), 10):
        p = share.ravel()[some]
        error = np.sqrt((p * (1 - p)).sum()) / len(some)
        assert abs(happened[some].mean() - p.mean()) < 4 * error + 1e-9
    information = np.log(share)
    expected = (share * information).sum(axis=1)
    variance = (share * information**2).sum(axis=1) - expected**2
    excess = np.take_along_axis(information, chosen[:, None], axis=1)[:, 0] - expected
    assert abs(excess.sum()) < 4 * np.sqrt(variance.sum())


def test_votes_follow_the_majority_of_nine_observers(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-middle"]
    images = judgments.images
    assert isinstance(images, SceneImages)
    probability = []
    for pairs in judgments.pairs[judgments.judged]:
        reference, left, right = (images.drawings[int(image)].scene for image in (*pairs[0], pairs[1, 1]))
        costs = [
            sum(cost for name, cost in shapes.IMPORTANCE.items() if getattr(option, name) != getattr(reference, name))
            for option in (left, right)
        ]
        share = np.exp(-1.5 * costs[1]) / np.exp([-1.5 * cost for cost in costs]).sum()
        probability.append(stats.binom.sf(4, 9, share))
    right = np.array(probability)
    check_calibrated(np.stack([1 - right, right], axis=1), judgments.human.astype(np.int64))


def test_one_to_four_attributes_change(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-middle"]
    images = judgments.images
    assert isinstance(images, SceneImages)
    changed = Counter(
        sum(getattr(a.scene, name) != getattr(b.scene, name) for name in shapes.IMPORTANCE)
        for a, b in ((images.drawings[a], images.drawings[b]) for a, b in judgments.pairs.tolist())
    )
    assert set(changed) == {1, 2, 3, 4}
    assert stats.chisquare(list(changed.values())).pvalue > 1e-3


def test_kept_pairs_follow_a_softmax_over_shared_attributes(world: dict[str, Judgments]) -> None:
    judgments = world["shapes-high"]
    images = judgments.images
    assert isinstance(images, SceneImages)
    # What a concept is, in the words that two concepts can share, one column for each entry of KINSHIP.
    words = np.array(
        [
            (scenes.KIND_OF[s.shape], s.shape, scenes.FAMILY_OF[s.colour], s.colour, s.texture)
            for s in (drawing.scene for drawing in images.drawings)
        ]
    )
    weights = np.array([shapes.KINSHIP[name] for name in ("kind", "shape", "family", "colour", "texture")])
    ends = judgments.pairs[judgments.judged]
    similarity = (words[ends[..., 0]] == words[ends[..., 1]]) @ weights
    share = np.exp(1.5 * similarity) / np.exp(1.5 * similarity).sum(axis=1, keepdims=True)
    assert not judgments.human.any(), "the kept pair is the first"
    check_calibrated(share, judgments.human.astype(np.int64))


def test_kinship_by_hand() -> None:
    assert shapes.kinship(("disc", "red", "plain"), ("oval", "orange", "dotted")) == pytest.approx(0.8 + 0.5)
    assert shapes.kinship(("disc", "red", "plain"), ("disc", "blue", "plain")) == pytest.approx(0.8 + 1.2 + 0.5)
    assert shapes.kinship(("disc", "red", "plain"), ("star", "green", "dotted")) == 0
    assert shapes.kinship(("disc", "red", "plain"), ("disc", "red", "plain")) == pytest.approx(4.0)
