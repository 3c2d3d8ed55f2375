"""byod's probe: features of a frozen body, or a hand-made descriptor, and logistic regression; seconds on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import ClassVar

from pydantic import BaseModel

from byod.plugin import Example, Floats, Run, Task, Trained, TrainingData
from byod_sklearn import features
from byod_sklearn.options import Options

__all__ = ["Options", "Sklearn"]


class Sklearn:
    """Logistic regression on features that were not trained on these pictures, each computed once (byod's cache)."""

    name: ClassVar[str] = "sklearn"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    resumes: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    def doctor(self) -> list[str]:
        """Packages that are missing; imports none of them."""
        lines = [
            f"{package} is missing; from a clone of byod: uv pip install -e plugins/byod-sklearn"
            for package, module in (("scikit-learn", "sklearn"), ("onnx", "onnx"))
            if find_spec(module) is None
        ]
        if find_spec("byod_torch") is None:
            lines.append(
                "without byod-torch only the hand-made descriptor is there, no frozen body; "
                "from a clone of byod: uv pip install -e plugins/byod-torch"
            )
        return lines

    def beginning(self, options: Options) -> str:
        """The features that a training begins with."""
        return features.identity(options)

    def answer(
        self, data: TrainingData, options: Options, run: Run, pictures: Sequence[Example]
    ) -> tuple[Floats, str]:
        """Fit the regression on `data.train`, and say of other pictures what it makes of their features."""
        from byod_sklearn.train import answer

        return answer(data, options, run, pictures)

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Compute the features, fit the regression on `data.train`, and export both as one file.

        Raises:
            TrainerError: the body is unknown or does not fit its weights, or a package is missing.
        """
        from byod_sklearn.train import train

        return train(data, options, run)
