"""Nets as Keras graphs: a body, and a head that gives one number a class; normalisation is their first layer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError

import numpy as np

from byod.plugin import TrainerError
from byod_keras import weights
from byod_keras.architectures import APPLICATIONS, KerasNet, find
from byod_keras.backends import load
from byod_keras.weights import Start

keras = load()

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB 0..1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # ImageNet's, of BGR 0..255
DROPOUT = 0.2


@dataclass(frozen=True)
class Net:
    """A net ready to train: RGB 0..1 [N, height, width, 3] in, logits [N, classes] out; `body` is a part of `model`."""

    model: Any
    body: Any
    arch: KerasNet
    pretrained: str


def net(start: Start, size: int, classes: int, *, filled: bool = True) -> Net:
    """Build the net and give it the weights to start from (not `filled`: the same net with random ones).

    Raises:
        TrainerError: it cannot take pictures of this size, or its weights do not fit or cannot be had.
    """
    arch = find(start.arch)
    body = _body(arch, size, imagenet=start.imagenet and filled)
    if start.file is not None and filled:
        weights.fill(body, start.file, arch.name)
    image = keras.Input((size, size, 3), name="image")
    normalised = _normalised(image, start.normalise or arch.scaling)
    # with weights of others their batch norms stay as they are, as https://keras.io/guides/transfer_learning/ advises
    features = body(normalised, training=False) if start.pretrained else body(normalised)
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    if start.pretrained:
        features = keras.layers.BatchNormalization(momentum=0.9, name="head_norm")(features)
        features = keras.layers.Dropout(DROPOUT, name="drop")(features)
    logits = keras.layers.Dense(classes, name="logits", dtype="float32")(features)
    name = start.file.name if start.file else "imagenet" if start.imagenet else "scratch"
    return Net(keras.Model(image, logits, name="net"), body, arch, name)


def _body(arch: KerasNet, size: int, *, imagenet: bool) -> Any:
    own = {"small": _small, "lenet": _lenet, "squeezenet1_1": _squeezenet}
    if arch.source != APPLICATIONS:
        image = keras.Input((size, size, 3))
        return keras.Model(image, own[arch.name](image), name="body")
    make = getattr(keras.applications, arch.name)
    try:
        with _reachable(arch):
            return make(
                include_top=False, weights="imagenet" if imagenet else None, input_shape=(size, size, 3)
            )
    except ValueError as error:
        raise TrainerError(f"{arch.name} at {size} px: {_first_line(error)}") from error


@contextmanager
def _reachable(arch: KerasNet) -> Iterator[None]:
    """A download waits no longer than 20 seconds for an answer, and one that fails is one line."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        yield
    except Exception as error:
        # Keras raises a bare Exception of its own when a download fails (keras.utils.get_file)
        if isinstance(error, OSError) or isinstance(error.__context__, URLError):
            raise TrainerError(
                f"the ImageNet weights of {arch.name} cannot be downloaded ({_first_line(error)[:120]}); give a file "
                "with --weights FILE, or train --from-scratch"
            ) from error
        raise
    finally:
        socket.setdefaulttimeout(before)


def _normalised(image: Any, scaling: str) -> Any:
    """The input that a body's weights expect, made of RGB 0..1."""
    rescale = keras.layers.Rescaling
    if scaling == "255":
        return rescale(255.0, name="normalise")(image)
    if scaling == "signed":
        return rescale(2.0, offset=-1.0, name="normalise")(image)
    if scaling == "imagenet":
        variance = [d * d for d in DEVIATION]
        return keras.layers.Normalization(axis=-1, mean=MEAN, variance=variance, name="normalise")(image)
    if scaling == "caffe":
        # a layer that can be written as ONNX everywhere: a 1 x 1 convolution turns RGB into BGR and subtracts the mean
        swap = keras.layers.Conv2D(3, 1, trainable=False, name="normalise")
        swapped = swap(image)
        swap.set_weights([255 * np.eye(3, dtype=np.float32)[::-1].reshape(1, 1, 3, 3), -np.array(CAFFE_MEAN)])
        return swapped
    return image


def _small(image: Any) -> Any:
    """A small residual net: 32, 64, 128, 256 features, halving the picture each time; 0.6 million parameters."""
    layers = keras.layers

    def convolved(x: Any, features: int, name: str, stride: int = 1) -> Any:
        x = layers.Conv2D(
            features, 3, strides=stride, padding="same", use_bias=False,
            kernel_initializer="he_normal", name=f"{name}_conv",
        )(x)  # fmt: skip
        return layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)

    x = layers.ReLU(name="stem_relu")(convolved(image, 32, "stem", 2))
    for features in (32, 64, 128, 256):
        name = f"f{features}"
        x = layers.ReLU(name=f"{name}_in_relu")(convolved(x, features, f"{name}_in"))
        inner = convolved(x, features, f"{name}_inner") if features < 256 else None
        if inner is not None:
            x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, inner]))
            x = layers.MaxPooling2D(2, padding="same", name=f"{name}_pool")(x)
    return x


def _lenet(image: Any) -> Any:
    """LeNet-5's layers (LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), for colour."""
    layers = keras.layers
    x = layers.Conv2D(6, 5, activation="tanh", name="c1")(image)
    x = layers.AveragePooling2D(2, name="s2")(x)
    x = layers.Conv2D(16, 5, activation="tanh", name="c3")(x)
    x = layers.AveragePooling2D(2, name="s4")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(120, activation="tanh", name="c5")(x)
    return layers.Dense(84, activation="tanh", name="f6")(x)


FIRES = (
    (3, 16, 64),
    (4, 16, 64),
    (6, 32, 128),
    (7, 32, 128),
    (9, 48, 192),
    (10, 48, 192),
    (11, 64, 256),
    (12, 64, 256),
)
"""SqueezeNet 1.1's fire modules: place, squeezed and expanded features (https://arxiv.org/abs/1602.07360)."""


def _squeezenet(image: Any) -> Any:
    """SqueezeNet 1.1; layers are named as torchvision's tensors, with _ for a dot, so that those fit."""
    layers = keras.layers

    def pooled(x: Any, name: str) -> Any:
        return layers.MaxPooling2D(3, 2, padding="same" if _odd_rest(x) else "valid", name=name)(x)

    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="features_0")(image)
    x = pooled(x, "pool_2")
    for place, squeezed, expanded in FIRES:
        name = f"features_{place}"
        x = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze")(x)
        one = layers.Conv2D(expanded, 1, activation="relu", name=f"{name}_expand1x1")(x)
        three = layers.Conv2D(expanded, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
        x = layers.Concatenate(name=f"{name}_both")([one, three])
        if place in (4, 7):
            x = pooled(x, f"pool_{place + 1}")
    return x


def _odd_rest(x: Any) -> bool:
    """True if torchvision's pooling (ceil_mode) takes one step more than Keras's, over the edge."""
    return bool((x.shape[1] - 3) % 2)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:200]
