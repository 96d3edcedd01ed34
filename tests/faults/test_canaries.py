"""No file that is read can run code: every reader of the project, held against every hostile file.

A hostile file makes a folder, the canary, if its code is run. Whoever adds a reader adds a line to `READERS`.
"""

from __future__ import annotations

import ast
import io
import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
import yaml

from alignbench.errors import AlignbenchError
from documented import ROOT
from files_of_arrays import Trap
from readers import READERS

pytestmark = pytest.mark.slow

# --- Hostile files --------------------------------------------------------------------------------------------------


def _array_file(save_arrays: Callable[..., None], canary: Path) -> bytes:
    file = io.BytesIO()
    save_arrays(file, np.array([Trap(canary)], dtype=object))
    return file.getvalue()


def _torch_file(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


class _Resumed(torch.nn.Module):
    """A module that runs code when its TorchScript is read: such code can write files, for one."""

    def __init__(self, canary: str) -> None:
        super().__init__()
        self.weight, self.canary = torch.ones(2), canary

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value * self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, str, bool]:
        return self.weight, self.canary, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, bool]) -> None:
        self.weight, self.canary, self.training = state[0], state[1], state[2]
        torch.save(torch.zeros(1), state[1])


class _Around(torch.nn.Module):
    """A model with such a module for its vision tower."""

    def __init__(self, canary: str) -> None:
        super().__init__()
        self.visual = _Resumed(canary)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.visual(value)
        return answer


def _torchscript(canary: Path) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice is for whoever writes such files
        torch.jit.save(torch.jit.script(_Around(str(canary))), file)
    return file.getvalue()


def _parquet(canary: Path) -> bytes:
    """A table with a column of a type that pyarrow once unpickled."""
    hidden = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Trap(canary)),
    }
    columns = [pyarrow.field(name, pyarrow.int64(), metadata=hidden) for name in ("index", "human", "subset")]
    table = pyarrow.table({column.name: [1, 2] for column in columns}, schema=pyarrow.schema(columns))
    file = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, file)
    return bytes(file.getvalue().to_pybytes())


_CODE = "__import__('os').mkdir({canary!r})"
HOSTILE: Final[dict[str, Callable[[Path], bytes]]] = {
    "pickle": lambda canary: pickle.dumps(Trap(canary)),
    "pickle of text": lambda canary: pickle.dumps(Trap(canary), protocol=0),
    "npy of objects": lambda canary: _array_file(np.save, canary),
    "npz of objects": lambda canary: _array_file(np.savez, canary),
    "torch": lambda canary: _torch_file({"state_dict": Trap(canary)}),
    "torch of old": lambda canary: _torch_file({"weight": Trap(canary)}, _use_new_zipfile_serialization=False),
    "torchscript": _torchscript,
    "parquet": _parquet,
    "yaml": lambda canary: f"method: grid\nparameters: !!python/object/apply:os.mkdir ['{canary}']\n".encode(),
    "python": lambda canary: _CODE.format(canary=str(canary)).encode(),
    "table": lambda canary: f"=cmd|'mkdir {canary}'!A1,@SUM(1)\t{_CODE.format(canary=str(canary))}\n1,2\t3\n".encode(),
    "json": lambda canary: json.dumps(
        {"py/object/apply": "os.mkdir", "__reduce__": ["os.mkdir", [str(canary)]], "auto_map": {"AutoModel": "own.Own"}}
    ).encode(),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, Path]]:
    """The content of each hostile file, and its canary."""
    root = tmp_path_factory.mktemp("canaries")
    made = {}
    for number, (kind, content) in enumerate(HOSTILE.items()):
        canary = root / str(number)
        made[kind] = content(canary), canary
    return made


# --- Readers ----------------------------------------------------------------------------------------------------

OURS: Final = {  # what calls a library's reader for no file of somebody else's, and why
    "alignbench/cli/main: _tell_end": "runs an empty text",
    "alignbench/__init__: __getattr__": "imports the package's own modules",
    "alignbench/alignet/__init__: __getattr__": "imports the package's own modules",
    "alignbench/interpret/__init__: __getattr__": "imports the package's own modules",
    "alignbench/results/published: _table": "a table that comes with the package",
    "alignbench/results/published_heads: _table": "a table that comes with the package",
    "alignbench/tracking/transform_run: log_learned": "plain CSV of a folder that this run has just written",
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each reader, the folder in which its hostile file will lie."""
    root = tmp_path_factory.mktemp("sound")
    for number, reader in enumerate(READERS.values()):
        reader.make(root / str(number))
    return {name: root / str(number) for number, name in enumerate(READERS)}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol", "ignore:'torch.load' received a zip file")
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", READERS)
def test_no_file_that_is_read_runs_code(
    name: str, kind: str, hostile: dict[str, tuple[bytes, Path]], sound: dict[str, Path], tmp_path: Path
) -> None:
    reader, (content, canary) = READERS[name], hostile[kind]
    for number, file in enumerate(reader.files):
        folder = tmp_path / str(number)
        shutil.copytree(sound[name], folder)
        (folder / file).write_bytes(content)
        said = ""
        try:
            reader.read(folder, file)
        except AlignbenchError as error:
            said = str(error)
        assert "\n" not in said, file
        assert not canary.exists(), f"{file}: its code was run"


def test_the_canaries_sing(hostile: dict[str, tuple[bytes, Path]], tmp_path: Path) -> None:
    """Readers that run code do run that of the hostile files; else none of these would prove a thing."""
    careless: dict[str, Callable[[bytes], object]] = {
        "pickle": pickle.loads,
        "pickle of text": pickle.loads,
        "npy of objects": lambda content: np.load(io.BytesIO(content), allow_pickle=True),
        "npz of objects": lambda content: np.load(io.BytesIO(content), allow_pickle=True)["arr_0"],
        "torch": lambda content: torch.load(io.BytesIO(content), weights_only=False),
        "torch of old": lambda content: torch.load(io.BytesIO(content), weights_only=False),
        "torchscript": lambda content: torch.jit.load(io.BytesIO(content)),
        "yaml": lambda content: yaml.load(content, yaml.UnsafeLoader),
        "python": eval,
    }
    for number, (kind, read) in enumerate(careless.items()):
        canary = tmp_path / str(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(HOSTILE[kind](canary))
        assert canary.exists(), kind


# --- A new reader ---------------------------------------------------------------------------------------------------

_LIBRARIES: Final = ("numpy", "torch", "pandas", "yaml", "scipy", "safetensors", "pyarrow", "h5py")
_CALLS: Final = (
    *("load", "loads", "safe_load", "full_load", "unsafe_load", "load_all", "loadtxt", "genfromtxt", "fromregex"),
    *("loadmat", "read_pickle", "read_csv", "read_table", "read_json", "read_parquet", "read_feather", "read_hdf"),
    *("ParquetFile", "fromfile", "memmap", "open_memmap", "File"),
)
_ALWAYS: Final = (
    *("from_pretrained", "loadmat", "safe_open", "load_file", "read_pickle", "read_parquet"),
    *("get_config_dict", "import_module", "exec_module", "run_path", "get_class_from_dynamic_module"),
)
_MODULES: Final = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "_pickle", "runpy")


def _names(tree: ast.Module) -> dict[str, str]:
    """Where names that a module imports come from, in whole."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {each.asname: each.name for each in node.names if each.asname}
    return found


def _dotted(node: ast.expr) -> list[str]:
    """The parts of `a.b.c`; of anything before a dot but names, nothing is known."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else [""]


def _is_reader(node: ast.AST, names: dict[str, str]) -> bool:
    """Whether a node uses what reads a file in a form that has run code, or could."""
    if isinstance(node, ast.ClassDef):
        return any(_is_reader(ast.Call(base, [], []), names) for base in node.bases)
    if not isinstance(node, ast.Call):
        return False
    first, *rest = _dotted(node.func)
    path = [*names.get(first, first).split("."), *rest]
    if path[-1].endswith("Error"):
        return False
    if path in (["eval"], ["exec"]):
        return True
    return path[0] in _MODULES or path[-1] in _ALWAYS or (path[0] in _LIBRARIES and path[-1] in _CALLS)


def _readers(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names, found = _names(tree), set()
    module = path.relative_to(ROOT).with_suffix("").as_posix()

    def search(node: ast.AST, place: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            place = f"{place}.{node.name}".lstrip(".")
        if _is_reader(node, names):
            found.add(f"{module}: {place}")
        for each in ast.iter_child_nodes(node):
            search(each, place)

    search(tree, "")
    return found


def test_a_new_reader_is_in_the_table() -> None:
    files = [*(ROOT / "alignbench").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")]
    found = {reader for path in files for reader in _readers(path)}
    tabled = {covered for reader in READERS.values() for covered in reader.covers} | set(OURS)
    assert sorted(found - tabled) == [], "a reader that no hostile file was tried on: add it to READERS"
    assert sorted(tabled - found) == [], "it reads nothing any more: take it out"


@pytest.mark.parametrize(
    "text",
    [
        "import numpy\ndef new(path):\n    return numpy.load(path)",
        "from torch import load as read\ndef new(path):\n    return read(path)",
        "import torch\ndef new(path):\n    return torch.jit.load(path)",
        "import pickle\ndef new(file):\n    return pickle.load(file)",
        "import pickle\ndef new(file):\n    class Own(pickle.Unpickler): pass",
        "from pickle import loads\ndef new(text):\n    return loads(text)",
        "def new(path):\n    import yaml\n    return yaml.load(path)",
        "from scipy import io\ndef new(path):\n    return io.loadmat(path)",
        "from transformers import AutoModel\ndef new(path):\n    return AutoModel.from_pretrained(path)",
        "import joblib\ndef new(path):\n    return joblib.load(path)",
        "import pandas as pd\ndef new(path):\n    return pd.read_pickle(path)",
        "def new(text):\n    return eval(text)",
    ],
)
def test_what_reads_is_noticed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made.py").write_text(text)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert [place.partition(".")[0] for place in _readers(tmp_path / "made.py")] == ["made: new"]
