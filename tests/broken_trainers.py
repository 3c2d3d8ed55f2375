"""Trainers for the test of the contract: one that resumes, and others that break one rule each."""

import time
from typing import ClassVar

import numpy as np
import onnx
from colour_trainer import Colour, Options
from PIL import Image
from pydantic import BaseModel, ConfigDict

from byod.schema.errors import UsageError
from byod.schema.model_card import InputRule
from byod.training.protocol import Trained


class Patient(Colour):
    """Colour, its pictures from `run.pixels`, going on where it was killed; the methods are there to be broken."""

    name = "patient"
    resumes = True

    def train(self, data, options, run):
        rule = InputRule(width=options.size, height=options.size)
        (x, y), (vx, vy) = (self.means(part, data.classes, rule, run) for part in (data.train, data.valid))
        weights, first = self.begin(run, len(data.classes)), 0
        saved = run.resume()
        if saved:
            weights, first = self.go_on(saved, weights)
        for epoch in range(first, options.epochs):
            started = time.perf_counter()
            weights = self.step(weights, x, y)
            losses = [self.loss(weights, *part) for part in ((x, y), (vx, vy))]
            right = float((self.logits(weights, vx).argmax(axis=1) == vy).mean())
            run.log({"epoch": epoch, "train_loss": losses[0], "valid_loss": losses[1], "accuracy": right,
                     "seconds": time.perf_counter() - started})  # fmt: skip
            self.save(run, epoch + 1, weights)
        file = run.folder / "patient.onnx"
        onnx.save(self._graph(weights[:3], weights[3], rule), str(file))
        return Trained(
            onnx=file, input=rule, arch="mean-colour", device="cpu", pretrained="scratch",
            logits=lambda images: self.answer(weights, images), parameters=weights.size, versions={},
        )  # fmt: skip

    def means(self, examples, classes, rule, run):
        pictures = run.pixels(examples, rule).all().astype(np.float32) / 255
        return pictures.mean(axis=(1, 2)) - np.float32(0.5), np.array(
            [classes.index(e.label) for e in examples]
        )

    def begin(self, run, classes):
        return np.random.default_rng(run.seed).normal(0, 0.1, (4, classes)).astype(np.float32)

    def step(self, weights, x, y):
        weights = weights.copy()
        for _ in range(200):
            error = self._softmax(self.logits(weights, x)) - np.eye(weights.shape[1], dtype=np.float32)[y]
            weights[:3] -= 5 * x.T @ error / len(x)
            weights[3] -= 5 * error.mean(axis=0)
        return weights

    def logits(self, weights, x):
        return x @ weights[:3] + weights[3]

    def answer(self, weights, images):
        return self.logits(weights, images.mean(axis=(2, 3)) - np.float32(0.5))

    def loss(self, weights, x, y):
        return float(-np.log(self._softmax(self.logits(weights, x))[range(len(y)), y]).mean())

    def save(self, run, epochs, weights):
        run.save(epochs, {"weights": weights}, {})

    def go_on(self, saved, weights):
        return saved.tensors["weights"], saved.epochs


class Peeking(Patient):
    """Opens everything that lies beside the training pictures."""

    def begin(self, run, classes):
        for file in self.beside:
            self.look(file)
        return super().begin(run, classes)

    def means(self, examples, classes, rule, run):
        self.beside = sorted(examples[0].path.parent.glob("*.jpg"))
        return super().means(examples, classes, rule, run)

    def look(self, file):
        with Image.open(file) as picture:
            picture.load()


class Asking(Patient):
    """Asks the run for pictures that are not its own."""

    def means(self, examples, classes, rule, run):
        other = examples[0].path.with_name(f"{examples[0].label}-000.jpg")
        run.pixels([examples[0].model_copy(update={"path": other, "sha256": "f" * 64})], rule)
        return super().means(examples, classes, rule, run)


class Unseeded(Patient):
    """Begins somewhere else each time."""

    def begin(self, run, classes):
        return np.random.default_rng().normal(0, 0.1, (4, classes)).astype(np.float32)


class Unfaithful(Patient):
    """Hands over another model than it trained."""

    def answer(self, weights, images):
        return super().answer(weights, images) + np.float32(0.01)


class FaithfulToPicturesOnly(Patient):
    """Answers as its file does for what looks like a picture, and otherwise for noise."""

    def answer(self, weights, images):
        noise = np.abs(np.diff(images, axis=3)).mean(axis=(1, 2, 3)) > 0.3
        return super().answer(weights, images) + noise[:, None].astype(np.float32)


class Fixed(Patient):
    """Exports a graph for one picture at a time."""

    def _graph(self, weights, bias, rule):
        model = Colour._graph(weights, bias, rule)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        return model


class Guessing(Patient):
    """Learns nothing."""

    def step(self, weights, x, y):
        return weights


class Loose(BaseModel):
    model_config = ConfigDict(extra="ignore")
    epochs: int = 3
    size: int = 16


class Lenient(Patient):
    """Its Options let anything pass."""

    Options: ClassVar[type[BaseModel]] = Loose


class Careless(Patient):
    """Checks its options itself, and lets unknown ones pass."""

    def check(self, given):
        return Options.model_validate({k: v for k, v in given.items() if k in Options.model_fields})


class Silent(Patient):
    """Refuses an unknown option without a word on those there are."""

    def check(self, given):
        if set(given) - set(Options.model_fields):
            raise UsageError("no such option")
        return Options.model_validate(given)


class Squeamish(Patient):
    """Opens pictures itself, and wants three colours."""

    def means(self, examples, classes, rule, run):
        for example in examples:
            with Image.open(example.path) as picture:
                _, _, _ = np.asarray(picture)[0, 0]
        return super().means(examples, classes, rule, run)


class Forgetful(Patient):
    """Knows how far it was, and not what it had learned, unless it had learned all."""

    def go_on(self, saved, weights):
        return saved.tensors["weights"] if saved.epochs == 6 else weights, saved.epochs


class Empty(Patient):
    """Exports an untrained model when it was killed after its last epoch."""

    def go_on(self, saved, weights):
        return weights if saved.epochs == 6 else saved.tensors["weights"], saved.epochs


class Twice(Patient):
    """Begins again with the epoch it had finished."""

    def go_on(self, saved, weights):
        return saved.tensors["weights"], saved.epochs - 1


class Skipping(Patient):
    """Leaves an epoch out."""

    def go_on(self, saved, weights):
        return saved.tensors["weights"], saved.epochs + 1


class Unsaving(Patient):
    """Says that it resumes, and saves nothing."""

    def save(self, run, epochs, weights):
        pass


class Stumbling(Patient):
    """Does not resume, and falls over what a killed training left behind."""

    resumes = False

    def begin(self, run, classes):
        (run.folder / "mine").mkdir()
        return super().begin(run, classes)

    def save(self, run, epochs, weights):
        pass


class Shouting(Patient):
    """Has a name that nobody wants to type."""

    name = "Shouting Loud"


class Wavering(Patient):
    """Does not say whether it resumes."""

    resumes = None


class Pointing(Patient):
    """Learns no classes."""

    tasks = ()


class Slow(Patient):
    """Its doctor imports what is heavy."""

    def doctor(self):
        import sklearn

        return [sklearn.__version__]


class Verbose(Patient):
    """Its doctor writes a letter."""

    def doctor(self):
        return ["first line\nsecond line"]


class Brittle(Patient):
    """Raises whatever comes to mind."""

    def step(self, weights, x, y):
        assert len(x) < 0, "out of cheese"
