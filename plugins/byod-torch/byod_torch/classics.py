"""Nets that neither torchvision nor timm has: LeNet, and the contracting halves of U-Net and of a small one."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import nn


def _convolution(inside: int, outside: int, kernel: int, padding: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(inside, outside, kernel, padding=padding)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class LeNet(nn.Sequential):
    """LeNet-5 up to its classifier: float32 [N, 3, height, width] to [N, 84, h, w], at least 32 px.

    As published (LeCun and others, Proceedings of the IEEE 86(11), 1998, figure 2), but for three colours, with
    rectified units and maxima instead of tanh and averages. What were fully connected layers are convolutions, which
    is the same at 32 px and lets larger pictures in.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["c1"], layers["r1"], layers["s2"] = _convolution(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)
        layers["c3"], layers["r3"], layers["s4"] = _convolution(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        layers["c5"], layers["r5"] = _convolution(16, 120, 5), nn.ReLU()
        layers["f6"], layers["r6"] = _convolution(120, 84, 1), nn.ReLU()
        super().__init__(layers)


class DoubleConvolution(nn.Sequential):
    """Two 3x3 convolutions, each with batch norm and rectified units; height and width stay."""

    def __init__(self, inside: int, outside: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inside, outside):
            layers += [
                _convolution(channels, outside, 3, padding=1),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
        super().__init__(*layers)


class UNetEncoder(nn.Sequential):
    """The contracting path of U-Net: float32 [N, 3, height, width] to [N, 1024, height / 16, width / 16].

    Five double convolutions of 64 to 1024 maps with maxima of 2x2 between them (https://arxiv.org/abs/1505.04597,
    figure 1), padded and with batch norm, as most implementations have it. The expanding path draws masks, which a
    class has no need of.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        widths = (3, 64, 128, 256, 512, 1024)
        for depth, (inside, outside) in enumerate(pairwise(widths)):
            if depth:
                layers[f"pool{depth}"] = nn.MaxPool2d(2)
            layers[f"down{depth}"] = DoubleConvolution(inside, outside)
        super().__init__(layers)


class UNetLite(nn.Sequential):
    """A small contracting path: float32 [N, 3, height, width] to [N, 128, height / 16, width / 16].

    Four pairs of 3x3 convolutions with batch norm, of 16 to 128 maps; the first of each pair takes every second pixel.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for depth, (inside, outside) in enumerate(pairwise((3, 16, 32, 64, 128))):
            down = DoubleConvolution(inside, outside)
            down[0].stride = (2, 2)
            layers[f"down{depth}"] = down
        super().__init__(layers)


CLASSICS: dict[str, type[nn.Module]] = {"lenet": LeNet, "unet": UNetEncoder, "unet_lite": UNetLite}
