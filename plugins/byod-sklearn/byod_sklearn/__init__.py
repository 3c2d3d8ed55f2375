"""byod's probe: features of a frozen body, or a hand-made descriptor, and logistic regression; seconds on a CPU."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byod.modelcard import Resize
from byod.records import Task
from byod.trainers import Run, Trained, TrainingData

if TYPE_CHECKING:
    from byod_sklearn.features import Memory

__all__ = ["Options", "Sklearn"]


class Options(BaseModel):
    """What `--set KEY=VALUE` may change; names and meanings are those of the other trainers where they have them."""

    model_config = ConfigDict(extra="forbid")

    arch: str = Field("resnet18", description="name of the body in torchvision, or else in timm")
    features: Literal["auto", "body", "descriptor"] = Field(
        "auto",
        description="what stands before the regression: a frozen body, the hand-made descriptor, or (auto) "
        "the body where its weights can be had",
    )
    size: int | None = Field(
        None, ge=32, le=1024, description="side of the input in pixels (160; for the descriptor 128)"
    )
    resize: Resize = Field(Resize.SQUISH, description="squish, crop or pad")
    C: float | None = Field(
        None, gt=0, le=1e6, description="inverse strength of the regularisation; left out, it is chosen"
    )
    from_scratch: bool = Field(False, description="no pretrained body: the hand-made descriptor")
    weights: Path | None = Field(None, description="the body's weights: a .pth state dict or .safetensors")
    normalise: Literal["none", "imagenet"] | None = Field(
        None, description="what the body expects at its input; for --weights, else known"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Options:
        if self.weights and (self.from_scratch or self.features == "descriptor"):
            raise ValueError("weights belong to a body; from_scratch and features=descriptor use none")
        if self.from_scratch and self.features == "body":
            raise ValueError(
                "a body from scratch has learned nothing yet; leave from_scratch or features=body out"
            )
        return self


class Sklearn:
    """Logistic regression on features that were not trained on these pictures.

    One instance remembers the features of every picture it has seen, so that a cross-validation computes them once.
    """

    name: ClassVar[str] = "sklearn"
    tasks: ClassVar[tuple[Task, ...]] = (Task.CLASSIFY,)
    resumes: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self) -> None:
        self._memory: Memory | None = None

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
        from byod_sklearn.features import Memory
        from byod_sklearn.recipe import train

        self._memory = self._memory or Memory()
        return train(data, options, run, self._memory)
