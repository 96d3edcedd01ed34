from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from alignbench.cli.main import main
from alignbench.cli.options import parse_bytes


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from alignbench.cli.main import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'lightning', 'wandb', 'matplotlib', 'scipy', 'pandas', 'numpy'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_the_public_names_are_functions_and_classes_whatever_was_imported_first() -> None:
    import alignbench
    import alignbench.measurement.pipeline

    assert alignbench.measure is alignbench.measurement.pipeline.measure
    assert alignbench.__version__


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4_000_000_000), ("2GiB", 2 * 1024**3), ("1.5 mb", 1_500_000), ("700", 700)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


def test_models_lists_every_card_and_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    from alignbench.models.cards import cards

    assert main(["models"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in [*cards(), "pixels"]:
        assert name in shown


def test_datasets_lists_every_set_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    from alignbench.datasets import DATASETS

    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    for name in DATASETS.names():
        assert name in shown
    assert "simulated" in shown


@pytest.mark.draws
def test_run_draws_and_prints_the_folder_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--model", "pixels", "--dataset", "shapes-low", "--limit", "45", "--output", str(tmp_path)]
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{tmp_path}/pixels__shapes-low__")
    with Image.open(Path(last) / "curve.png") as figure:
        assert min(figure.size) > 500
    assert "<path" in (Path(last) / "curve.svg").read_text()
