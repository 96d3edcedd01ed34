"""TorchScript archives: the same tensors and classes as torch gives, and nothing of an archive is run."""

import pickle
import warnings
import zipfile
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alignbench.models.torchscript import is_archive, read_archive


class Order(Enum):
    FIRST = "first"
    LAST = "last"


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 2)
        self.act = nn.GELU()
        self.order = Order.LAST
        self.sizes = [1, 2, 3]
        self.label, self.nothing, self.where = "a name", None, torch.device("cpu")

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x)) if self.order == Order.LAST else x


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Inner()
        self.again = self.first.conv
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4, bias=False)])
        self.register_buffer("count", torch.tensor(7))
        self.turned = nn.Parameter(torch.arange(12.0).reshape(3, 4).double().t())

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x) + self.again(x)
        for block in self.blocks:
            y = block(y)
        return y


def scripted(path: Path, module: nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another format
        made: Any = torch.jit.script(module)
        made.save(str(path))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return scripted(tmp_path_factory.mktemp("archive") / "model.pt", Outer().half())


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_tensors_and_classes_are_those_that_torch_gives(archive: Path) -> None:
    assert is_archive(archive)
    found = read_archive(archive)
    loaded: Any = torch.jit.load(str(archive))
    expected = loaded.state_dict()
    assert found.tensors.keys() == expected.keys()
    for key, value in expected.items():
        read = found.tensors[key].read()
        assert (read.dtype, read.shape) == (value.dtype, value.shape)
        assert torch.equal(read, value), key
    for path, module in loaded.named_modules():
        assert found.classes[path] == module.original_name


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "plain.pt")
    (tmp_path / "text.pt").write_text("PK")
    assert not is_archive(tmp_path / "plain.pt")
    assert not is_archive(tmp_path / "text.pt")


class Canary(nn.Module):
    """Writes a file when an archive of it is loaded by torch."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.weight, self.mark = nn.Parameter(torch.zeros(2)), mark

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, str, bool]:
        return self.weight, self.mark, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, str, bool]) -> None:
        self.weight, self.mark, self.training = state
        torch.save(torch.zeros(1), self.mark)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_code_of_an_archive_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "was here"
    file = scripted(tmp_path / "model.pt", nn.Sequential(Canary(str(mark))))
    with pytest.raises(pickle.UnpicklingError, match=r"GLOBAL Canary\.__setstate__"):
        read_archive(file)
    assert not mark.exists()
    torch.jit.load(str(file))
    assert mark.exists(), "torch itself runs it"


def rewritten(archive: Path, to: Path, changed: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive with other contents at the ends of some names."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(to, "w", compression) as new:
        for entry in old.namelist():
            content = next((each for end, each in changed.items() if entry.endswith(end)), old.read(entry))
            new.writestr(entry, content)
    return to


class Rogue:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_names_that_torch_does_not_write_are_refused(archive: Path, tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "was here"
    file = rewritten(archive, tmp_path / "a.pt", {"/data.pkl": pickle.dumps(Rogue(mark), protocol)})
    with pytest.raises(pickle.UnpicklingError, match="GLOBAL "):
        read_archive(file)
    assert not mark.exists()


def test_damaged_archives_are_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compressed"):
        read_archive(rewritten(archive, tmp_path / "a.pt", {}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="without a module"):
        read_archive(rewritten(archive, tmp_path / "b.pt", {"/data.pkl": pickle.dumps([1])}))
    with pytest.raises(ValueError, match="order of bytes"):
        read_archive(rewritten(archive, tmp_path / "c.pt", {"/byteorder": b"big"}))
    short = read_archive(rewritten(archive, tmp_path / "d.pt", {f"/data/{number}": bytes(2) for number in range(9)}))
    with pytest.raises(ValueError, match="fewer numbers"):
        short.tensors["first.conv.weight"].read()


def test_modules_within_themselves_are_refused(archive: Path, tmp_path: Path) -> None:
    ring = b"\x80\x02c__torch__\nA\n)\x81q\x00}X\x01\x00\x00\x00ah\x00sb."
    with pytest.raises(ValueError, match="within themselves"):
        read_archive(rewritten(archive, tmp_path / "a.pt", {"/data.pkl": ring}))


class _Hiding(nn.Module):
    """A module that changes its weights by tensors which no state dict names."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        if kind == "list":
            self.deltas = [torch.ones(2)]
        elif kind == "dictionary":
            self.deltas = {"fc": torch.ones(2)}
        else:
            self.deltas = (1, [torch.ones(2)])

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["list", "dictionary", "list in a tuple"])
def test_tensors_without_names_are_refused(tmp_path: Path, kind: str) -> None:
    path = scripted(tmp_path / "model.pt", _Hiding(kind))
    assert len(torch.jit.load(str(path)).state_dict()) == 2  # torch names only the layer's own
    with pytest.raises(ValueError, match="deltas is a list or dictionary with tensors in it"):
        read_archive(path)
