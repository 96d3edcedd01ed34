"""Where the classifiers of torchvision keep their stem, stages, blocks and pooled output, a function an architecture.

The stem gives what the first block is given. A stage ends where the next one begins to shrink the map, or where
torchvision has it as one module. The projection is what the classifier is given: what the model's own pooling gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn
from torchvision.models import convnext, densenet, efficientnet, mobilenetv2, mobilenetv3, squeezenet

from alignbench.models.module_outputs import Tap
from alignbench.models.module_plan import ModulePlan
from alignbench.models.towers import Axes

_HIDDEN: Final = "second hidden layer of the classifier, before its ReLU"
_CLASS_TOKEN: Final = "class token after the last norm, which the classifier is given"


def _children(model: nn.Module, *paths: str) -> tuple[str, ...]:
    return tuple(f"{path}.{name}" for path in paths for name, _ in model.get_submodule(path).named_children())


def _of_kind(model: nn.Module, path: str, kind: type[nn.Module]) -> tuple[str, ...]:
    within = model.get_submodule(path)
    return tuple(f"{path}.{name}" for name, module in within.named_children() if isinstance(module, kind))


def _convolutions(model: Any) -> ModulePlan:
    """AlexNet and VGG: a block is a convolution with all that follows it before the next one."""
    features = list(model.features)
    starts = [number for number, module in enumerate(features) if isinstance(module, nn.Conv2d)]
    ends = [number - 1 for number in (*starts[1:], len(features))]
    blocks = tuple(f"features.{number}" for number in ends)
    pooled = tuple(f"features.{number}" for number in ends if isinstance(features[number], nn.MaxPool2d))
    hidden, projection, _ = _of_kind(model, "classifier", nn.Linear)
    stages = blocks if type(model).__name__ == "AlexNet" else pooled
    return ModulePlan(blocks, stages, "", Tap(projection), _HIDDEN, (hidden,))


def _resnet(model: nn.Module) -> ModulePlan:
    stages = ("layer1", "layer2", "layer3", "layer4")
    return ModulePlan(_children(model, *stages), stages, "maxpool", Tap("fc", is_input=True))


def _convnext(model: nn.Module) -> ModulePlan:
    return _staged(model, convnext.CNBlock, Tap("classifier", is_input=True))


def _swin(model: nn.Module) -> ModulePlan:
    from torchvision.models.swin_transformer import SwinTransformerBlock

    return _staged(model, SwinTransformerBlock, Tap("head", is_input=True), "BHWC")


def _staged(model: nn.Module, kind: type[nn.Module], projection: Tap, maps: Axes = "BCHW") -> ModulePlan:
    """Stages and what shrinks the map between them are children of `features`, after the stem."""
    stages = tuple(path for path in _children(model, "features") if _of_kind(model, path, kind))
    return ModulePlan(_children(model, *stages), stages, "features.0", projection, maps=maps)


def _efficientnet(model: nn.Module) -> ModulePlan:
    kinds = (efficientnet.MBConv, efficientnet.FusedMBConv)
    stages = tuple(path for path in _children(model, "features") if any(_of_kind(model, path, kind) for kind in kinds))
    return ModulePlan(_children(model, *stages), stages, "features.0", Tap("classifier", is_input=True))


def _densenet(model: nn.Module) -> ModulePlan:
    stages = _of_kind(model, "features", densenet._DenseBlock)
    return ModulePlan(_children(model, *stages), stages, "features.pool0", Tap("classifier", is_input=True))


def _inception(*stages: tuple[str, ...]) -> Callable[[nn.Module], ModulePlan]:
    blocks, ends = tuple(name for stage in stages for name in stage), tuple(stage[-1] for stage in stages)
    return lambda model: ModulePlan(blocks, ends, "maxpool2", Tap("fc", is_input=True))


def _maxvit(model: nn.Module) -> ModulePlan:
    stages = _children(model, "blocks")
    layers = _children(model, *(f"{stage}.layers" for stage in stages))
    return ModulePlan(layers, stages, "stem", Tap("classifier.2", is_input=True))  # its own pooling is before that


def _mnasnet(model: nn.Module) -> ModulePlan:
    stages = _of_kind(model, "layers", nn.Sequential)
    stem = f"layers.{int(stages[0].rpartition('.')[2]) - 1}"
    return ModulePlan(_children(model, *stages), stages, stem, Tap("classifier", is_input=True))


def _mobilenet(kind: type[nn.Module]) -> Callable[[nn.Module], ModulePlan]:
    """Its blocks stand in one row: a stage ends before the next block that shrinks the map."""

    def anatomy(model: nn.Module) -> ModulePlan:
        blocks = _of_kind(model, "features", kind)
        shrinking = [max(each.stride) > 1 for each in map(_depthwise, map(model.get_submodule, blocks))]
        return ModulePlan(blocks, _ends(blocks, shrinking), "features.0", Tap("classifier", is_input=True))

    return anatomy


def _depthwise(block: nn.Module) -> Any:
    """The convolution of a block that may have a stride."""
    return next(each for each in block.modules() if isinstance(each, nn.Conv2d) and each.groups > 1)


def _ends(blocks: tuple[str, ...], shrinking: list[bool]) -> tuple[str, ...]:
    following = [*shrinking[1:], True]
    return tuple(block for block, shrinks in zip(blocks, following, strict=True) if shrinks)


def _regnet(model: nn.Module) -> ModulePlan:
    stages = _children(model, "trunk_output")
    return ModulePlan(_children(model, *stages), stages, "stem", Tap("fc", is_input=True))


def _shufflenet(model: nn.Module) -> ModulePlan:
    stages = ("stage2", "stage3", "stage4")
    return ModulePlan(_children(model, *stages), stages, "maxpool", Tap("fc", is_input=True))


def _squeezenet(model: Any) -> ModulePlan:
    """What it pools is its logits, so that it has no projection."""
    fires = _of_kind(model, "features", squeezenet.Fire)
    pools = _of_kind(model, "features", nn.MaxPool2d)
    before = {int(pool.rpartition(".")[2]) - 1 for pool in pools}
    stages = tuple(fire for fire in fires if int(fire.rpartition(".")[2]) in before or fire == fires[-1])
    return ModulePlan(fires, stages, pools[0], None, "")


def _vit(model: nn.Module) -> ModulePlan:
    blocks = _children(model, "encoder.layers")
    head = Tap("heads", is_input=True)
    return ModulePlan(blocks, (), "encoder.dropout", head, _CLASS_TOKEN, class_token=True)


_ANATOMIES: Final[Mapping[str, Callable[[nn.Module], ModulePlan]]] = {
    "AlexNet": _convolutions,
    "VGG": _convolutions,
    "ResNet": _resnet,
    "ConvNeXt": _convnext,
    "DenseNet": _densenet,
    "EfficientNet": _efficientnet,
    "GoogLeNet": _inception(
        ("inception3a", "inception3b"),
        ("inception4a", "inception4b", "inception4c", "inception4d", "inception4e"),
        ("inception5a", "inception5b"),
    ),
    "Inception3": _inception(
        ("Mixed_5b", "Mixed_5c", "Mixed_5d"),
        ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
        ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    ),
    "MaxVit": _maxvit,
    "MNASNet": _mnasnet,
    "MobileNetV2": _mobilenet(mobilenetv2.InvertedResidual),
    "MobileNetV3": _mobilenet(mobilenetv3.InvertedResidual),
    "RegNet": _regnet,
    "ShuffleNetV2": _shufflenet,
    "SqueezeNet": _squeezenet,
    "SwinTransformer": _swin,
    "VisionTransformer": _vit,
}


ARCHITECTURES: Final = frozenset(_ANATOMIES)
"""Names of the classes of torchvision whose layers are known."""


def find_anatomy(model: nn.Module) -> ModulePlan | None:
    """Say where a classifier of torchvision keeps its modules; none of an architecture that is not known here."""
    find = _ANATOMIES.get(type(model).__name__)
    return None if find is None else find(model)
