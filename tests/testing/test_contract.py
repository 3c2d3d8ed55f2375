"""The executable contract: a trainer that keeps it passes, and one that breaks a rule is told which, in a sentence."""

import subprocess
import sys

import broken_trainers as broken
import pytest
from colour_trainer import Colour

from byod.testing import check_trainer, draw_classes
from byod.testing.spies import opened

pytestmark = pytest.mark.slow

SMALL = {"per_class": 40, "size": (64, 48), "classes": ("circle", "triangle")}


def test_a_trainer_that_starts_again_passes():
    """Colour does not resume; what was measured is given back."""
    found = check_trainer(Colour, {"epochs": "20"}, **SMALL)
    assert found.accuracy >= 0.8
    assert found.parity < 1e-4
    assert found.repeated == 0
    assert found.resumed == ()


@pytest.mark.slow
def test_a_trainer_that_resumes_passes():
    """After three kills its losses are those of a training left in peace."""
    found = check_trainer(broken.Patient, **SMALL)
    assert len(found.resumed) == 3
    assert found.resumed == pytest.approx([found.valid_loss] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("trainer", "sentence"),
    [
        (broken.Shouting, "Shouting.name must be a word of small letters and digits, not 'Shouting Loud'"),
        (broken.Wavering, "patient.resumes must be True or False, not None"),
        (
            broken.Pointing,
            "patient.tasks must be a tuple of the names of at least one task, not ()",
        ),
        (
            broken.Lenient,
            "patient.Options must forbid unknown options: model_config = ConfigDict(extra='forbid')",
        ),
        (broken.Slow, "patient.doctor, or the module it is in, imports sklearn; it must be quick"),
        (broken.Verbose, "patient.doctor must give a list of single lines, not ['first line\\nsecond line']"),
        (broken.Careless, "patient accepts an unknown option (no_such_option)"),
        (broken.Silent, "patient refuses an unknown option without naming size: no such option"),
    ],
)
def test_what_the_class_says_of_itself(trainer, sentence):
    """Each rule on the class alone is broken by one trainer, and named."""
    assert _told(trainer) == sentence


def test_a_class_that_another_process_cannot_find():
    """A class inside a function is refused with the reason."""

    class Hidden(broken.Patient):
        pass

    assert _told(Hidden).startswith(f"patient cannot be imported as {__name__}:test_a_class")


def test_options_that_do_not_fit():
    """The options given to the check are the trainer's."""
    told = _told(Colour, {"size": "large"})
    assert told.startswith(
        "colour does not take the options {'size': 'large', 'epochs': '6'} (UsageError: colour, size:"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainer", "sentence"),
    [
        (broken.Squeamish, "patient cannot train with 1-pixel, CMYK, EXIF-rotated, transparent, 16-bit and grey "
         "pictures in the training part ("),
        (broken.Brittle, "(AssertionError: out of cheese"),
        (broken.Guessing, "patient does not learn drawn classes: 5"),
        (broken.Peeking, "patient opens test pictures while it trains (circle-000.jpg)"),
        (broken.Asking, "patient asks for the pixels of circle-000.jpg, which is not a training or validation picture"),
        (broken.Unfaithful, "patient exports another model than the trained one: on random arrays their logits differ "
         "by 4.0e-03, and 1e-04 is allowed"),
        (broken.FaithfulToPicturesOnly, "on random arrays their logits differ by"),
        (broken.Fixed, "patient exports what byod cannot use (ModelError: `image` must be [N, 3, 16, 16] with N free"),
        (broken.Unseeded, "patient trains to another model each time: with the same seed weights or outputs differ by"),
    ],
)  # fmt: skip
def test_what_a_training_shows(trainer, sentence):
    """Each rule that a training shows is broken by one trainer, and named."""
    assert sentence in _told(trainer)


@pytest.mark.long
@pytest.mark.parametrize(
    ("trainer", "sentence"),
    [
        (broken.Unsaving, "patient resumes, and yet it has not saved epoch 4 (run.save) when its training ends"),
        (broken.Twice, "patient, killed after epoch 2 was logged and started again, logs the epochs 0 0 1 2 3 4 5 "
         "instead of 0 1 2 3 4 5"),
        (broken.Skipping, "logs the epochs 0 2 3 4 5 instead of 0 1 2 3 4 5"),
        (broken.Forgetful, "patient does not go on where it was killed: the final validation losses are"),
        (broken.Empty, "patient, killed after epoch 6 was saved and resumed, ends with an accuracy of"),
        (broken.Stumbling, "patient cannot train on drawn classes (FileExistsError"),
    ],
)  # fmt: skip
def test_what_a_kill_shows(trainer, sentence):
    """Each rule on killed trainings is broken by one trainer, and named."""
    assert sentence in _told(trainer)


@pytest.mark.slow
def test_too_few_epochs_to_kill():
    """A trainer that resumes cannot be tried with three epochs, and that is said."""
    told = _told(broken.Patient, {"epochs": "3"})
    assert told == "patient resumes and logs 3 epochs; 4 are needed, each with its valid_loss, to try it"


def _told(trainer, options=None):
    with pytest.raises(AssertionError) as caught:
        check_trainer(trainer, options, **SMALL)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_opened_files_are_seen_only_in_the_block(tmp_path):
    """Files opened in the block by any road are known after it; others, and those opened after it, are not."""
    a, b, c, d = (tmp_path / name for name in "abcd")
    for file in (a, b, c, d):
        file.write_text("here")
    with opened([a, b, c]) as seen:
        a.read_text()
        (tmp_path / "." / "b").open().close()
        d.read_text()
    c.read_text()
    assert seen == {a, b}
    with opened([a, c]) as seen:
        c.read_text()
    assert seen == {c}


def test_files_opened_by_another_process_are_seen(tmp_path):
    """The time of access tells of what no audit hook can see, where this disk keeps such times."""
    probe, file = tmp_path / "probe", tmp_path / "file"
    for each in (probe, file):
        each.write_text("here")
    with opened([probe]) as kept:
        _read_elsewhere(probe)
    with opened([file]) as seen:
        _read_elsewhere(file)
    assert seen == ({file} if kept else set())


def _read_elsewhere(file):
    subprocess.run([sys.executable, "-c", f"open({str(file)!r}).read()"], check=True)


def test_drawing_and_the_contract_are_light():
    """`byod.testing` imports nothing heavy, and draw_classes stays where it was."""
    heavy = {"torch", "sklearn", "onnxruntime", "onnx", "byod.tasks.classify.train"}
    program = f"import sys, byod.testing; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert draw_classes.__module__ == "byod.testing.drawn_classes"
