"""The networks by name. Listing them imports no torch; building one does."""

from __future__ import annotations

import importlib.util
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nhot.errors import MissingToolError, NhotError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CATALOGUE", "NAMES", "Entry", "build", "entry"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A network of the catalogue.

    Parameters
    ----------
    factory : str
        The function that makes it, as ``package.module:function``.
    input_shape : (channels, height, width)
        Of a sample; a vector of features is (features, 1, 1).
    task : str
        What it is commonly used for.
    description : str
        What it is, in one line.
    source : str
        Where it was published.
    """

    factory: str
    input_shape: tuple[int, int, int]
    task: str
    description: str
    source: str

    def build(self, **options: Any) -> nn.Module:
        """The network with initial weights; ``options`` are those of the factory."""
        if importlib.util.find_spec("torch") is None:
            raise MissingToolError("Models need the package torch; run: pip install 'nhot[quant]'")
        model: nn.Module = pkgutil.resolve_name(self.factory)(**options)
        return model


CATALOGUE = {
    "digits": Entry(
        factory="nhot.experiments.models.digits:digits", input_shape=(1, 8, 8),
        task="digits of scikit-learn",
        description="three convolutions, one of them residual, for the smallest boards",
        source="our own",
    ),
    "resnet8": Entry(
        factory="nhot.experiments.models.resnet:resnet8", input_shape=(3, 32, 32),
        task="image classification (CIFAR-10)",
        description="residual network of MLPerf Tiny",
        source="arXiv 2106.07597",
    ),
    "resnet20": Entry(
        factory="nhot.experiments.models.resnet:resnet20", input_shape=(3, 32, 32),
        task="image classification (CIFAR-10)",
        description="residual network with three blocks a stage",
        source="arXiv 1512.03385",
    ),
    "resnet20-plum": Entry(
        factory="nhot.experiments.models.resnet_plum:resnet20_plum", input_shape=(3, 32, 32),
        task="image classification (CIFAR-10)",
        description="the same of the blocks that signed-binary was published with",
        source="arXiv 2312.01581",
    ),
    "resnet18": Entry(
        factory="nhot.experiments.models.resnet:resnet18", input_shape=(3, 224, 224),
        task="image classification (ImageNet)",
        description="residual network, with torchvision's parameter names",
        source="arXiv 1512.03385",
    ),
    "ds-cnn": Entry(
        factory="nhot.experiments.models.mobilenet:ds_cnn", input_shape=(1, 49, 10),
        task="keyword spotting (Speech Commands)",
        description="depthwise separable network of MLPerf Tiny",
        source="arXiv 2106.07597",
    ),
    "mobilenet-v1-0.25": Entry(
        factory="nhot.experiments.models.mobilenet:mobilenet_v1", input_shape=(3, 96, 96),
        task="person detection (Visual Wake Words)",
        description="MobileNet of a quarter of the width, of MLPerf Tiny",
        source="arXiv 1704.04861",
    ),
    "mobilenet-v1-0.25-32": Entry(
        factory="nhot.experiments.models.mobilenet:mobilenet_v1_32", input_shape=(3, 32, 32),
        task="image classification (CIFAR-10)",
        description="the same with a first layer that keeps the size of small images",
        source="arXiv 1704.04861",
    ),
    "autoencoder": Entry(
        factory="nhot.experiments.models.dense:autoencoder", input_shape=(640, 1, 1),
        task="anomaly detection (ToyADMOS)",
        description="ten dense layers of MLPerf Tiny",
        source="arXiv 2106.07597",
    ),
    "jet-mlp": Entry(
        factory="nhot.experiments.models.dense:jet_mlp", input_shape=(16, 1, 1),
        task="jet tagging (LHC)",
        description="four dense layers of hls4ml",
        source="arXiv 1804.06913",
    ),
    "mobilenet-v2": Entry(
        factory="nhot.experiments.models.mobilenet_v2:mobilenet_v2", input_shape=(3, 224, 224),
        task="image classification (ImageNet)",
        description="inverted residuals, with torchvision's parameter names",
        source="arXiv 1801.04381",
    ),
    "centernet": Entry(
        factory="nhot.experiments.models.centernet.network:centernet", input_shape=(3, 192, 256),
        task="object detection (blood cells)",
        description="objects as points, on half of a MobileNetV2",
        source="arXiv 1904.07850",
    ),
}
"""Every network that is built by name, at the size that it is commonly used at."""

NAMES = tuple(CATALOGUE)


def entry(name: str) -> Entry:
    """The entry of a name; an unknown one is refused with the list."""
    if name not in CATALOGUE:
        raise NhotError(f"Model must be one of {', '.join(NAMES)}, not {name!r}")
    return CATALOGUE[name]


def build(name: str, **options: Any) -> nn.Module:
    """The network ``name``, with initial weights from torch's random numbers.

    ``options`` are those of its factory, most often ``classes`` and ``width``.
    """
    return entry(name).build(**options)
