"""Writes small data sets in the on-disk layouts that users download, oddities included.

Images are seeded low-resolution noise, enlarged, so that they are smooth and the distances between them differ clearly.
"""

import csv
import pickle
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

ConceptOrder = Literal["unique_id", "concepts", "sorted"]

# In the order of the concept file, which is not Python's: sorted() puts "camera" before "camera1".
CONCEPTS = (
    "aardvark",
    "camera1",
    "camera2",
    "camera",
    "ice_cream",
    "ice",
    "lamp",
    "pepper1",
    "pepper2",
    "pepper",
)
BAPPS_TYPES = {
    "val": ("traditional", "cnn", "superres", "deblur", "color", "frameinterp"),
    "train": ("traditional", "cnn", "mix"),
}
NATIVE_SIZES = ((96, 72), (72, 96), (80, 80), (120, 64))


def write_tid2013(root: Path, references: int = 4, distortions: int = 3, levels: int = 3, seed: int = 0) -> None:
    """Writes TID2013: BMP pairs rated by mean opinion score, letter case as inconsistent as in the real copies.

    Row 1 of `mos_with_names.txt` names its file in upper case while the file is lower case; references are `I01.BMP`
    except for the last one, which is lower case. Scores are rounded so that some are tied.

    Args:
        root: Folder to fill.
        references: Number of reference images.
        distortions: Number of distortions of each reference.
        levels: Number of levels of each distortion.
        seed: Seed of images and scores.
    """
    rng = np.random.default_rng(seed)
    (root / "reference_images").mkdir(parents=True)
    (root / "distorted_images").mkdir()
    rows: list[str] = []
    for reference in range(1, references + 1):
        original = _scene(rng)
        name = f"i{reference:02d}.bmp"
        _image(original).save(root / "reference_images" / (name if reference == references else name.upper()))
        for distortion in range(1, distortions + 1):
            noise = _scene(rng)
            for level in range(1, levels + 1):
                strength = rng.uniform(0.7, 1.0) * (level + 1) / (levels + 1)
                name = f"i{reference:02d}_{distortion:02d}_{level}.bmp"
                _image((1 - strength) * original + strength * noise).save(root / "distorted_images" / name)
                score = min(9.0, max(0.0, round(4 * (7 - 5 * strength + rng.normal(0, 1))) / 4))
                rows.append(f"{score:.5f} {name if rows else name.replace('i', 'I', 1)}")
    spread = rng.uniform(0.05, 0.2, len(rows))
    (root / "mos_with_names.txt").write_text("\n".join(rows) + "\n")
    (root / "mos_std.txt").write_text("".join(f"{value:.5f}\n" for value in spread))


def write_kadid10k(root: Path, references: int = 3, distortions: int = 3, levels: int = 2, seed: int = 0) -> None:
    """Writes KADID-10k: PNG pairs rated in `dmos.csv`, whose columns are shuffled among others, rows in any order.

    Files of the last reference are lower case, the table has its names in upper case. Scores are rounded so that some
    are tied.

    Args:
        root: Folder to fill.
        references: Number of reference images.
        distortions: Number of distortions of each reference.
        levels: Number of levels of each distortion.
        seed: Seed of images and scores.
    """
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for reference in range(1, references + 1):
        original = _scene(rng)
        case = str.lower if reference == references else str
        _image(original).save(root / "images" / case(f"I{reference:02d}.png"))
        for distortion in range(1, distortions + 1):
            noise = _scene(rng)
            for level in range(1, levels + 1):
                strength = rng.uniform(0.7, 1.0) * level / levels
                name = f"I{reference:02d}_{distortion:02d}_{level:02d}.png"
                _image((1 - strength) * original + strength * noise).save(root / "images" / case(name))
                score = min(5.0, max(1.0, round(5 * (5 - 4 * strength + rng.normal(0, 0.5))) / 5))
                rows.append({"dist_img": name, "ref_img": f"I{reference:02d}.png", "dmos": f"{score:.2f}", "var": 0.5})
    columns = [str(name) for name in rng.permutation(["dist_img", "ref_img", "dmos", "var", "set"])]
    with (root / "dmos.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval=1)
        writer.writeheader()
        writer.writerows(rows[int(row)] for row in rng.permutation(len(rows)))


def write_bapps(root: Path, triplets: int = 6, seed: int = 0) -> None:
    """Writes BAPPS below `2afc`: for each type so many PNG triplets, and the share of people who preferred p1.

    The two distorted images of the second triplet of each type are the same file twice, so that their distances to the
    reference are tied. Shares are those of five people in `val`, of two in `train`.

    Args:
        root: Folder to fill.
        triplets: Number of triplets of each type.
        seed: Seed of images and judgments.
    """
    rng = np.random.default_rng(seed)
    for split, types in BAPPS_TYPES.items():
        people = {"val": 5, "train": 2}[split]
        for kind in types:
            folder = root / "2afc" / split / kind
            for side in ("ref", "p0", "p1", "judge"):
                (folder / side).mkdir(parents=True)
            for number in range(triplets):
                scene = _scene(rng, (32, 32))
                strengths = rng.uniform(0.2, 0.9, 2)
                for side, strength in (("ref", 0.0), ("p0", strengths[0]), ("p1", strengths[1])):
                    pixels = (1 - strength) * scene + strength * _scene(rng, (32, 32))
                    _image(pixels).save(folder / side / f"{number:06d}.png")
                if number == 1:
                    (folder / "p1/000001.png").write_bytes((folder / "p0/000001.png").read_bytes())
                share = rng.binomial(people, 0.8 if strengths[1] < strengths[0] else 0.2) / people
                np.save(folder / "judge" / f"{number:06d}.npy", np.array([share]))


def write_nights(root: Path, triplets: int = 12, seed: int = 0) -> None:
    """Writes NIGHTS: PNG triplets listed in `data.csv`, whose columns are shuffled among others; ids have gaps.

    The left and the right image of the third triplet are the same file twice, so that their distances to the reference
    are tied.

    Args:
        root: Folder to fill.
        triplets: Number of triplets.
        seed: Seed of images and votes.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    number = 0
    for index in range(triplets):
        number += int(rng.integers(1, 4))
        group = f"{number:03d}"
        reference = f"ref/{group}/{group}.png"
        left, right = (f"distort/{group}/{group}_{side}.png" for side in (0, 1))
        scene = _scene(rng)
        strengths = rng.uniform(0.3, 0.9, 2)
        for path, strength in ((reference, 0.0), (left, strengths[0]), (right, strengths[1])):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            _image((1 - strength) * scene + strength * _scene(rng)).save(root / path)
        if index == 2:
            (root / right).write_bytes((root / left).read_bytes())
        chosen = int(strengths.argmin() if rng.random() < 0.75 else strengths.argmax())
        rows.append(
            {
                "id": number,
                "left_vote": 1 - chosen,
                "right_vote": chosen,
                "votes": 3 + 5 * index % 8,
                "ref_path": reference,
                "left_path": left,
                "right_path": right,
                "prompt": f'a photo of "scene {number}", close up',
                "split": ("train", "val", "test", "test")[index % 4],
                "is_imagenet": index % 3 == 0,
                "Unnamed: 0": index,
                "source": "generated",
            }
        )
    columns = [str(name) for name in rng.permutation(list(rows[0]))]
    with (root / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def write_things(
    root: Path, objects: int = 10, triplets: int = 40, seed: int = 0, order: ConceptOrder = "unique_id"
) -> None:
    """Writes THINGS odd-one-out: one folder of JPEG files per concept, and triplet files with the odd one out last.

    `testset1.txt` judges a fifth as many distinct triplets about five times each, with answers that differ; as the last
    column is the answer, the columns of one triplet come in several orders.

    Args:
        root: Folder to fill.
        objects: Number of concepts.
        triplets: Number of rows of the test and validation files; the training file has twice as many.
        seed: Seed of images and judgments.
        order: What tells the order of the concepts: `unique_id.txt`, `things_concepts.tsv`, or nothing (sorted names).
    """
    rng = np.random.default_rng(seed)
    names = [*CONCEPTS, *(f"zither{extra:04d}" for extra in range(objects))][:objects]
    for index, name in enumerate(names):
        (root / "object_images" / name).mkdir(parents=True)
        for offset, suffix in enumerate(("01b", "02s")):
            size = NATIVE_SIZES[(index + offset) % len(NATIVE_SIZES)]
            path = root / "object_images" / name / f"{name}_{suffix}.jpg"
            _image(_scene(rng, size)).save(path, quality=95)
    if order == "unique_id":
        (root / "unique_id.txt").write_text("\n".join(names) + "\n")
    elif order == "concepts":
        with (root / "things_concepts.tsv").open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(["Word", "uniqueID", "Definition"])
            writer.writerows([name.rstrip("12"), name, f'a "thing", number {i}'] for i, name in enumerate(names))
    (root / "triplets").mkdir()
    distinct = [rng.choice(objects, 3, replace=False) for _ in range(max(1, triplets // 5))]
    order_of_rows = [*range(len(distinct)), *rng.integers(0, len(distinct), triplets - len(distinct))]
    repeated = [_judged(rng, distinct[int(row)]) for row in order_of_rows]
    _write_triplets(root / "triplets" / "testset1.txt", repeated)
    for file_name, count in (("validationset.txt", triplets), ("trainset.txt", 2 * triplets)):
        rows = [_judged(rng, rng.choice(objects, 3, replace=False)) for _ in range(count)]
        _write_triplets(root / "triplets" / file_name, rows)


def write_levels(root: Path, triplets: int = 12, participants: int = 6, seed: int = 0, flat: bool = False) -> None:
    """Writes Levels: JPEG files of four classes, and `pruned_dataset.pkl` with the trials of each participant.

    Each triplet is judged by four or five participants, who see its pictures in any order, and is most often answered
    alike. Trials are shuffled, after one for practice that lacks most keys; some paths have a folder of the experiment
    before them, `boundary` has both of its spellings, and response times are scalars of NumPy.

    Args:
        root: Folder to fill.
        triplets: Number of triplets of each level.
        participants: Number of participants, five at least.
        seed: Seed of images and answers.
        flat: Whether the pictures lie in `images/`, and not in a folder for each class below `train/`.
    """
    rng = np.random.default_rng(seed)
    names = [[f"n0{kind}_{number}.JPEG" for number in range(5)] for kind in range(4)]
    for kind, members in enumerate(names):
        folder = root / "images" if flat else root / "train" / f"n0{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in members:
            _image(_scene(rng, NATIVE_SIZES[kind])).save(folder / name, quality=95)
    trials: list[list[dict[str, object]]] = [[] for _ in range(participants)]
    for level in ("between_class", "within_class", "class_border"):
        for number in range(triplets):
            kinds = {"between_class": [0, 1, 2], "within_class": [number % 4] * 3, "class_border": [3, 3, number % 3]}
            numbers = rng.choice(5, 3, replace=False)
            shown = [names[kind][int(place)] for kind, place in zip(kinds[level], numbers, strict=True)]
            surest = rng.dirichlet([1.0, 1.0, 3.0])
            for who in rng.choice(participants, 4 + number % 2, replace=False):
                order = rng.permutation(3)
                spelt = level.replace("border", "boundary") if who == 0 else level
                trial: dict[str, object] = {f"image{place + 1}Path": shown[kept] for place, kept in enumerate(order)}
                trial |= {"selected_image": shown[rng.choice(3, p=surest)], "exp_trial_type": "exp_trial"}
                trial |= {"triplet_type": spelt, "rt": np.float64(rng.lognormal(8.0, 0.5)), "key": None}
                if who == 1:
                    trial |= {key: f"stimuli/{trial[key]}" for key in ("image2Path", "selected_image")}
                trials[who].append(trial)
    practice = {"exp_trial_type": "training_trial", "rt": None}
    table = {
        f"subject_{who}": [practice, *(each[int(place)] for place in rng.permutation(len(each)))]
        for who, each in enumerate(trials)
    }
    (root / "pruned_dataset.pkl").write_bytes(pickle.dumps(table))


def _scene(rng: np.random.Generator, size: tuple[int, int] = (96, 72)) -> np.ndarray:
    """Smooth noise, (height, width, 3) in 0..255."""
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _judged(rng: np.random.Generator, triplet: np.ndarray) -> list[int]:
    """One judgment of a triplet: any of the three may be the odd one out, its last member most often."""
    odd = int(rng.choice(3, p=[0.2, 0.2, 0.6]))
    kept = rng.permutation(np.delete(triplet, odd))
    return [int(kept[0]), int(kept[1]), int(triplet[odd])]


def _write_triplets(path: Path, rows: list[list[int]]) -> None:
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
