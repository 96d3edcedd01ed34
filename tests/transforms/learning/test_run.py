"""A job of learning: finished ones are taken, a search that was stopped goes on, and what cannot be is refused."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.errors import UsageError
from alignbench.extraction.features import Reading, ReadyTower
from alignbench.transforms import AffineTransform
from alignbench.transforms.learning import inputs as job_pictures
from alignbench.transforms.learning import run as job
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.layers import LearnedLayer
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.run import LearningConfig
from learned_jobs import Remembering, draw, learn_things
from learning_commands import LEARN, SMALL
from pixel_tower import PixelTower

pytestmark = pytest.mark.slow


def test_what_is_finished_is_taken_and_what_changes_a_number_is_learned_beside_it(
    things_root: Path, tmp_path: Path
) -> None:
    folder, there = learn_things(things_root, tmp_path)
    assert not there
    heard = Remembering()
    assert learn_things(things_root, tmp_path, heard) == (folder, True)
    assert heard.told == []
    other, there = learn_things(things_root, tmp_path, layers=("projection",))
    assert not there
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, other.name}
    again = learn_things(things_root, tmp_path, heard, overwrite=True, layers=("projection",))
    assert again == (other, False)
    assert ("learned", "projection") in heard.told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "things"}, "gLocal keeps the local structure of other images: name a folder of them"),
        ({"dataset": "nights"}, "nights has no odd-one-out triplets: learn on things or shapes-high"),
        ({"dataset": "shapes-low"}, "shapes-low has no odd-one-out triplets"),
        ({"similarity": "cosin"}, "unknown similarity 'cosin': did you mean cosine"),
        ({"trials": -1}, "trials -1 are below 0"),
        ({"limit": 0}, "limit 0 is below 1"),
        ({"layers": ()}, "no layer to learn a transform of: name some with --layers"),
        ({"recipe": Recipe(tau=0.0)}, "tau 0.0 is not above 0"),
    ],
)
def test_a_job_that_cannot_be_is_refused_before_anything_is_read(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=rf"^{message}"):
        LearningConfig(**{"dataset": "shapes-high"} | options).checked()


def test_several_vectors_a_picture_are_refused_before_the_data_are_looked_for(tmp_path: Path) -> None:
    recipe, nowhere = Recipe("global"), tmp_path / "none"
    ready = ReadyTower(PixelTower(), "pixels", Reading("all", workers=0))
    config = LearningConfig("things", nowhere, layers=("layer_0",), recipe=recipe)
    with pytest.raises(UsageError, match=r"^a transform takes one vector a picture: use --tokens cls or mean"):
        job.learn_transforms(config, ready, Destination(tmp_path / "out", draw))


def test_a_search_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn_layer, calls = job.learn_layer, 0
    arguments = [*LEARN, *SMALL, "--epochs", "1", "--layers", "projection,layer_2", "--output", str(tmp_path / "out")]

    def stop_at(number: int) -> None:
        def counted(*given: Any, **options: Any) -> LearnedLayer:
            nonlocal calls
            calls += 1
            if calls == number:
                raise KeyboardInterrupt
            return learn_layer(*given, **options)

        nonlocal calls
        calls = 0
        monkeypatch.setattr(job, "learn_layer", counted)

    stop_at(4)  # two trials at layer_2, then the second one at the projection
    assert main([*arguments, "--trials", "2"]) == 130
    (journal,) = (tmp_path / "out").iterdir()
    assert journal.name.startswith(".search-")
    stop_at(0)
    assert main([*arguments, "--trials", "2"]) == 0
    (folder,) = (tmp_path / "out").iterdir()
    trials = pd.read_csv(folder / "trials.csv")
    assert trials.groupby("layer")["held_out_loss"].count().tolist() == [2, 2]
    first, second = trials.loc[trials["layer"] == "projection", "held_out_loss"]
    assert calls == 2 + (first < second)  # the best at layer_2 again, a trial, and what the first one had found


def test_a_search_goes_on_and_glocal_takes_packaged_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job_pictures._PACKAGED_LOCAL == ("shapes-middle", "trainset")  # 1,800 pictures
    monkeypatch.setattr(job_pictures, "_PACKAGED_LOCAL", ("shapes-high", "trainset"))
    arguments = [*LEARN, "--limit", "3000", "--epochs", "1", "--batch-images", "32", "--trials", "2"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().err
    assert "trial 0" in printed
    assert "trial 1" in printed
    (folder,) = tmp_path.iterdir()
    trials = pd.read_csv(folder / "trials.csv")
    assert trials["trial"].tolist() == [0, 1]
    first = trials.iloc[0]
    assert (first["lam"], first["alpha"], first["tau"], first["optimiser"]) == (0.1, 0.1, 1.0, "adam")
    identities = DATASETS.load("shapes-high").read(None, ("trainset",)).images.identities()
    digest = hashlib.sha256("\n".join(identities).encode()).hexdigest()
    assert AffineTransform.load(folder / "projection.safetensors").provenance["local_images"] == digest
