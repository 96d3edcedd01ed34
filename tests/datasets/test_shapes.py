"""The packaged world: its pictures never change, and its simulated observers follow their documented formulas."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

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

HERE = Path(__file__).parent


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


def pixels_digest() -> str:
    """A hash of some pictures and captions: scenes of every shape, and every distortion."""
    digest = hashlib.sha256()
    rng = np.random.default_rng(5)
    drawn = [scenes.sample_scene(rng) for _ in range(60)]
    assert {scene.shape for scene in drawn} == set(scenes.SHAPES)
    for scene in drawn:
        digest.update(scenes.render(scene).tobytes() + scenes.caption(scene, rng).encode())
    for number, distortion in enumerate(distortions.DISTORTIONS):
        digest.update(distortions.distort(scenes.render(drawn[number]), distortion, 3, seed=number).tobytes())
    return digest.hexdigest()


# --- Pictures -------------------------------------------------------------------------------------------------------


def test_pictures_are_the_same_in_every_call_and_process() -> None:
    program = "import test_shapes; print(test_shapes.pixels_digest())"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert pixels_digest() == pixels_digest() == elsewhere.stdout.strip()


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


@pytest.mark.parametrize("attribute", scenes.ATTRIBUTES)
def test_every_attribute_shows(attribute: str) -> None:
    rng = np.random.default_rng(0)
    base = scenes.sample_scene(rng)
    pictures = [scenes.render(scenes.Scene(**vars(base) | {attribute: v})) for v in scenes.ATTRIBUTES[attribute]]
    for a, b in itertools.combinations(pictures, 2):
        assert (a != b).any(axis=2).sum() > 15


@pytest.mark.parametrize("distortion", distortions.DISTORTIONS)
def test_each_level_of_a_distortion_is_farther_from_the_reference(distortion: str, world: dict[str, Judgments]) -> None:
    by_level: dict[int, list[float]] = {level: [] for level in range(1, 6)}
    for drawing in drawings(world["shapes-low"], 0):
        if drawing.damage and drawing.damage[0] == distortion:
            original = scenes.render(drawing.scene).astype(np.float64)
            damaged = distortions.distort(scenes.render(drawing.scene), *drawing.damage)
            by_level[drawing.damage[1]].append(np.sqrt(((damaged - original) ** 2).mean()))
    means = [np.mean(distances) for distances in by_level.values()]
    assert [len(distances) for distances in by_level.values()] == [25] * 5
    assert means[0] > 0.5
    assert (np.diff(means) > 0).all(), means


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


# --- Captions -------------------------------------------------------------------------------------------------------


def test_captions_say_the_words_of_the_vocabulary_and_all_of_them() -> None:
    rng = np.random.default_rng(0)
    said: set[str] = set()
    for _ in range(4000):
        scene = scenes.sample_scene(rng)
        said |= set(scenes.caption(scene, rng).split()) | set(scenes.caption(scene).split())
    assert said == set(scenes.vocabulary())
    assert len(set(scenes.vocabulary())) == len(scenes.vocabulary())


def test_a_full_caption_by_hand() -> None:
    scene = scenes.Scene("cross", "red", "striped", 2, "small", "top", "black", seed=1)
    assert scenes.caption(scene) == "two small red striped crosses on a black background at the top"
    alone = scenes.Scene("star", "blue", "plain", 1, "large", "left", "sandy", seed=1)
    assert scenes.caption(alone) == "one large blue plain star on a sandy background on the left"


def test_a_loose_caption_says_nothing_that_is_not_there() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        scene = scenes.sample_scene(rng)
        true = set(scenes.caption(scene).split()) | {"thing", "things"}
        true |= {scenes.KIND_OF[scene.shape], scenes.FAMILY_OF[scene.colour]}
        assert set(scenes.caption(scene, rng).split()) <= true


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
