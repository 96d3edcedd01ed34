"""Everything of the project that reads files which somebody else may have written, with sound files for each to read.

The tests and benchmarks of hostile, damaged and odd files go over this table: whoever adds a reader adds a line.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from scipy.io import savemat

from alignbench.alignet.clustering import _packed, _stopped_state
from alignbench.alignet.evaluation.relative_distances import _superordinates
from alignbench.alignet.evaluation.seen import trained_student
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.lloyd import first_state
from alignbench.alignet.picture_groups import cluster_groups, table_groups
from alignbench.alignet.sampled_triplets import SampledTriplets
from alignbench.alignet.training.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from alignbench.alignet.training.folder import COLUMNS as LOG_COLUMNS
from alignbench.alignet.training.folder import read_log, read_student
from alignbench.alignet.training.seen_pictures import SeenPictures
from alignbench.datasets import DATASETS
from alignbench.datasets.bapps import _read_share
from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.datasets.images import ImageSource
from alignbench.datasets.matrix_files import variables
from alignbench.datasets.plain_pickle import read_plain
from alignbench.datasets.triplet_files import read_table, read_triplets
from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError
from alignbench.extraction.cached_pixels import read_entry, write_entry
from alignbench.extraction.feature_extraction import _open_rows, _PartialFile
from alignbench.extraction.feature_files import FeatureFile, read_features, write_features
from alignbench.extraction.stored_features import open_features
from alignbench.interpret.ablation.class_texts import read_class_texts
from alignbench.interpret.ablation.labelled import by_table
from alignbench.interpret.browser.head_grid import HeadGrid
from alignbench.interpret.labelling.answers import read_answer
from alignbench.interpret.labelling.by_hand import read_head_labels
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labelling import LabelJob, label_heads, read_labels
from alignbench.interpret.labelling.local_chat import LocalChat
from alignbench.interpret.labelling.word_lists import read_word_lists
from alignbench.interpret.labelling.words import WordLabeller
from alignbench.interpret.part_distances import read_part_distances
from alignbench.interpret.partial_store import PartialStore
from alignbench.interpret.searching.search import read_search
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.interpret.text_cache import read_rows
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.interpret.texts import read_texts
from alignbench.models import timm_names
from alignbench.models.families import load_tower
from alignbench.models.named_weights import named_weights, write_name
from alignbench.models.own_cards import read_own_card
from alignbench.models.towers import Layer
from alignbench.models.weight_files import open_weights
from alignbench.results.channel_shares import read_top_shares
from alignbench.results.gains import read_gain_curves, read_gains
from alignbench.results.head_ablations import COLUMNS as ABLATION_COLUMNS
from alignbench.results.head_ablations import read_ablation
from alignbench.results.head_alignment import read_head_alignment
from alignbench.results.head_differences import COLUMNS as DIFFERENCES
from alignbench.results.head_differences import read_comparison
from alignbench.results.head_scores import read_head_rows, read_judged_texts, read_scores
from alignbench.results.head_texts import COLUMNS as SPAN_COLUMNS
from alignbench.results.head_texts import read_span
from alignbench.results.stored_run import StoredRun
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.grid import read_sweep
from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords
from alignbench.sweeps.ledger import Ledger
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.evaluation.folder import EVALUATION_COLUMNS, read_evaluation
from alignbench.transforms.learning.folder import CEILING_COLUMNS, read_ceiling
from alignbench.transforms.learning.folder import read_record as read_learned
from alignbench.transforms.learning.judged_choices import JUDGED_COLUMNS, read_choices, read_judged
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.search import Journal, _study, search
from alignbench.transforms.published import published_transform
from baselines.dreamsim import _adapter_settings
from baselines.perceptnet.training import PerceptNetEpoch, PerceptNetRecipe, Training
from baselines.weights import read_weights
from browsed_folders import (
    browse_alignment,
    browse_difference,
    browse_labels,
    browse_scores,
    browse_span,
    browsed_store,
)
from chat_models import save_chat_model
from feature_writers import FORMS, MAPS, TOKENS, list_names
from gain_folders import write_gain_folder
from head_folders import write_head_folder
from head_stores import write_store
from layouts import write_bapps, write_kadid10k, write_levels, write_nights, write_things, write_tid2013
from openclip_towers import TOWERS, save
from reference import save_clip
from score_folders import write_scores
from span_folders import write_span
from studies import BASE_16, Made, as_published, write_made
from sweep_files import COMMANDS
from text_towers import save_chinese_texts, save_clip_texts, save_openclip_texts


@dataclass(frozen=True)
class Reader:
    """What reads files that somebody else may have written.

    Attributes:
        read: Reads a file in a folder, or the folder in which it lies.
        make: Fills a folder, which is not there yet, with sound files.
        files: Names of the files that it reads; a sound folder may lack some.
        covers: The functions it leads to that call a library's reader, as `module: function`.
    """

    read: Callable[[Path, str], object]
    make: Callable[[Path], object]
    files: tuple[str, ...]
    covers: tuple[str, ...] = ()


class Sound:
    """The sound files of a reader, of which one at a time is another.

    Args:
        reader: The reader.
        folder: Where the files are made.

    Attributes:
        contents: What is in the sound files, by name.
    """

    def __init__(self, reader: Reader, folder: Path) -> None:
        self._reader, self._folder = reader, folder
        reader.make(folder)
        made = {file: folder / file for file in reader.files}
        self.contents = {file: path.read_bytes() for file, path in made.items() if path.is_file()}

    def read(self, file: str, content: bytes) -> object:
        """Read the folder with a file of another content, which is sound again afterwards.

        Raises:
            Exception: Whatever the reader raises.
        """
        try:
            self._write(file, content)
            return self._reader.read(self._folder, file)
        finally:
            for each, sound in self.contents.items():  # one that was refused may have been removed, all of a folder too
                self._write(each, sound)

    def fault(self, file: str, content: bytes) -> str:
        """What is wrong with how a file of another content is read; empty if it is read, or refused in one line."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.read(file, content)
            except AlignbenchError as error:
                said = str(error)
                return "" if said and "\n" not in said else f"refused in other than one line: {said!r}"
            except Exception as error:
                return f"{type(error).__name__}: {error}"
        return ""

    def _write(self, file: str, content: bytes) -> None:
        path = self._folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _file(read: Callable[[Path], object]) -> Callable[[Path, str], object]:
    return lambda folder, file: read(folder / file)


def _folder(read: Callable[[Path], object]) -> Callable[[Path, str], object]:
    return lambda folder, _: read(folder)


# --- Checkpoints and weights ----------------------------------------------------------------------------------------


def _transformers(folder: Path) -> None:
    save_clip(folder)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": settings}))


def _sharded(folder: Path) -> None:
    _transformers(folder)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    names = load_file(folder / "model-00001-of-00001.safetensors")
    placed = dict.fromkeys(names, "model-00001-of-00001.safetensors")
    index = {"metadata": {"total_size": 0}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _pickled(folder: Path) -> None:
    _transformers(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


class _Visual(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.visual = torch.nn.Linear(3, 4)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.visual(value)
        return answer


def _weights(folder: Path) -> None:
    folder.mkdir()
    state = _Visual().state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    torch.save({"state_dict": state, "epoch": 3}, folder / "any.pth", _use_new_zipfile_serialization=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice is for whoever writes such files
        torch.jit.save(torch.jit.script(_Visual()), folder / "any.pt")


def _read_all_weights(path: Path) -> None:
    file = open_weights("it", path)
    for name in file.names:
        file.read(name)


def _metric_weights(folder: Path) -> None:
    folder.mkdir()
    state = torch.nn.Conv2d(3, 2, 3).state_dict()
    for name in ("it.pt", "it.pth"):
        torch.save(state, folder / name)
    save_file(state, folder / "it.safetensors")


class _NoPairs:
    def __len__(self) -> int:
        return 0


def _training() -> Training:
    pairs: Any = _NoPairs()
    return Training(PerceptNetRecipe(1, 8, 1e-3, 0, 0.2), pairs, pairs, "cpu", {"data set": "it"})


def _checkpoint(folder: Path) -> None:
    folder.mkdir()
    training = _training()
    training.history = [PerceptNetEpoch(0, None, 0.25)]
    training.best = dict(training.network.state_dict())
    training._save(folder / "it")


# --- Arrays ---------------------------------------------------------------------------------------------------------


def _features(folder: Path) -> None:
    folder.mkdir()
    rows = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    for name in ("it.npy", "it.npz", "it.safetensors"):
        write_features(folder / name, FeatureFile({"layer_0": rows}, tuple("abcd"), origin={"model": "own"}))


def _stored(folder: Path) -> None:
    for form, make in FORMS.items():
        make(folder / form)
    np.save(list_names(folder / "layers") / "conv1.npy", TOKENS)
    np.save(folder / "layers/conv2.npy", MAPS)


def _read_stored(folder: Path, file: str) -> object:
    return open_features(
        folder / file if file.partition("/")[2].startswith("it.") else (folder / file).parent
    ).fingerprint()


_SETTINGS: Final = {"images": ["a", "b"]}


def _partial(folder: Path) -> None:
    folder.mkdir()
    (folder / "progress.json").write_text(json.dumps({"rows": 1, "settings": _SETTINGS}))
    np.save(folder / "layer_0.npy", np.ones((2, 4), dtype=np.float32))


def _read_partial(folder: Path) -> object:
    """Rows of features that an earlier run left, as that run noted them."""
    return _open_rows(_PartialFile(folder, _SETTINGS), [Layer("layer_0", 0.0, "", 1, 4)], "global_pool")


def _prepared(folder: Path) -> None:
    folder.mkdir()
    write_entry(str(folder / "it"), torch.zeros((3, 4, 4), dtype=torch.uint8))


def _transforms(folder: Path) -> None:
    folder.mkdir()
    transform = AffineTransform(np.eye(3), 0.5, 2.0, np.zeros(3), {"model": "own", "layer": "projection"})
    transform.save(folder / "it.safetensors")
    np.savez(folder / "it.npz", weights=np.eye(3), mean=0.5, std=2.0)
    np.save(folder / "it.npy", np.eye(3))


def _read_transform(folder: Path, file: str) -> object:
    given = {"mean": 0.5, "std": 2.0} if file.endswith(".npy") else {}
    return AffineTransform.load(folder / file, **given)


def _published(folder: Path) -> None:
    place = folder / "transforms/resnet18/avgpool"
    place.mkdir(parents=True)
    np.savez(place / "transform.npz", weights=np.eye(512, dtype=np.float32), mean=0.5, std=2.0)


def _read_published(folder: Path) -> object:
    with mock.patch.dict(os.environ, {"ALIGNBENCH_CACHE": str(folder)}), warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignbenchWarning)
        return published_transform("resnet18", source="http://127.0.0.1:9")


# --- Data sets ------------------------------------------------------------------------------------------------------


def _look_at(images: ImageSource) -> None:
    for index in range(len(images.names)):
        images.open(index)


def _data_set(name: str, subset: str = "") -> Callable[[Path, str], object]:
    def read(folder: Path, _: str) -> None:
        data_set = DATASETS.load(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AlignbenchWarning)
            judgments = data_set.read(folder, (subset or data_set.default_subset,))
            _look_at(judgments.images)

    return read


def _matrices(folder: Path) -> None:
    people = np.random.default_rng(0).uniform(0.1, 1.0, (3, 4, 4))
    people = people + people.transpose(0, 2, 1)
    people[:, range(4), range(4)] = 0.0
    for place in ("cichy/images", "king/images/set1", "king/images/set2", "peterson/animals/images"):
        (folder / place).mkdir(parents=True)
        for shade, name in enumerate("abcd"):
            Image.new("RGB", (8, 8), (60 * shade, 0, 0)).save(folder / place / f"{name}.jpg")
    for place in ("cichy", "king", "peterson/animals"):
        (folder / place / "sim_judgements").mkdir()
    savemat(folder / "cichy/sim_judgements/judgments_general.mat", {"judgments": people})
    sets = {name: {"pairwisedistances": people[:, *np.triu_indices(4, 1)]} for name in ("set1", "set2")}
    savemat(folder / "king/sim_judgements/BEHAVIOR.mat", {"BEHAVIOR": sets})
    alike = people.mean(axis=0)
    savemat(folder / "peterson/animals/sim_judgements/animalsSimMat.mat", {"simMatrix": alike + np.eye(4) * 10})


def _read_matrices(folder: Path, file: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignbenchWarning)
        name = file.partition("/")[0]
        dataset, subset = {"cichy": ("cichy2019", "all"), "king": ("king2019", "set1")}.get(name, (name, "animals"))
        DATASETS.load(dataset).read(folder / name, (subset,))


def _variables(folder: Path) -> None:
    folder.mkdir()
    savemat(folder / "it.mat", {"sim": np.eye(3), "by": "people", "cells": np.array([1, "a"], dtype=object)})


def _pictures(folder: Path) -> None:
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for name in ("a.png", "b.jpg", "c.bmp", "d.webp", "e.tif", "f.gif"):
        picture.save(folder / name)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "g.png")
    (folder / "h.ppm").write_bytes(b"P6 9 12 65535\n" + (pixels.astype(">u2") * 257).tobytes())


def _labelled(folder: Path) -> None:
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8), "red").save(folder / kind / "a.png")


def _triplets(folder: Path) -> None:
    folder.mkdir()
    rows = np.array([[0, 1, 2], [1, 2, 3], [3, 0, 1]])
    np.savetxt(folder / "it.txt", rows, fmt="%d")
    np.save(folder / "it.npy", rows)
    frame = pd.DataFrame(rows + 1, columns=["image1", "image2", "image3"]).assign(choice=[3, 1, 2], subject="a")
    frame.to_csv(folder / "it.csv", sep="\t", index=False)


def _plain_pickles(folder: Path) -> None:
    folder.mkdir()
    plain = {"a": [np.float64(1.5), np.str_("b"), (True, None)], "c": OrderedDict(d=b"e", f={2**70, 3})}
    for protocol, name in ((None, "it.pkl"), (0, "old.pkl")):
        (folder / name).write_bytes(pickle.dumps(plain, protocol))


def _share(folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "it.npy", np.array([0.6]))


# --- What the package wrote -----------------------------------------------------------------------------------------


def _run(folder: Path) -> None:
    made = Made(BASE_16, "tid2013", 40, as_published, ("cosine",), shares=(0.5,) * 14)
    write_made(made, folder.with_name(f"{folder.name}-made")).rename(folder)


def _read_run(folder: Path) -> None:
    run, errors = StoredRun(folder), []
    for part in ("record", "curve", "layers", "judgment_rows", "judgments", "all_distances"):
        try:
            found = getattr(run, part)
            if part == "judgments":
                found(["all"])
            elif callable(found):
                found()
        except AlignbenchError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _gains(folder: Path) -> None:
    write_gain_folder(folder.parent, folder.name)


def _scored_heads(folder: Path) -> None:
    write_head_folder(folder.parent, folder.name)


def _part_distances(folder: Path) -> None:
    folder.mkdir()
    told = {"paper": json.dumps(["head 1 0 alone", "all 0 -1 alone"])}
    save_arrays({"paper": np.array([[0.25, 0.5], [0.125, 1.0]])}, folder / "part_distances.safetensors", told)


def _comparison(folder: Path) -> None:
    folder.mkdir()
    place = ["high", "things", "testset1", "accuracy", "centred_cosine", "paper"]
    row = ["head", "1", "0", "alone", *place, "0.5", "0.25", "0.25", "0.1", "0.4", "0.05", "0.45"]
    (folder / "differences.csv").write_text(f"{','.join(DIFFERENCES)}\n{','.join(row)}\n")
    (folder / "against.json").write_text(json.dumps({"settings": {}, "first": "a", "second": "b"}))


def _browsed(folder: Path) -> None:
    store = browsed_store(folder)
    browse_span(folder / "own__textspan__0", store)
    browse_labels(folder / "own__labels__0", store)
    browse_scores(folder / "own__scores__0", store)
    browse_alignment(folder, store)
    browse_difference(folder / "own__against__0", store, [(0.01, 0.2), (-0.1, 0.1)])


def _browse(folder: Path) -> object:
    """Everything that is said of the heads of a store; what cannot be read is left out there, and refused here."""
    (place,) = folder.glob("own__heads__*")
    grid = HeadGrid.read(HeadStore.open(place))
    cards = [grid.card(head) for head in grid.heads]
    if grid.notes:
        raise DataError(grid.notes[0])
    return grid.colourings, cards


def _read_gains(folder: Path) -> None:
    read_gains(folder)
    read_gain_curves(folder)


def _read_trained(folder: Path) -> None:
    read_student(folder)
    read_log(folder)
    SeenPictures.read(folder)


def _trained(folder: Path) -> None:
    folder.mkdir()
    record = {"settings": {"seed": 0}, "first_step": {}, "label": "own", "steps": 3}
    (folder / "student.json").write_text(json.dumps(record))
    pd.DataFrame([dict.fromkeys(LOG_COLUMNS, 0.5)]).to_csv(folder / "training.csv", index=False)
    SeenPictures.of(["a.png"], ["0"]).write(folder)


def _kept(folder: Path) -> None:
    write_checkpoint(folder / "it.safetensors", Checkpoint(3, {"value/head": torch.ones(2)}, {"rows": []}), {"seed": 0})


def _named(folder: Path) -> None:
    folder.mkdir()
    write_name(folder, "torchvision:squeezenet1_1")


def _student(folder: Path) -> None:
    folder.mkdir()
    settings = {"model": "own", "model_fingerprint": "0", "random_init": False}
    labels = {"settings": {"space": "transformed", "transform": {"name": "it", "sha256": "0"}}}
    record = {"settings": settings, "data": {"triplets_of": "labels"}, "labels": labels}
    (folder / "student.json").write_text(json.dumps(record))


def _hierarchy(folder: Path) -> None:
    folder.mkdir()
    (folder / "it.csv").write_text("class,superordinate\ncat,animal\ndog,animal\ncar,vehicle\n")


def _learned(folder: Path) -> None:
    folder.mkdir()
    values: dict[str, object] = dict.fromkeys(CEILING_COLUMNS, 0.5)
    values |= dict.fromkeys(CEILING_COLUMNS[:7], "some") | {"n": 10, "objects": 5}
    pd.DataFrame([values, values]).to_csv(folder / "ceiling.csv", index=False)
    record = {
        "settings": {"model": "own", "recipe": {"objective": "global"}},
        "layers": {"projection": "p.safetensors"},
    }
    (folder / "learned.json").write_text(json.dumps(record))


def _judged_teacher(folder: Path) -> None:
    (folder / "judged").mkdir(parents=True)
    values: dict[str, object] = dict.fromkeys(JUDGED_COLUMNS, 0.5)
    values |= dict.fromkeys(JUDGED_COLUMNS[:6], "some") | {"n": 10, "objects": 5}
    pd.DataFrame([values, values]).to_csv(folder / "judged.csv", index=False)
    arrays = {"triplets": np.array([[0, 1, 2], [2, 0, 1]]), "logs.projection": np.log(np.full((2, 3), 1 / 3))}
    save_arrays(arrays, folder / "judged/choices.safetensors", {"names": json.dumps(["a", "b", "c"])})


def _judged(folder: Path) -> None:
    folder.mkdir()
    values: dict[str, object] = dict.fromkeys(EVALUATION_COLUMNS, 0.5)
    values |= {"task": "rsa", "data": "own", "measure": "spearman", "better": "higher", "reference": "", "n": 10}
    pd.DataFrame([values | {"sample": "unknown"}]).to_csv(folder / "evaluation.csv", index=False)
    settings = {"model": "own", "transform": {"name": "turn"}}
    record = {"title": "own", "settings": settings, "provenance": {"models": ["own"], "model": "own"}}
    (folder / "evaluated.json").write_text(json.dumps(record))


# --- Stages of AligNet ----------------------------------------------------------------------------------------------

_CLUSTERED: Final = {"clusters": 2}


def _stages(folder: Path) -> None:
    folder.mkdir()
    (folder / "names.json").write_text('["a", "b", "c"]')
    for stage in ("clustering", "sampling", "labels"):
        (folder / f"{stage}.json").write_text('{"settings": {}}')
    clusters = {"assignments": np.array([1, 0, 1], dtype=np.int32), "centroids": np.zeros((2, 4), dtype=np.float32)}
    save_arrays(clusters, folder / "clusters.safetensors")
    triplets, similarities = np.array([[0, 1, 2]], dtype=np.int32), np.array([[3, 2, 1]], dtype=np.float32)
    np.save(folder / "triplets.npy", triplets)
    np.save(folder / "similarities.npy", similarities)
    np.savez(folder / "it.npz", filenames=np.array([["a", "b", "c"]]), similarities=similarities, indices=triplets)
    (folder / "it.csv").write_text("name,class\na,x\nb,y\n")
    state = first_state(np.zeros((3, 4), dtype=np.float32), np.ones((2, 4), dtype=np.float32))
    (folder / "state.safetensors").write_bytes(_packed(state, _CLUSTERED))


def _read_stage(folder: Path, file: str) -> object:
    if file == "sampling.json":
        (folder / "labels.json").unlink()
        return SampledTriplets.open(folder)
    return LabelledTriplets.open(folder / file if file == "it.npz" else folder).check()


# --- Contributions of heads -----------------------------------------------------------------------------------------

_HEADS: Final = StoreShape(pictures=2, blocks=2, layers=(2,), heads=2, width=3, dtype="fp32", has_constant=True)
_HEADS_SETTINGS: Final = {"model": "own"}


def _read_heads(folder: Path) -> None:
    store = HeadStore.open(folder)
    store.head(2, 1)
    for read in (store.others, store.left_out, lambda: store.norms, lambda: store.closure, lambda: store.constant):
        read()


def _partial_heads(folder: Path) -> None:
    partial = PartialStore(folder / "it__heads__0", _HEADS_SETTINGS, _HEADS)
    with partial.held():
        (partial.place / "done").write_bytes(bytes([1, 0]))


def _read_partial_heads(folder: Path) -> None:
    partial = PartialStore(folder / "it__heads__0", _HEADS_SETTINGS, _HEADS)
    with partial.held(), partial.rows("ab"):
        pass


# --- Texts ------------------------------------------------------------------------------------------------------------


def _texts(folder: Path) -> None:
    folder.mkdir()
    (folder / "it.txt").write_text("a dog\na cat\n")


def _kept_texts(folder: Path) -> None:
    folder.mkdir()
    rows = np.eye(2, dtype=np.float32)
    said = {"key": "k", "sha256": hashlib.sha256(rows.tobytes()).hexdigest()}
    save_arrays({"texts": rows}, folder / "it.safetensors", said)


def _span(folder: Path) -> None:
    folder.mkdir()
    row = ["1", "0", "1", "3", "a dog", "0.5", "0.25", "0.125"]
    (folder / "texts.csv").write_text(f"{','.join(SPAN_COLUMNS)}\n{','.join(row)}\n")
    (folder / "textspan.json").write_text(json.dumps({"settings": {"picks": 1}, "store": "it", "ranks": []}))


def _ablation(folder: Path) -> None:
    folder.mkdir()
    row = ["head", "1", "0", "", "", "mean", "accuracy", "", "3", "0.5", "0.25", "0.75", "0.0", "", ""]
    (folder / "ablations.csv").write_text(f"{','.join(ABLATION_COLUMNS)}\n{','.join(row)}\n")
    record = {"settings": {"by": ["head"], "heads": {"model": "it"}}, "store": "it", "reference": "it", "classes": {}}
    (folder / "ablate.json").write_text(json.dumps(record))


def _search(folder: Path) -> None:
    folder.mkdir()
    (folder / "search.csv").write_text("heads,place,picture,value\n5.3,1,a.png,0.25\n")
    (folder / "search.json").write_text(json.dumps({"settings": {}, "store": "it", "analysis": "text"}))


def _why(folder: Path) -> None:
    folder.mkdir()
    (folder / "search.csv").write_text("heads,pick,text,value\n5.3,1,a dog,0.25\n5.3,0,,0.5\n")
    why = {"picture": "a.png", "value": 0.75, "rest": 0.5}
    (folder / "search.json").write_text(json.dumps({"settings": {}, "store": "it", "analysis": "text", "why": why}))


def _difference(folder: Path) -> None:
    folder.mkdir()
    columns = "heads,others,when,place,picture,value,shared,correlation"
    rows = "5.3,5.3,before,1,a.png,0.25,1.0,\n5.3,5.3,after,1,a.png,0.5,1.0,\n"
    (folder / "search.csv").write_text(f"{columns}\n{rows}")
    (folder / "search.json").write_text(json.dumps({"settings": {}, "store": "it", "analysis": "difference"}))


def _classes_of_pictures(folder: Path) -> None:
    folder.mkdir()
    (folder / "it.csv").write_text('name,class,place\na,bird,land\nb,"no, bird",water\n')


def _class_texts(folder: Path) -> None:
    folder.mkdir()
    (folder / "it.csv").write_text('class,text\na,a dog\na,"a dog, running"\nb,a cat\n')


_PICKED: Final = {(11, 0): ["a red dog", "a cat", "red"], (12, 1): ["two dogs", "a dog"]}


def _labels(folder: Path) -> None:
    picks = read_picks(write_span(folder.parent / f"{folder.name}-picks", _PICKED, [_PICKED]))
    made, _ = label_heads(picks, WordLabeller({"colours": ("red",), "animals": ("dog",)}), LabelJob("words", 2))
    made.rename(folder)


def _by_hand(folder: Path) -> None:
    folder.mkdir()
    (folder / "heads.yaml").write_text("11:\n  0: colours\n12: {1: animals}\n")
    (folder / "words.yaml").write_text("colours: [red, blue]\nanimals:\n  - dog\n")


def _read_by_hand(path: Path) -> object:
    return read_head_labels(path) if path.name == "heads.yaml" else read_word_lists(path)


def _answer(folder: Path) -> None:
    folder.mkdir()
    (folder / "it.json").write_text(json.dumps({"key": "k", "answer": "red"}))


def _read_scored(folder: Path) -> None:
    for read in (read_scores, read_head_rows, read_judged_texts):
        read(folder)


def _encode(folder: Path) -> None:
    load_text_encoder(str(folder)).encode(["a dog", "the cat"])


# --- Lists that are kept ----------------------------------------------------------------------------------------------

_KEPT: Final = f"names/timm-{timm.__version__}.json"


def _read_names(folder: Path) -> object:
    with mock.patch.dict(os.environ, ALIGNBENCH_CACHE=str(folder)), mock.patch.object(timm_names, "_names", list):
        return timm_names.known_names.__wrapped__()


def _names(folder: Path) -> None:
    (folder / "names").mkdir(parents=True)
    (folder / _KEPT).write_text('["resnet50", "resnet50.a1_in1k"]')


def _adapter(folder: Path) -> None:
    folder.mkdir()
    settings = {"r": 16, "lora_alpha": 0.5, "lora_dropout": 0.3, "bias": "none", "target_modules": ["qkv"]}
    (folder / "it").write_text(json.dumps(settings))


# --- Sweeps and journals --------------------------------------------------------------------------------------------

_SWEEP: Final = """\
method: grid
command: ["${env}", "alignbench", "run", "${args}"]
parameters:
  model: {values: [pixels, ssim]}
  dataset: {values: &sets [tid2013, nights]}
  seed: {value: 3}
"""


def _sweeps(folder: Path) -> None:
    folder.mkdir()
    for name in ("it.yaml", "it.yml"):
        (folder / name).write_text(_SWEEP)


def _ledger(folder: Path) -> None:
    folder.mkdir()
    ledger = Ledger(folder / "journal.log")
    for number in range(3):
        ledger.enqueue(SweepCell({"seed": number}, ("--model=pixels", f"--seed={number}"), f"seed {number}"))
        ledger.start(number)
    ledger.finish(0, ("a",), 1.5)
    ledger.fail(1, "not there")


def _jobs(folder: Path) -> None:
    records = JobRecords(folder)
    records.give("it", JobRecord("token", "41_0"))
    records.begin("it", JobRecord("token", "41_0"))
    records.end("it", JobEnd("token", ("a",), "", 1.5))


def _read_jobs(folder: Path) -> object:
    records = JobRecords(folder)
    return records.given("it"), records.begun("it"), records.ended("it", "token")


def _journal(folder: Path) -> None:
    folder.mkdir()
    search(Recipe("global"), lambda recipe: recipe.lam, 2, Journal(folder / "journal.log", "study"))


def _own_card(folder: Path) -> None:
    folder.mkdir()
    (folder / "alignbench.toml").write_text('label = "mine"\n[factors]\nstep = 1000\n', encoding="utf-8")


READERS: Final = {
    "own cards": Reader(_folder(lambda folder: read_own_card(str(folder))), _own_card, ("alignbench.toml",)),
    "transformers": Reader(
        _folder(lambda folder: load_tower(str(folder))),
        _transformers,
        (
            *("model.safetensors", "config.json", "processor_config.json", "preprocessor_config.json"),
            *("adapter_config.json", "adapter_model.bin"),
        ),
        (
            "alignbench/models/transformers_config: config_values",
            "alignbench/models/processors: read_processor",
            "alignbench/models/transformers_weights: _filled",
        ),
    ),
    "shards of transformers": Reader(
        _folder(lambda folder: load_tower(str(folder))),
        _sharded,
        ("model.safetensors.index.json", "model-00001-of-00001.safetensors"),
    ),
    "pickles of transformers": Reader(
        _folder(lambda folder: load_tower(str(folder))), _pickled, ("pytorch_model.bin", "pytorch_model.bin.index.json")
    ),
    "weights of towers": Reader(
        _file(_read_all_weights),
        _weights,
        ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "any.pt", "any.pth"),
        ("alignbench/models/weight_files: _opened", "alignbench/models/torchscript: _ArchivePickle"),
    ),
    "checkpoints of open_clip": Reader(
        _folder(lambda folder: load_tower(str(folder))),
        lambda folder: save(folder, TOWERS["own"]),
        ("open_clip_config.json", "open_clip_model.safetensors"),
    ),
    "weights of metrics": Reader(
        _file(lambda path: read_weights(path, "get others")),
        _metric_weights,
        ("it.pt", "it.pth", "it.safetensors"),
        ("baselines/weights: read_weights",),
    ),
    "settings of LoRAs": Reader(_file(_adapter_settings), _adapter, ("it",)),
    "names of timm": Reader(_folder(_read_names), _names, (_KEPT,)),
    "training of PerceptNet": Reader(
        _file(lambda path: _training().resume(path)),
        _checkpoint,
        ("it",),
        ("baselines/perceptnet/training: Training.resume",),
    ),
    "features": Reader(
        _file(read_features),
        _features,
        ("it.npy", "it.npz", "it.safetensors"),
        (
            "alignbench/extraction/feature_files: _read_numpy",
            "alignbench/extraction/feature_files: _read_safetensors",
        ),
    ),
    "features that exist": Reader(
        _read_stored,
        _stored,
        (
            *("npy/features.npy", "npy/file_names.txt", "npy of doubles/it.npy", "npy of doubles/names.json"),
            *("layers/conv1.npy", "layers/conv2.npy", "npz/it.npz", "safetensors/it.safetensors"),
            *("txt/features.txt", "hdf5/features.hdf5", "mat/features.mat", "mat by picture/features.mat"),
            *("csv/it.csv", "tsv/it.tsv", "parquet/it.parquet"),
        ),
        (
            "alignbench/extraction/stored_layers: npy_layer",
            "alignbench/extraction/stored_layers: _member.opened",
            "alignbench/extraction/stored_layers: safetensors_layers",
            "alignbench/extraction/stored_layers: hdf5_layers",
            "alignbench/extraction/stored_layers: _data_set.opened",
            "alignbench/extraction/feature_forms: _npz",
            "alignbench/extraction/feature_tables: _text_table",
            "alignbench/extraction/feature_tables: _parquet",
            "alignbench/extraction/feature_tables: read_text_array",
        ),
    ),
    "rows of features": Reader(
        _folder(_read_partial),
        _partial,
        ("layer_0.npy", "progress.json", "other.npy"),
        ("alignbench/extraction/feature_extraction: _open_rows", "alignbench/extraction/feature_extraction: _shape"),
    ),
    "contributions of heads": Reader(
        _folder(_read_heads),
        lambda folder: write_store(folder, _HEADS),
        ("heads.json", "names.json", "layer_2.safetensors", "others.safetensors", "pictures.safetensors"),
        ("alignbench/interpret/shards: open_shard",),
    ),
    "rows of contributions": Reader(
        _folder(_read_partial_heads),
        _partial_heads,
        tuple(
            f".partial-it__heads__0/{name}"
            for name in ("settings.json", "done", "store/layer_2.safetensors", "store/pictures.safetensors")
        ),
        ("alignbench/interpret/partial_store: PartialStore.rows", "alignbench/interpret/shards: StoreShard.maps"),
    ),
    "texts": Reader(_file(read_texts), _texts, ("it.txt",)),
    "embeddings of texts": Reader(
        _file(lambda path: read_rows(path, "k", (2, 2))),
        _kept_texts,
        ("it.safetensors",),
        ("alignbench/interpret/text_cache: read_rows",),
    ),
    "texts of heads": Reader(_folder(read_span), _span, ("textspan.json", "texts.csv")),
    "ablations of heads": Reader(_folder(read_ablation), _ablation, ("ablate.json", "ablations.csv")),
    "analyses of heads": Reader(_folder(read_search), _search, ("search.json", "search.csv")),
    "texts that explain a neighbour": Reader(_folder(read_search), _why, ("search.json", "search.csv")),
    "neighbours on two sides": Reader(_folder(read_search), _difference, ("search.json", "search.csv")),
    "classes of pictures in a table": Reader(
        _file(lambda path: by_table(path, ("name", "class", "place"), ("a", "b"))), _classes_of_pictures, ("it.csv",)
    ),
    "texts of classes": Reader(_file(lambda path: read_class_texts(path, ("a",))), _class_texts, ("it.csv",)),
    "picks of heads": Reader(
        _folder(read_picks),
        lambda folder: write_span(folder, _PICKED, [_PICKED]),
        ("textspan.json", "texts.csv", "draws.safetensors", "drawn.csv"),
        ("alignbench/interpret/drawn_picks: read_drawn",),
    ),
    "labels of heads": Reader(
        _folder(read_labels),
        _labels,
        ("labels.json", "labels.csv", "anew.safetensors"),
        ("alignbench/interpret/labelling/labelling: _read_anew",),
    ),
    "labels by hand": Reader(_file(_read_by_hand), _by_hand, ("heads.yaml", "words.yaml")),
    "answers of chat models": Reader(_file(lambda path: read_answer(path, "k")), _answer, ("it.json",)),
    "chat models": Reader(
        _folder(lambda folder: LocalChat("it", folder)),
        save_chat_model,
        ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        (
            "alignbench/interpret/labelling/local_chat: _read_tokenizer",
            "alignbench/interpret/labelling/local_chat: _read_model",
        ),
    ),
    "scores of heads": Reader(
        _folder(_read_scored), write_scores, ("scores.json", "scores.csv", "heads.csv", "judged.csv")
    ),
    "text towers of transformers": Reader(
        _folder(_encode),
        save_clip_texts,
        ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"),
        ("alignbench/interpret/text_encoders/transformers_texts: _read",),
    ),
    "text towers with a list of words": Reader(_folder(_encode), save_chinese_texts, ("vocab.txt",)),
    "text towers of open_clip": Reader(
        _folder(_encode),
        lambda folder: save_openclip_texts(folder, "siglip"),
        ("open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    ),
    "prepared pictures": Reader(_file(lambda path: read_entry(str(path), (3, 4, 4))), _prepared, ("it",)),
    "transforms": Reader(
        _read_transform,
        _transforms,
        ("it.npy", "it.npz", "it.safetensors", "it.pkl"),
        (
            "alignbench/transforms/affine: _numpy",
            "alignbench/transforms/affine: _zipped",
            "alignbench/transforms/affine: _safetensors",
        ),
    ),
    "published transforms": Reader(
        _folder(_read_published),
        _published,
        ("transforms/resnet18/avgpool/transform.npz", "transforms/resnet18/avgpool/transform.sha256"),
    ),
    "TID2013": Reader(
        _data_set("tid2013"),
        lambda folder: write_tid2013(folder, 2, 2, 2),
        ("mos_with_names.txt", "mos_std.txt", "distorted_images/i01_01_2.bmp"),
    ),
    "KADID-10k": Reader(
        _data_set("kadid10k"), lambda folder: write_kadid10k(folder, 2, 2, 2), ("dmos.csv", "images/I01_01_01.png")
    ),
    "BAPPS": Reader(
        _data_set("bapps", "val-cnn"),
        lambda folder: write_bapps(folder, 3),
        ("2afc/val/cnn/judge/000000.npy", "2afc/val/cnn/p0/000002.png"),
    ),
    "NIGHTS": Reader(_data_set("nights"), lambda folder: write_nights(folder, 6), ("data.csv", "ref/003/003.png")),
    "THINGS": Reader(
        _data_set("things"),
        lambda folder: write_things(folder, 6, 10),
        ("triplets/testset1.txt", "unique_id.txt", "object_images/ice/ice_01b.jpg"),
    ),
    "Levels": Reader(
        _data_set("levels"),
        lambda folder: write_levels(folder, 3),
        ("pruned_dataset.pkl", "train/n00/n00_1.JPEG"),
    ),
    "pickles of plain data": Reader(
        _file(read_plain), _plain_pickles, ("it.pkl", "old.pkl"), ("alignbench/datasets/plain_pickle: _PlainPickle",)
    ),
    "shares": Reader(_file(_read_share), _share, ("it.npy",), ("alignbench/datasets/bapps: _number_type",)),
    "triplets": Reader(
        _file(lambda path: read_triplets(path, 4)),
        _triplets,
        ("it.txt", "it.npy"),
        ("alignbench/datasets/triplet_files: read_triplets", "alignbench/datasets/triplet_files: _read_array"),
    ),
    "tables of triplets": Reader(
        _file(lambda path: read_table(path, 4)),
        _triplets,
        ("it.csv",),
        ("alignbench/datasets/triplet_files: read_table",),
    ),
    "human matrices": Reader(
        _read_matrices,
        _matrices,
        (
            "cichy/sim_judgements/judgments_general.mat",
            "king/sim_judgements/BEHAVIOR.mat",
            "peterson/animals/sim_judgements/animalsSimMat.mat",
        ),
    ),
    "variables of MATLAB": Reader(
        _file(variables), _variables, ("it.mat",), ("alignbench/datasets/matrix_files: variables",)
    ),
    "pictures": Reader(
        _folder(lambda folder: _look_at(image_folder(folder))),
        _pictures,
        ("a.png", "b.jpg", "c.bmp", "d.webp", "e.tif", "f.gif", "g.png", "h.ppm"),
    ),
    "labelled pictures": Reader(
        _folder(lambda folder: _look_at(labelled_folder(folder)[0])), _labelled, ("cat/a.png", "dog/a.png")
    ),
    "run folders": Reader(
        _folder(_read_run),
        _run,
        ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet"),
        (
            "alignbench/results/csv_table: read_csv_table",
            "alignbench/results/judgment_table: read_table",
            "alignbench/results/judgment_table: read_subsets",
            "alignbench/results/stored_run: StoredRun._opened",
        ),
    ),
    "channels of runs": Reader(
        _folder(lambda folder: read_top_shares(folder, StoredRun(folder).layers)), _run, ("channels.csv",)
    ),
    "ceilings": Reader(_folder(read_ceiling), _learned, ("ceiling.csv",)),
    "judged teachers": Reader(_folder(read_judged), _judged_teacher, ("judged.csv",)),
    "choices of teachers": Reader(
        _folder(read_choices),
        _judged_teacher,
        ("judged/choices.safetensors",),
        ("alignbench/transforms/learning/judged_choices: read_choices",),
    ),
    "records of learning": Reader(_folder(read_learned), _learned, ("learned.json",)),
    "judged transforms": Reader(_folder(read_evaluation), _judged, ("evaluation.csv", "evaluated.json")),
    "trained students": Reader(_folder(_read_trained), _trained, ("student.json", "training.csv", "pictures.npy")),
    "checkpoints of students": Reader(
        _file(lambda path: read_checkpoint(path, {"seed": 0})),
        _kept,
        ("it.safetensors",),
        ("alignbench/alignet/training/checkpoints: read_checkpoint",),
    ),
    "folders of weights": Reader(_folder(lambda folder: named_weights(str(folder))), _named, ("weights.json",)),
    "judged students": Reader(_folder(_read_gains), _gains, ("evaluation.csv", "curves.csv", "alignet.json")),
    "scored heads": Reader(
        _folder(read_head_alignment), _scored_heads, ("alignment.csv", "cumulative.csv", "align.json")
    ),
    "distances of scored heads": Reader(
        _folder(read_part_distances),
        _part_distances,
        ("part_distances.safetensors",),
        ("alignbench/interpret/part_distances: read_part_distances",),
    ),
    "heads that are browsed": Reader(
        _folder(_browse),
        _browsed,
        (
            *("own__textspan__0/texts.csv", "own__textspan__0/textspan.json", "own__labels__0/labels.csv"),
            *("own__labels__0/labels.json", "own__scores__0/scores.csv", "own__scores__0/heads.csv"),
            *("own__scores__0/judged.csv", "own__scores__0/scores.json", "own__align__0/alignment.csv"),
            *("own__align__0/align.json", "own__against__0/differences.csv", "own__against__0/against.json"),
        ),
    ),
    "heads of two models": Reader(_folder(read_comparison), _comparison, ("differences.csv", "against.json")),
    "records of students": Reader(_folder(lambda folder: trained_student(str(folder))), _student, ("student.json",)),
    "hierarchies": Reader(_file(_superordinates), _hierarchy, ("it.csv",)),
    "clusters of pictures": Reader(
        _folder(cluster_groups),
        _stages,
        ("clustering.json", "names.json", "clusters.safetensors"),
        ("alignbench/alignet/picture_groups: cluster_groups",),
    ),
    "states of clustering": Reader(
        _file(lambda path: _stopped_state(path, _CLUSTERED, np.zeros((3, 4), dtype=np.float32))),
        _stages,
        ("state.safetensors",),
        ("alignbench/alignet/clustering: _stopped_state",),
    ),
    "triplets of pictures": Reader(
        _read_stage,
        _stages,
        ("sampling.json", "labels.json", "names.json", "triplets.npy", "similarities.npy", "it.npz"),
        ("alignbench/alignet/stage_folders: new_array", "alignbench/alignet/stage_folders: map_rows"),
    ),
    "tables of classes": Reader(_file(table_groups), _stages, ("it.csv",)),
    "sweeps": Reader(
        _file(lambda path: read_sweep(path, COMMANDS)),
        _sweeps,
        ("it.yaml", "it.yml"),
        ("alignbench/files/yaml_text: load_yaml",),
    ),
    "journals of sweeps": Reader(_file(lambda path: Ledger(path).attempts()), _ledger, ("journal.log",)),
    "jobs of sweeps": Reader(
        _folder(_read_jobs), _jobs, ("jobs/it.given.json", "jobs/it.begun.json", "jobs/it.ended.json")
    ),
    "journals of searches": Reader(_file(lambda path: _study(Journal(path, "study"))), _journal, ("journal.log",)),
}
