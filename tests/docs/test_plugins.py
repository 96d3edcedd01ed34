"""The listings of `docs/extend/plugins.md` work as they stand once installed; a bad plug-in is said in a line."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file
from scipy import stats

from alignbench.cli.main import main
from distributions import write_distribution
from documented import ROOT
from drawing import do_not_draw
from reference import pair_distances

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "docs" / "extend" / "plugins.md").read_text(encoding="utf-8")
LISTINGS = re.findall(r"```(?:toml|python)\n(# (\S+\.(?:toml|py))\n.*?)```", DOCUMENT, flags=re.DOTALL)
DOORS = ("metric", "family", "family object", "data set")
PACKAGES = dict(zip(DOORS, zip(LISTINGS[::2], LISTINGS[1::2], strict=True), strict=True))
RATED = (("a.png", "b.png", 4.5), ("a.png", "c.png", 2.0), ("d.png", "b.png", 3.25), ("a.png", "d.png", 3.5))

Floats = NDArray[np.float64]


def install(site: Path, project: str, *files: tuple[str, str]) -> None:
    """Puts a package into a folder as pip would: its files, and what its pyproject.toml says of it."""
    table = tomllib.loads(project)["project"]
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in table["entry-points"].items()
    )
    write_distribution(site, table["name"], table["version"], "\n".join(groups))
    for text, name in files:
        (site / name).write_text(text)


Outcome = tuple[int, str, str]  # exit code, stdout, stderr

SEVERAL = """
import contextlib, io, json, sys
from alignbench.cli.main import main

def run(arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()

print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
"""


def in_process(site: Path, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, with a folder of installed packages on its path."""
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    room = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], input=given, capture_output=True, text=True, env=room, cwd=site)


def commands(site: Path, *several: list[str]) -> list[Outcome]:
    """What each of several command lines gives, all in one process of their own."""
    done = in_process(site, "-c", SEVERAL, given=json.dumps(several))
    assert done.returncode == 0, done.stderr
    return [tuple(found) for found in json.loads(done.stdout)]


def commands_here(site: Path, *several: list[str]) -> list[Outcome]:
    """The same in this process, which spares its imports."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        do_not_draw(patch)
        patch.syspath_prepend(str(site))
        patch.chdir(site)
        patch.setenv("COLUMNS", "200")
        for arguments in several:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(arguments)
            found.append((code, out.getvalue(), err.getvalue()))
    return found


# --- The listings ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ratings")
    rng = np.random.default_rng(0)
    for name in "abcd":
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((50, 35), Image.Resampling.BICUBIC).save(root / f"{name}.png")
    with (root / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("second", "rating", "first"), *((second, said, first) for first, second, said in RATED)])
    return root


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory, ratings: Path) -> dict[str, Outcome]:
    """Everything that is done with the four packages installed."""
    site = tmp_path_factory.mktemp("documented")
    for (project, _), module in PACKAGES.values():
        install(site, project, module)
    run = ["run", "--dataset", "my-ratings", "--data-root", str(ratings), "--output", "runs", "--loader-workers", "0"]
    given = {
        "models": ["models"],
        "data sets": ["datasets"],
        "check": ["datasets", "check", "my-ratings", "--data-root", str(ratings)],
        "metric": [*run, "--model", "blurred-luminance"],
        "family": [*run, "--model", "plain-vit:vit_b_32", "--random-init", "--seed", "3"],
        "family object": [*run, "--model", "grid:4"],
        "unknown model": [*run, "--model", "plain-vit:vit_b_61"],
        "unknown grid": [*run, "--model", "grid:5"],
        "unknown subset": [*run, "--model", "pixels", "--subset", "test"],
    }
    found = dict(zip(given, commands_here(site, *given.values()), strict=True))
    return {name: (code, out.replace("runs/", f"{site}/runs/"), err) for name, (code, out, err) in found.items()}


def measured(outcome: Outcome) -> tuple[pd.DataFrame, dict[str, Floats]]:
    """The rows of curve.csv, and the distances of the rated pairs."""
    code, out, err = outcome
    assert code == 0, err
    folder = Path(out.splitlines()[-1])
    return pd.read_csv(folder / "curve.csv"), load_file(folder / "distances.safetensors")


def pixels(path: Path) -> Floats:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("door", PACKAGES)
def test_a_listing_is_short_and_names_its_files(door: str) -> None:
    (project, name), (code, module) = PACKAGES[door]
    assert name == "pyproject.toml"
    (entry,) = tomllib.loads(project)["project"]["entry-points"].values()
    assert all(value.partition(":")[0] == module.removesuffix(".py") for value in entry.values())
    assert len(project.splitlines()) + len(code.splitlines()) < 40
    assert max(map(len, code.splitlines())) <= 120


@pytest.mark.parametrize("door", PACKAGES)
def test_a_listing_takes_public_names_only(door: str) -> None:
    _, (code, _) = PACKAGES[door]
    homes = set(re.findall(r"^(?:from|import) (alignbench[.\w]*)", code, flags=re.MULTILINE))
    assert homes <= {"alignbench", "alignbench.datasets", "alignbench.models"}


def test_the_metric_and_the_data_set(documented: dict[str, Outcome], ratings: Path) -> None:
    frame, distances = measured(documented["metric"])
    expected = []
    for first, second, _ in RATED:
        difference = (pixels(ratings / first) - pixels(ratings / second)) / 255.0
        luminance = difference @ [0.299, 0.587, 0.114]
        squares = luminance[:32, :48].reshape(4, 8, 6, 8).mean(axis=(1, 3))
        expected.append(np.sqrt((squares**2).mean()))
    np.testing.assert_allclose(distances["blurred-luminance"], [expected], rtol=1e-5)
    row = frame[frame["metric"] == "spearman"].squeeze()
    assert (row["model"], row["dataset"], row["layer"], row["n"]) == ("blurred-luminance", "my-ratings", "image", 4)
    ranks = stats.spearmanr(-np.array(expected), [said for *_, said in RATED]).statistic
    assert row["value"] == pytest.approx(ranks, abs=1e-12)
    assert row["n_clusters"] == 2, "two pictures come first"


def prepared(path: Path) -> torch.Tensor:
    """Short side to 256 pixels, the middle 224 x 224 of it, normalised: (1, 3, 224, 224)."""
    image = Image.open(path).convert("RGB")
    image = image.resize((int(256 * image.width / image.height), 256), Image.Resampling.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    values = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float64) / 255.0
    values = (values - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.from_numpy(values).permute(2, 0, 1)[None].float()


def test_the_model_family(documented: dict[str, Outcome], ratings: Path) -> None:
    from torchvision.models import vit_b_32

    frame, distances = measured(documented["family"])
    names = list(dict.fromkeys(frame["layer"]))
    assert names == [f"layer_{i}" for i in range(13)]
    assert list(dict.fromkeys(frame["depth"])) == pytest.approx([2.5, *np.linspace(7.5, 97.5, 12)])
    assert set(frame["model"]) == {"plain-vit:vit_b_32@random-3"}

    torch.manual_seed(3)
    vit = vit_b_32(weights=None).eval()
    tokens: list[list[Floats]] = [[] for _ in names]
    with torch.inference_mode():
        for name in "abcd":
            patches = vit.conv_proj(prepared(ratings / f"{name}.png")).flatten(2).transpose(1, 2)
            state = torch.cat([vit.class_token, patches], dim=1) + vit.encoder.pos_embedding
            for layer, block in enumerate([torch.nn.Identity(), *vit.encoder.layers]):
                state = block(state)
                tokens[layer].append(state[0].double().numpy())
    pairs = [("abcd".index(first[0]), "abcd".index(second[0])) for first, second, _ in RATED]
    for layer, values in enumerate(tokens):
        expected = pair_distances(values, pairs)
        for distance in ("normalized_euclidean", "euclidean", "cosine"):
            np.testing.assert_allclose(distances[distance][layer], expected[distance], rtol=1e-3, err_msg=names[layer])


def test_the_model_familys_object(documented: dict[str, Outcome], ratings: Path) -> None:
    frame, distances = measured(documented["family object"])
    assert set(frame["model"]) == {"grid:4"}
    assert set(frame["layer"]) == {"projection"}
    colours = []
    for name in "abcd":
        image = Image.open(ratings / f"{name}.png").convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
        squares = np.asarray(image, dtype=np.float64).reshape(4, 16, 4, 16, 3) / 255.0
        colours.append(squares.mean(axis=(1, 3)).transpose(2, 0, 1).reshape(1, -1))
    pairs = [("abcd".index(first[0]), "abcd".index(second[0])) for first, second, _ in RATED]
    np.testing.assert_allclose(distances["euclidean"][0], pair_distances(colours, pairs)["euclidean"], rtol=1e-5)


def test_what_is_installed_is_listed_with_its_package(documented: dict[str, Outcome]) -> None:
    models, data_sets, check = (documented[name] for name in ("models", "data sets", "check"))
    assert (models[0], data_sets[0], check[0]) == (0, 0, 0)
    assert models[2] == data_sets[2] == ""
    assert "blurred-luminance (blur-metric 0.1)" in models[1]
    assert "Model families, as --model FAMILY:...: open_clip, " in models[1]
    assert "plain-vit (plain-vits 0.1)" in models[1]
    assert "grid (colour-grids 0.1)" in models[1]
    assert "transformers" not in models[1]
    assert "pixels (" not in models[1]
    assert "my-ratings (my-ratings 0.1)" in data_sets[1]
    assert "4 distinct pairs of 4 images" in check[1]


def test_a_family_and_a_data_set_refuse_what_they_do_not_have(documented: dict[str, Outcome]) -> None:
    model, grid, subset = (documented[f"unknown {what}"] for what in ("model", "grid", "subset"))
    assert (model[0], grid[0], subset[0]) == (2, 2, 2)
    assert "alignbench: unknown model 'grid:5': try grid:8" in grid[2]
    assert "alignbench: unknown model 'plain-vit:vit_b_61': try plain-vit:vit_b_16" in model[2]
    assert "alignbench: my-ratings has one subset only: leave out --subset" in subset[2]


# --- What is wrong --------------------------------------------------------------------------------------------------

BROKEN = """
[project]
name = "broken-pack"
version = "2.0"
[project.entry-points."alignbench.metrics"]
lost-metric = "broken_pack:METRIC"
text = "sound_pack:TEXT"
[project.entry-points."alignbench.models"]
lost-family = "broken_pack:load"
misnamed = "sound_pack:FAMILY"
a-class = "sound_pack:Family"
a-text = "sound_pack:TEXT"
[project.entry-points."alignbench.datasets"]
lost-set = "broken_pack:DATA"
text-set = "sound_pack:TEXT"
"""
SOUND = """
[project]
name = "sound-pack"
version = "1.0"
[project.entry-points."alignbench.metrics"]
twins = "sound_pack:METRIC"
sound = "sound_pack:METRIC"
"""
GREEDY = """
[project]
name = "greedy-pack"
version = "3.0"
[project.entry-points."alignbench.metrics"]
twins = "greedy_pack:METRIC"
[project.entry-points."alignbench.datasets"]
shapes-low = "greedy_pack:DATA"
"""
METRIC = """
class Half:
    name, distance, min_side = "half", "half", 1
    def __call__(self, first, second):
        return (first - second).abs().mean(dim=(1, 2, 3)) / 2
METRIC, TEXT = Half(), "no metric and no data set"
"""
FAMILY = """
from alignbench.models import ModelFamily
class Family(ModelFamily):
    name = "another"
    def load(self, name, *, random_init, seed, protocol):
        raise AssertionError
FAMILY = Family()
"""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("troubled")
    install(site, BROKEN, ("import no_such_module_at_all\n", "broken_pack.py"))
    install(site, SOUND, (METRIC + FAMILY, "sound_pack.py"))
    install(site, GREEDY, (METRIC, "greedy_pack.py"))
    return site


CANNOT = "cannot be imported (ModuleNotFoundError: No module named 'no_such_module_at_all'): correct or uninstall"


def test_listing_names_what_cannot_be_used_and_lists_the_rest(troubled: Path) -> None:
    models, data_sets = (in_process(troubled, "-m", "alignbench", name) for name in ("models", "datasets"))
    assert models.returncode == data_sets.returncode == 0
    assert "sound (sound-pack 1.0)" in models.stdout
    assert "lost-metric" not in models.stdout
    assert "twins" not in models.stdout
    complaints = models.stderr.splitlines()
    assert all(line.startswith("alignbench: warning: ") for line in complaints)
    assert sum("'lost-metric' of broken-pack 2.0 (broken_pack:METRIC) " + CANNOT in line for line in complaints) == 1
    assert sum("'lost-family' of broken-pack 2.0 (broken_pack:load) " + CANNOT in line for line in complaints) == 1
    assert sum("metric 'twins' is claimed by " in line for line in complaints) == 1
    for name in ("tid2013", "shapes-low", "bapps"):
        assert name in data_sets.stdout
    complaints = data_sets.stderr.splitlines()
    assert len(complaints) == 3
    assert sum("'lost-set' of broken-pack 2.0 (broken_pack:DATA) " + CANNOT in line for line in complaints) == 1
    assert sum("'text-set' of broken-pack 2.0 (sound_pack:TEXT) is no data set" in line for line in complaints) == 1
    assert sum("data set 'shapes-low' of greedy-pack 3.0 (greedy_pack:DATA) is ignored" in line for line in complaints)


def test_what_is_chosen_is_refused_in_a_line_and_nothing_else(troubled: Path, tmp_path: Path) -> None:
    run = ["run", "--limit", "45", "--loader-workers", "0", "--output", str(tmp_path / "runs"), "--dataset"]
    refused = {
        ("shapes-low", "lost-metric"): f"metric 'lost-metric' of broken-pack 2.0 (broken_pack:METRIC) {CANNOT}",
        ("shapes-low", "lost-family:any"): f"family 'lost-family' of broken-pack 2.0 (broken_pack:load) {CANNOT}",
        (
            "shapes-low",
            "misnamed:any",
        ): "'misnamed' of broken-pack 2.0 (sound_pack:FAMILY) is no model family, it calls it",
        (
            "shapes-low",
            "a-class:any",
        ): "(sound_pack:Family) is no model family, it is a class and not an object of it: ",
        ("shapes-low", "a-text:any"): "(sound_pack:TEXT) is no model family, it cannot be called: correct or uninstall",
        ("lost-set", "pixels"): f"data set 'lost-set' of broken-pack 2.0 (broken_pack:DATA) {CANNOT}",
        ("shapes-low", "text"): "'text' of broken-pack 2.0 (sound_pack:TEXT) is no metric, it has no name",
        ("shapes-low", "twins"): "metric 'twins' is claimed by ",
    }
    given = [[*run, dataset, "--model", model] for dataset, model in refused]
    *found, sound = commands(troubled, *given, [*run, "shapes-low", "--model", "sound"])
    for said, (code, _, error) in zip(refused.values(), found, strict=True):
        complaints = [line for line in error.splitlines() if "is ignored" not in line]
        assert code == 2, error
        assert len(complaints) == 1, error
        assert complaints[0].startswith("alignbench: ")
        assert said in complaints[0]
        assert "Traceback" not in error
    twins = found[-1][2]
    assert "sound-pack 1.0 (sound_pack:METRIC)" in twins
    assert "greedy-pack 3.0 (greedy_pack:METRIC)" in twins
    warned = [line for _, _, error in (*found, sound) for line in error.splitlines() if "is ignored" in line]
    assert len(warned) == 1, "once a process"
    assert warned[0].endswith(
        "'shapes-low' of greedy-pack 3.0 (greedy_pack:DATA) is ignored: alignbench has one of that name"
    )
    assert sound[0] == 0, sound[2]
    curve = pd.read_csv(Path(sound[1].splitlines()[-1]) / "curve.csv")
    assert (curve["dataset"].iloc[0], curve["n"].iloc[0]) == ("shapes-low", 45), "the built-in set was measured"
