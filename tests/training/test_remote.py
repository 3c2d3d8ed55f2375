"""A trainer in another environment: the same contract, and one clear line when something is wrong there."""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import direct_training as training
import numpy as np
import pytest
from colour_trainer import Colour, coloured
from direct_training import train_keypoints
from spot_trainer import BESIDE, POINTS, Spot, spotted

from byod.schema.errors import TrainerError, UsageError
from byod.training import protocol
from byod.training.remote.host import Remote

HERE = Path(__file__).parents[1] / "fixtures"
MODULE = """
import os, time
from colour_trainer import Colour

class Elsewhere(Colour):
    name = "elsewhere"

    def beginning(self, options):
        return f"a net for {options.epochs} epochs"

    def train(self, data, options, run):
        print("what a library prints is not a message")
        run.say("from elsewhere")
        if options.epochs == 66:
            os.abort()
        if options.epochs == 67:
            raise RuntimeError("something broke over there")
        if options.epochs == 68:
            time.sleep(600)
        if options.epochs == 69:
            (run.folder / "waiting").touch()
            time.sleep(600)
        if options.epochs == 70:
            assert run.should_stop()
        return super().train(data, options, run)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """The Python of another environment with byod and one trainer that is not installed here."""
    folder = tmp_path_factory.mktemp("elsewhere")
    site = folder / "extra"
    (site / "elsewhere-1.5.dist-info").mkdir(parents=True)
    (site / "elsewhere-1.5.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.5\n"
    )
    (site / "elsewhere-1.5.dist-info" / "entry_points.txt").write_text(
        "[byod.trainers]\nelsewhere = elsewhere_trainer:Elsewhere\nspot = spot_trainer:Spot\n"
    )
    (site / "elsewhere_trainer.py").write_text(MODULE)
    python = bare(folder / "env")
    (inside,) = (folder / "env").rglob("site-packages")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (inside / "all.pth").write_text("\n".join([*here, str(HERE.parents[1]), str(HERE), str(site)]) + "\n")
    return python


def bare(folder) -> Path:
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture
def examples(tmp_path):
    return coloured(tmp_path / "images", per_class=60)


def train(examples, trainer, run, options=None, **more):
    return training.train(examples, ("red", "green"), trainer, options or {}, folder=run, **more)


@pytest.mark.slow
def test_a_trainer_elsewhere_is_as_good_as_one_here(elsewhere, examples, tmp_path):
    """Same pictures, same model: the run of a trainer behind another Python equals that of the same one here."""
    said, epochs = [], []
    remote = Remote("elsewhere", elsewhere)
    assert protocol.beginning(remote, remote.check({"epochs": "7"})) == "a net for 7 epochs"
    assert protocol.beginning(Remote("spot", elsewhere), remote.check({})) == ""
    assert remote.described.version == "1.5"
    there = train(
        examples, remote, tmp_path / "runs" / "there", {"epochs": "4"}, say=said.append, log=epochs.append
    )
    here = train(examples, Colour(), tmp_path / "runs" / "here", {"epochs": "4"})
    assert there.plugin == "elsewhere"
    assert there.metrics == here.metrics
    assert there.parity < 1e-4
    assert there.options == {"epochs": "4"}
    assert [e["epoch"] for e in epochs] == [0, 1, 2, 3]
    assert "from elsewhere" in said
    assert not any("what a library prints" in line for line in said)


@pytest.mark.long
def test_points_are_trained_elsewhere_as_well(elsewhere, tmp_path):
    """Both stages of a trainer behind another Python give the run of the same one here, to the last bit."""
    examples, keypoints = spotted(tmp_path / "images", 75, beside=BESIDE)
    there, here = (
        train_keypoints(
            examples, keypoints, POINTS, trainer, {"epochs": "2"}, folder=tmp_path / "runs" / name
        )
        for name, trainer in (("there", Remote("spot", elsewhere)), ("here", Spot()))
    )
    assert there.metrics == here.metrics
    assert (there.model_sha256, there.heads.sha256) == (here.model_sha256, here.heads.sha256)
    assert there.parity < 1e-4
    with pytest.raises(TrainerError, match=r"exported model \(points\) differs"):
        train_keypoints(
            examples,
            keypoints,
            POINTS,
            Remote("spot", elsewhere),
            {"spoil": "0.1"},
            folder=tmp_path / "runs" / "bad",
        )


@pytest.mark.slow
def test_options_are_checked_over_there(elsewhere, examples, tmp_path):
    """A typing error is refused in the words of the trainer, before anything is written."""
    with pytest.raises(UsageError, match=r"no option 'epoch'.*epochs"):
        train(examples, Remote("elsewhere", elsewhere), tmp_path / "runs" / "one", {"epoch": "3"})
    assert not (tmp_path / "runs").exists()
    assert "epochs" in Remote("elsewhere", elsewhere).described.options["properties"]


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "line"), [("66", "exit code -6"), ("67", "something broke over there")])
def test_a_trainer_that_dies_is_one_line(elsewhere, examples, tmp_path, epochs, line):
    """A crash or an error over there does not become a traceback here."""
    with pytest.raises(TrainerError, match=line) as caught:
        train(examples, Remote("elsewhere", elsewhere), tmp_path / "runs" / "one", {"epochs": epochs})
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_stopping_reaches_the_other_side(elsewhere, examples, tmp_path):
    """`should_stop` is asked here and answered there."""
    train(
        examples,
        Remote("elsewhere", elsewhere),
        tmp_path / "runs" / "one",
        {"epochs": "70"},
        should_stop=lambda: True,
    )


@pytest.mark.slow
def test_nothing_trains_on_for_a_host_that_is_gone(elsewhere, tmp_path):
    """When the host is killed with -9, the process over there ends as well."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom colour_trainer import coloured\n"
        "from direct_training import train\n"
        "from byod.training.remote.host import Remote\n"
        f"examples = coloured(Path({str(tmp_path / 'images')!r}), per_class=60)\n"
        f"train(examples, ('red', 'green'), Remote('elsewhere', Path({str(elsewhere)!r})),"
        f" {{'epochs': '69'}}, folder=Path({str(tmp_path / 'runs' / 'one')!r}))\n"
    )
    host = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(HERE)})
    deadline = time.monotonic() + 60
    while not list((tmp_path / "runs").rglob("waiting")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list((tmp_path / "runs").rglob("waiting"))
    host.kill()
    host.wait()
    while time.monotonic() < deadline and running(str(tmp_path)):
        time.sleep(0.1)
    assert not running(str(tmp_path))


def running(word) -> list[str]:
    """Command lines of living processes that hold a word."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and "byod.training.remote" in line:
            found.append(line)
    return found


@pytest.mark.slow
def test_an_environment_without_byod_or_the_trainer_is_said(elsewhere, tmp_path):
    """The line says what to install where; a Python that is none is named."""
    with pytest.raises(TrainerError, match="byod is not installed there"):
        Remote("elsewhere", bare(tmp_path / "bare"))
    with pytest.raises(TrainerError, match=r"no trainer is called 'nowhere'.*elsewhere"):
        Remote("nowhere", elsewhere)
    with pytest.raises(TrainerError, match="cannot be run"):
        Remote("elsewhere", tmp_path / "no-python")
    with pytest.raises(TrainerError, match="ended"):
        Remote("elsewhere", Path("/bin/true"))


def test_files_from_outside_the_folder_are_not_taken(tmp_path):
    """What the other side names must lie in the folder it was given."""
    from byod.training.remote import host

    answer = {
        "onnx": "/etc/passwd",
        "input": {"width": 16, "height": 16},
        "arch": "a",
        "device": "cpu",
        "pretrained": "scratch",
        "parameters": 1,
        "versions": {},
        "notes": {},
        "weights": None,
        "lr_finder": None,
    }
    with pytest.raises(TrainerError, match="outside its folder"):
        host._trained(answer, None, tmp_path)
    with pytest.raises(TrainerError, match="does not understand"):
        host._trained({"onnx": 3}, None, tmp_path)


def test_arrays_are_never_unpickled(tmp_path):
    """An array file that would run code is refused."""
    file = tmp_path / "evil.npy"
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(file, allow_pickle=False)
    assert protocol.checkpoint(tmp_path) is None
