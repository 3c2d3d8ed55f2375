"""The learners' notebooks: committed without outputs, and each runs to its end with its claims holding."""

import os
import re
from pathlib import Path

import nbformat
import pytest

import byod

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """A function that runs a notebook in an empty folder, and gives it back with its outputs."""
    from nbclient import NotebookClient

    for name in (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "MPLCONFIGDIR",
    ):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))

    def run(path: Path) -> nbformat.NotebookNode:
        place = tmp_path / "place"
        place.mkdir()
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(place)}}
        )
        client.execute(env=dict(os.environ))
        return notebook

    return run


def told(notebook: nbformat.NotebookNode) -> str:
    """Everything its cells printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(notebook: nbformat.NotebookNode) -> int:
    """How many figures its cells drew."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    """It is a valid notebook that holds no output, no count and nobody's kernel, so that a change of it can be read."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 4
    assert not [cell.source for cell in code if cell.outputs or cell.execution_count is not None]
    assert notebook.metadata.kernelspec.name == "python3"
    assert not [cell.id for cell in notebook.cells if cell.metadata]
    assert any(line.startswith("assert ") for cell in code for line in cell.source.splitlines())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_what_is_public(path):
    """It imports byod itself, nothing below it, and uses only names of `byod.__all__`."""
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    imported = [
        line for source in code for line in source.splitlines() if re.match(r"\s*(from|import) byod", line)
    ]
    assert imported == ["import byod"]
    used = {name for source in code for name in re.findall(r"\bbyod\.(\w+)", source)}
    assert used <= set(byod.__all__)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_first_classifier_is_trained_and_used(executed):
    """It ends with a model that tells circles from squares, the probe's number beside it, and a report on disk."""
    notebook = executed(EXAMPLES / "01-first-classifier.ipynb")
    text = told(notebook)
    assert "the probe, the bar to beat:" in text
    assert "of 6 right" in text
    report = next(line for line in text.splitlines() if "report.html" in line).rpartition(" ")[2]
    assert Path(report).is_file()
    assert pictures(notebook) == 2


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_overfitting_is_seen_and_helped(executed):
    """Its asserts hold: the validation loss rises again with few pictures, and the gap closes with many."""
    notebook = executed(EXAMPLES / "02-overfitting.ipynb")
    text = told(notebook)
    assert "gap between training and validation:" in text
    assert "right on the test pictures:" in text
    assert pictures(notebook) == 3
