"""byod's probe: features of a frozen body, or a hand-made descriptor, and logistic regression; seconds on a CPU."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from byod.plugin import Run, Task, Trained, TrainingData
from byod_sklearn.options import Options

if TYPE_CHECKING:
    from byod_sklearn.features import FeatureCache

__all__ = ["Options", "Sklearn"]


class Sklearn:
    """Logistic regression on features that were not trained on these pictures.

    One instance remembers the features of every picture it has seen, so that a cross-validation computes them once.
    """

    name: ClassVar[str] = "sklearn"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    resumes: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self) -> None:
        self._memory: FeatureCache | None = None

    def doctor(self) -> list[str]:
        """Packages that are missing; imports none of them."""
        lines = [
            f"{package} is missing; from a clone of byod: uv pip install -e plugins/byod-sklearn"
            for package, module in (("scikit-learn", "sklearn"), ("onnx", "onnx"), ("cleanlab", "cleanlab"))
            if find_spec(module) is None
        ]
        if find_spec("byod_torch") is None:
            lines.append(
                "without byod-torch only the hand-made descriptor is there, no frozen body; "
                "from a clone of byod: uv pip install -e plugins/byod-torch"
            )
        return lines

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        """Compute the features, fit the regression on `data.train`, and export both as one file.

        Raises:
            TrainerError: the body is unknown or does not fit its weights, or a package is missing.
        """
        from byod_sklearn.features import FeatureCache
        from byod_sklearn.train import train

        self._memory = self._memory or FeatureCache()
        return train(data, options, run, self._memory)
