"""The seam: how trainers are found, and what a wrong name or option leads to."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from colour_trainer import Colour

from byod.schema.errors import TrainerError, UsageError
from byod.training import protocol


def _offer(monkeypatch, *entries):
    monkeypatch.setattr(protocol, "entry_points", lambda group: [e for e in entries if e.group == group])


def test_listing_imports_nothing(monkeypatch):
    """The installed names are known without importing what stands behind them."""
    _offer(monkeypatch, EntryPoint("broken", "no_such_module:Nothing", protocol.GROUP))
    assert protocol.installed() == ("broken",)
    assert "no_such_module" not in sys.modules


def test_load_makes_the_chosen_one(monkeypatch):
    """The class behind the entry point of that name is imported and made."""
    _offer(monkeypatch, EntryPoint("colour", "colour_trainer:Colour", protocol.GROUP))
    assert protocol.load("colour").name == "colour"


def test_an_unknown_name_names_the_installed_ones(monkeypatch):
    """One line with what there is and how a plugin is installed from a clone."""
    _offer(monkeypatch, EntryPoint("colour", "colour_trainer:Colour", protocol.GROUP))
    with pytest.raises(TrainerError) as caught:
        protocol.load("keras")
    line = str(caught.value)
    assert "\n" not in line
    assert "colour" in line
    assert "uv pip install -e plugins/byod-keras" in line
    assert "pip install byod" not in line


def test_none_installed_is_said(monkeypatch):
    """Without any plugin the line says so."""
    _offer(monkeypatch)
    with pytest.raises(TrainerError, match="none is installed"):
        protocol.load("fastai")


def test_a_plugin_that_cannot_be_imported_is_said_in_one_line(monkeypatch):
    """A plugin with a missing part does not end in a traceback."""
    _offer(monkeypatch, EntryPoint("broken", "no_such_module:Nothing", protocol.GROUP))
    with pytest.raises(TrainerError, match="no_such_module"):
        protocol.load("broken")


def test_options_come_as_text():
    """What is typed after --set becomes the type of the option."""
    assert protocol.options(Colour(), {"size": "24", "spoil": "0.5"}).model_dump() == {
        "size": 24,
        "epochs": 3,
        "spoil": 0.5,
    }


def test_an_unknown_option_names_the_known_ones():
    """A typing error is refused, with the list to choose from."""
    with pytest.raises(UsageError, match=r"no option 'epoch'.*epochs.*size"):
        protocol.options(Colour(), {"epoch": "3"})


def test_a_value_that_does_not_fit_is_refused():
    """The line names the option and the value."""
    with pytest.raises(UsageError, match=r"size.*'large'"):
        protocol.options(Colour(), {"size": "large"})


def test_the_seam_loads_nothing_heavy():
    """Importing the seam and training imports neither torch nor onnxruntime nor onnx."""
    code = (
        "import sys, byod.training.protocol, byod.tasks.classify.learning, byod.tasks.classify.predict\n"
        "print([m for m in ('torch', 'fastai', 'onnxruntime', 'onnx', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
