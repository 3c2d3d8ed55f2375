"""The nets by their common names: what each name stands for, how large it is, and whose weights it can begin with.

Nothing heavy is imported here. Every other name of torchvision
(https://docs.pytorch.org/vision/stable/models.html) or timm (https://huggingface.co/docs/timm/models) works as well.
"""

from __future__ import annotations

from byod.plugin import Architecture
from byod_torch import packaged_weights

OWN = "byod"
TORCHVISION = "torchvision"
TIMM = "timm"

_IMAGENET = "BSD-3-Clause (learned from ImageNet)"
_APACHE = "Apache-2.0 (learned from ImageNet)"
_NONE = "no weights"
_HUBS = {TORCHVISION: "download.pytorch.org", TIMM: "huggingface.co", OWN: "none"}
"""Where the weights come from: who is asked for them when a net is first used."""


def _row(
    name: str,
    parameters: float,
    year: int,
    note: str,
    *,
    to: str = "",
    source: str = TORCHVISION,
    size: int = 224,
    licence: str = "",
    weights: str = "",
) -> Architecture:
    default = {TORCHVISION: _IMAGENET, TIMM: _APACHE, OWN: _NONE}[source]
    return Architecture(
        name=name,
        resolves_to=to or name,
        parameters=parameters,
        size=size,
        licence=licence or default,
        source=source,
        year=year,
        note=note,
        weights=weights or _HUBS[source],
    )


TABLE: tuple[Architecture, ...] = (
    _row("lenet", 0.15, 1998, "LeNet-5 for colour pictures; trains in seconds", source=OWN, size=32),
    _row("alexnet", 61.1, 2012, "the net that began it; large kernels, no batch norm"),
    _row("vgg16", 138.36, 2014, "thirteen 3x3 convolutions in a row; slow on a CPU"),
    _row("vgg16_bn", 138.37, 2014, "VGG16 with batch norm"),
    _row("googlenet", 6.62, 2014, "Inception v1: kernels of several sizes side by side"),
    _row("inception_v3", 23.83, 2015, "Inception with factorised kernels; at least 75 px", size=299),
    _row("inception_v4", 42.68, 2016, "the largest plain Inception; at least 75 px", source=TIMM, size=299),
    _row("resnet18", 11.69, 2015, "shortcuts around every two layers; the default from scratch"),
    _row("resnet34", 21.8, 2015, "twice as deep as resnet18"),
    _row("resnet50", 25.56, 2015, "the usual yardstick on a GPU"),
    _row("resnet101", 44.55, 2015, "twice as deep as resnet50"),
    _row("densenet121", 7.98, 2016, "every layer sees all earlier ones"),
    _row("unet", 19.88, 2015, "the contracting half of U-Net with a classifier", source=OWN, size=572),
    _row("unet_lite", 0.42, 2015, "a small U-Net for points, from random weights", source=OWN, size=128),
    _row("squeezenet", 1.24, 2016, "small and without batch norm", to="squeezenet1_1"),
    _row("squeezenet1_0", 1.25, 2016, "its first version, slower"),
    _row("mobilenet", 4.23, 2017, "MobileNet v1", to="mobilenetv1_100", source=TIMM),
    _row("mobilenet_v2", 3.5, 2018, "MobileNet v2: inverted residuals"),
    _row("mobilenet_v3_small", 2.54, 2019, "MobileNet v3 for slow machines"),
    _row("mobilenet_v3_large", 5.48, 2019, "MobileNet v3"),
    _row("mobilenet_v4", 3.77, 2024, "MobileNet v4, small", to="mobilenetv4_conv_small", source=TIMM),
    _row("tf_efficientnet_lite0", 4.65, 2020, "the default: made for CPUs, its weights are installed", source=TIMM,
         weights=f"{packaged_weights.SOURCE} (installed)"),
    _row("efficientnet_b0", 5.29, 2019, "depth, width and size grown together"),
    _row("shufflenet_v2_x1_0", 2.28, 2018, "made for phones"),
    _row("lcnet_050", 1.88, 2021, "made for CPUs", source=TIMM),
    _row("resnet10t", 5.44, 2022, "a shallow ResNet with a better stem", source=TIMM, size=176),
    _row("efficientvit_b0", 3.41, 2022, "attention at the cost of convolutions", source=TIMM),
    _row("repvit_m0_9", 5.49, 2023, "a MobileNet rebuilt like a transformer", source=TIMM),
    _row("edgenext_xx_small", 1.33, 2022, "convolutions and attention mixed", source=TIMM, size=256,
         licence="MIT (learned from ImageNet)"),
    _row("convnext_tiny", 28.59, 2022, "a ResNet modernised after the transformers"),
    _row("convnextv2_atto", 3.71, 2023, "the smallest ConvNeXt v2", source=TIMM,
         licence="CC-BY-NC-4.0: no commercial use"),
    _row("swin_t", 28.29, 2021, "attention in shifted windows"),
    _row("vit_tiny_patch16_224", 5.72, 2020, "a plain vision transformer; 224 px alone", source=TIMM),
    _row("vit_small_patch16_224", 22.05, 2020, "the next larger one; 224 px alone", source=TIMM),
)  # fmt: skip
"""Every net the introduction to the field names, and a choice of newer ones."""

ALIASES = {
    "lenet5": "lenet",
    "vgg": "vgg16",
    "inceptionv1": "googlenet",
    "inception": "inception_v3",
    "resnet": "resnet18",
    "densenet": "densenet121",
    "lite0": "tf_efficientnet_lite0",
    "mobilenetv1": "mobilenetv1_100",
    "mobilenetv3": "mobilenet_v3_small",
    "mobilenetv4": "mobilenetv4_conv_small",
}
"""Further spellings, without hyphens, points and underscores."""


def _squeezed(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in "-_. ")


_RESOLVED = {**ALIASES, **{_squeezed(each.name): each.resolves_to for each in TABLE}}


def resolve(name: str) -> str:
    """The name in torchvision, timm or byod that a common name stands for; a name not in the table stays itself.

    Capitals, hyphens and underscores do not matter for the names in the table: "U-Net" is unet, "ResNet50" resnet50.
    """
    return _RESOLVED.get(_squeezed(name), name.strip())
