"""Every net this trainer knows, as a table: Keras is not needed to read it.

Keras publishes its nets and their ImageNet weights under Apache-2.0 (https://keras.io/api/applications/); byod's own
nets have no weights but those you train.
"""

from __future__ import annotations

import difflib

from pydantic import Field

from byod.plugin import Architecture, TrainerError

OWN = "byod"
APPLICATIONS = "keras.applications"


class KerasNet(Architecture):
    """One net of the table, and what it expects of RGB 0..1.

    `scaling` is "none", "255" (times 255), "signed" (-1..1), "imagenet" (mean and deviation) or "caffe" (BGR, 0..255,
    minus mean).
    """

    scaling: str = Field(exclude=True)


def _own(name: str, parameters: float, size: int, year: int, note: str, scaling: str = "none") -> KerasNet:
    return KerasNet(
        name=name, resolves_to=name, parameters=parameters, size=size, licence="no weights", source=OWN,
        year=year, note=note, scaling=scaling, weights="none",
    )  # fmt: skip


def _nets(scaling: str, year: int, note: str, *nets: tuple[str, float, int]) -> tuple[KerasNet, ...]:
    return tuple(
        KerasNet(
            name=name, resolves_to=name, parameters=million, size=size, licence=_APACHE, source=APPLICATIONS,
            year=year, note=note, scaling=scaling, weights="storage.googleapis.com",
        )
        for name, million, size in nets
    )  # fmt: skip


_APACHE = "Apache-2.0 (learned from ImageNet)"

ALL: tuple[KerasNet, ...] = (
    _own("small", 0.85, 96, 2026, "byod's own: residual; from scratch in half a minute on a CPU"),
    _own("lenet", 0.15, 32, 1998, "LeNet-5 for colour pictures; trains in seconds"),
    _own("squeezenet1_1", 1.24, 128, 2016, "small and without batch norm", "imagenet"),
    *_nets("caffe", 2014, "3x3 convolutions in a row; slow on a CPU",
        ("VGG16", 138.36, 224), ("VGG19", 143.67, 224)),
    *_nets("caffe", 2015, "shortcuts around every three layers",
        ("ResNet50", 25.64, 224), ("ResNet101", 44.71, 224), ("ResNet152", 60.42, 224)),
    *_nets("signed", 2015, "Inception with factorised kernels; at least 75 px", ("InceptionV3", 23.85, 299)),
    *_nets("signed", 2016, "ResNet with the norm before the convolution",
        ("ResNet50V2", 25.61, 224), ("ResNet101V2", 44.68, 224), ("ResNet152V2", 60.38, 224)),
    *_nets("signed", 2016, "Inception with shortcuts; at least 75 px", ("InceptionResNetV2", 55.87, 299)),
    *_nets("signed", 2016, "separable convolutions; at least 71 px", ("Xception", 22.91, 299)),
    *_nets("imagenet", 2016, "every layer sees all earlier ones",
        ("DenseNet121", 8.06, 224), ("DenseNet169", 14.31, 224), ("DenseNet201", 20.24, 224)),
    *_nets("signed", 2017, "MobileNet v1", ("MobileNet", 4.25, 224)),
    *_nets("signed", 2017, "cells found by a search; NASNetMobile not on torch",
        ("NASNetMobile", 5.33, 224), ("NASNetLarge", 88.95, 331)),
    *_nets("signed", 2018, "MobileNet v2: inverted residuals", ("MobileNetV2", 3.54, 224)),
    *_nets("255", 2019, "MobileNet v3", ("MobileNetV3Small", 2.55, 224), ("MobileNetV3Large", 5.51, 224)),
    *_nets("255", 2019, "depth, width and size grown together",
        ("EfficientNetB0", 5.33, 224), ("EfficientNetB1", 7.86, 240), ("EfficientNetB2", 9.18, 260),
        ("EfficientNetB3", 12.32, 300), ("EfficientNetB4", 19.47, 380), ("EfficientNetB5", 30.56, 456),
        ("EfficientNetB6", 43.27, 528), ("EfficientNetB7", 66.66, 600)),
    *_nets("255", 2021, "EfficientNet that trains faster",
        ("EfficientNetV2B0", 7.2, 224), ("EfficientNetV2B1", 8.21, 240), ("EfficientNetV2B2", 10.18, 260),
        ("EfficientNetV2B3", 14.47, 300), ("EfficientNetV2S", 21.61, 384), ("EfficientNetV2M", 54.43, 480),
        ("EfficientNetV2L", 119.03, 480)),
    *_nets("255", 2022, "convolutions arranged like a transformer",
        ("ConvNeXtTiny", 28.59, 224), ("ConvNeXtSmall", 50.22, 224), ("ConvNeXtBase", 88.59, 224),
        ("ConvNeXtLarge", 197.77, 224), ("ConvNeXtXLarge", 350.2, 224)),
)  # fmt: skip


def find(name: str) -> KerasNet:
    """The net of that name; case, `_` and `-` do not matter ("mobilenet_v2" is MobileNetV2).

    Raises:
        TrainerError: there is none; the line names similar ones.
    """
    known = {_plain(entry.name): entry for entry in ALL}
    found = known.get(_plain(name))
    if found is None:
        close = difflib.get_close_matches(_plain(name), known, n=3)
        similar = ", ".join(known[each].name for each in close) or "small, MobileNetV2, EfficientNetB0"
        raise TrainerError(
            f"Keras has no architecture {name!r} (similar: {similar}); byod plugins --architectures lists all"
        )
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
