"""The nearest mean: a picture belongs to the class whose average colours are most like its own."""

import numpy as np
from onnx import TensorProto, __version__, helper, numpy_helper, save
from pydantic import BaseModel, ConfigDict, Field

from byod.plugin import InputRule, Run, Task, Trained, TrainingData, as_input


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(64, ge=8, le=128, multiple_of=8, description="side of the input in pixels")


class Nearest:
    name, tasks, resumes, Options = "nearest", (Task.CLASSIFY,), False, Options

    def doctor(self) -> list[str]:
        return []  # nothing is needed but what pyproject.toml names

    def train(self, data: TrainingData, options: Options, run: Run) -> Trained:
        side, rule = options.size, InputRule(width=options.size, height=options.size)

        def seen(examples):  # average colours of 8 x 8 pixels, [N, features], and the numbers of the classes
            numbers = np.array([data.classes.index(example.label) for example in examples])
            return colours(as_input(run.pixels(examples, rule).all())), numbers

        (features, truth), valid = seen(data.train), seen(data.valid)
        means = np.stack([features[truth == number].mean(axis=0) for number in range(len(data.classes))])
        apart = features - means[truth]  # what differs within a class counts less
        spread = apart.T @ apart / len(apart) + 0.01 * np.eye(means.shape[1], dtype=np.float32)
        weights = np.linalg.solve(spread, means.T)
        bias = -(means * weights.T).sum(axis=1) / 2
        epoch = {"epoch": 0, "seconds": 0.0}
        for part, (colour, right) in {"train": (features, truth), "valid": valid}.items():
            logits = colour @ weights + bias
            behind = logits - logits[range(len(right)), right][:, None]
            epoch[f"{part}_loss"] = float(np.logaddexp.reduce(behind, axis=1).mean())
            epoch["accuracy"] = float((behind <= 0).all(axis=1).mean())
        run.log(epoch)
        steps = [helper.make_node("AveragePool", ["image"], ["fields"], kernel_shape=[8, 8], strides=[8, 8])]
        steps += [helper.make_node("Flatten", ["fields"], ["colours"])]
        steps += [helper.make_node("Gemm", ["colours", "weights", "bias"], ["logits"])]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, side, side])
        answer = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(data.classes)])
        tensors = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")]
        graph = helper.make_graph(steps, "nearest", [image], [answer], tensors)
        file = run.folder / "logits.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
        own = {"arch": "nearest", "device": "cpu", "pretrained": "scratch", "versions": {"onnx": __version__}}
        return Trained(file, rule, lambda x: colours(x) @ weights + bias, parameters=means.size, **own)


def colours(images):  # [N, 3, side, side] to [N, features]
    fields = images.reshape(len(images), 3, images.shape[2] // 8, 8, -1, 8)
    return fields.mean(axis=(3, 5)).reshape(len(images), -1)
