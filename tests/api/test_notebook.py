"""What a notebook shows of everything that the package gives: tables of text that anything in a name leaves whole."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import alignbench
from alignbench.errors import AlignbenchError
from notebook_html import check_html
from studies import Made, as_published, write_made

HOSTILE = '</td></table><script src="http://x">1</script><img src=x onerror=1>&amp;'


def formats(shown: object) -> dict[str, object]:
    """What a notebook is given of an object, by type: from IPython where it is installed."""
    try:
        from IPython.core.formatters import DisplayFormatter
    except ImportError:
        ways = {"text/html": "_repr_html_", "image/png": "_repr_png_"}
        found = {kind: getattr(shown, name)() for kind, name in ways.items() if hasattr(shown, name)}
        return found | {"text/plain": repr(shown)}
    return dict(DisplayFormatter().format(shown)[0])


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile")
    for model in ("ssim", "pixels"):
        write_made(Made(model, "nights", 60, as_published, label=model), place)
        folder = next(place.glob(f"{model}__nights__*"))
        for name in ("run.json", "curve.csv"):
            said = HOSTILE.replace('"', {"run.json": '\\"', "curve.csv": '""'}[name])
            text = (folder / name).read_text()
            (folder / name).write_text(
                text.replace(f'"{model}"', f'"{model}{said}"')
                if name == "run.json"
                else text.replace(f"\n{model},", f'\n"{model}{said}",')
            )
    return place


def test_everything_is_shown_as_text_in_tables(hostile_runs: Path) -> None:
    runs = alignbench.load(hostile_runs)
    assert isinstance(runs, alignbench.Runs)
    assert [run.label for run in runs] == [f"pixels{HOSTILE}", f"ssim{HOSTILE}"]
    compared = alignbench.compare(runs[0], runs[1])
    for some in (runs, runs[0], runs[0].curve, compared):
        shown = formats(some)
        assert f"pixels{HOSTILE}" in check_html(str(shown["text/html"])).text
        assert "<script" not in str(shown["text/html"])
        assert "pixels" in str(shown["text/plain"])
    for listing in (alignbench.list_models(), alignbench.list_datasets()):
        check_html(str(formats(listing)["text/html"]))


def test_a_figure_is_shown_as_a_picture(hostile_runs: Path) -> None:
    runs = alignbench.load(hostile_runs)
    assert isinstance(runs, alignbench.Runs)
    content = formats(runs.plot())["image/png"]
    assert isinstance(content, bytes | str)
    assert content.startswith(b"\x89PNG" if isinstance(content, bytes) else "iVBORw0KGgo")  # or in base64


def test_runs_are_compared_by_label_by_folder_and_as_they_are(some_runs: Path) -> None:
    clip, pixels = (sorted(some_runs.glob(f"{name}__shapes-low__*"))[0] for name in ("shapes-clip", "pixels"))
    by_folder = alignbench.compare(clip, str(pixels))
    run = alignbench.load(clip)
    assert isinstance(run, alignbench.FinishedRun)
    assert alignbench.compare(run, pixels).summary() == by_folder.summary()
    assert alignbench.compare("shapes-clip", "pixels", runs=some_runs).summary() == by_folder.summary()
    assert isinstance(by_folder, alignbench.Comparison)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"distance": ""}, "`distance` is empty"), ({"dataset": ","}, "`dataset` is empty")],
)
def test_a_comparison_speaks_of_its_own_arguments(some_runs: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(AlignbenchError, match=said):
        alignbench.compare("shapes-clip", "pixels", runs=some_runs, **options)


def test_names_at_the_root_hide_no_room() -> None:
    import alignbench.datasets
    import alignbench.models

    assert isinstance(alignbench.datasets, ModuleType)
    assert isinstance(alignbench.models, ModuleType)
    rooms = {path.stem for path in Path(alignbench.__file__).parent.iterdir()}
    assert not rooms & set(alignbench.__all__)


def test_the_package_is_there_at_once_and_completes_its_names() -> None:
    code = (
        "import sys, alignbench; names = dir(alignbench); assert set(alignbench.__all__) <= set(names); "
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'tqdm', 'rich', 'alignbench.errors'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in alignbench.__all__ if name.islower() and "__" not in name])
def test_help_of_a_function_is_that_of_the_function(name: str) -> None:
    function = getattr(alignbench, name)
    text = pydoc.render_doc(function, renderer=pydoc.plaintext)
    for part in (*inspect.signature(function).parameters, str(inspect.getdoc(function)).splitlines()[0]):
        assert part in text
    assert "*args" not in text
