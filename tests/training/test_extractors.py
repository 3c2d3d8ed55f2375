"""Extractors behind their entry points: exported once, compared with the net, found again without the plugin."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from colour_trainer import coloured
from onnx import TensorProto, helper
from pydantic import BaseModel, ConfigDict, Field

from byod.schema.errors import TrainerError, UsageError
from byod.schema.model_card import InputRule
from byod.training import extractors
from byod.training.extractors import ExportedGraph


class Colours:
    """An extractor of mean colours; class variables say how it is at the moment, and how often it exported."""

    name: ClassVar[str] = "colours"
    version: ClassVar[str] = "1"
    sha256: ClassVar[str] = "a" * 64
    off: ClassVar[float] = 0.0
    exported: ClassVar[int] = 0

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        size: int = Field(16, ge=4)

    def weights(self, options):
        return self.sha256

    def export(self, options, folder, say):
        type(self).exported += 1
        side = options.size
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, side, side])
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3])
        node = helper.make_node("ReduceMean", ["image"], ["features"], axes=[2, 3], keepdims=0)
        graph = helper.make_graph([node], "colours", [image], [features])
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(folder / "c.onnx"))
        return ExportedGraph(
            folder / "c.onnx", InputRule(width=side, height=side), "mean colours", "none", self.sha256 or "b" * 64,
            0, {}, lambda images: images.mean(axis=(2, 3)) + np.float32(self.off),
        )  # fmt: skip


@pytest.fixture
def colours(monkeypatch, tmp_path):
    """The extractor, installed; its class is this test's own."""
    monkeypatch.setenv("BYOD_CACHE", str(tmp_path / "cache"))
    own = type("Own", (Colours,), {})
    monkeypatch.setattr(EntryPoint, "load", lambda entry: own)
    entries = [EntryPoint("colours", "here:Own", extractors.GROUP)]
    monkeypatch.setattr(extractors, "entry_points", lambda group: entries)
    own.entries = entries
    return own


def test_it_is_exported_once(colours, tmp_path):
    """The same options give the graph that was kept, others a new one, and both their features."""
    said = []
    first = extractors.extractor("colours", {"size": "16"}, said.append)
    again = extractors.extractor("colours", {"size": "16"}, said.append)
    assert (colours.exported, len(said), again.card) == (1, 1, first.card)
    examples = coloured(tmp_path / "images", per_class=3)
    found = again.features(examples)
    assert found.shape == (len(examples), 3)
    other = extractors.extractor("colours", {"size": "8"})
    assert other.kind != first.kind
    np.testing.assert_allclose(other.features(examples), found, atol=0.05)


def test_another_version_or_other_weights_are_exported_anew(colours):
    """What a plugin would export differently now is not taken from the cache; where only a hub knows, it is."""
    kinds = {extractors.extractor("colours").kind}
    colours.version = "2"
    kinds.add(extractors.extractor("colours").kind)
    colours.sha256 = "c" * 64
    kinds.add(extractors.extractor("colours").kind)
    assert (colours.exported, len(kinds)) == (3, 3)
    colours.sha256 = ""
    extractors.extractor("colours")
    assert colours.exported == 3


def test_what_was_exported_is_used_without_the_plugin(colours, tmp_path):
    """An extractor that is not installed any more still gives features of new pictures; one never exported does not."""
    kept = extractors.extractor("colours")
    known = extractors.identity("colours")
    colours.entries.clear()
    assert extractors.extractor("colours").card == kept.card
    assert extractors.identity("colours") == known == f"colours 1 {'a' * 64}"
    assert len(extractors.extractor("colours").features(coloured(tmp_path / "images", per_class=2))) == 4
    with pytest.raises(
        TrainerError, match=r"no extractor is called 'colours' \(installed: none\).*byod-torch"
    ):
        extractors.extractor("colours", {"size": "8"})
    assert extractors.identity("colours", {"size": "8"}) == ""


@pytest.mark.parametrize("ending", [".onnx", ".json"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 300])
def test_a_damaged_graph_is_exported_anew(colours, tmp_path, ending, damage):
    """Whatever became of the kept files, the graph is the same again."""
    first = extractors.extractor("colours")
    (file,) = (tmp_path / "cache" / "extractors").glob(f"*{ending}")
    file.write_bytes(damage)
    assert extractors.extractor("colours").content == first.content
    assert colours.exported == 2


def test_a_graph_that_says_something_else_than_the_net_is_refused(colours, tmp_path):
    """It is compared once, and nothing is kept of it."""
    colours.off = 0.01
    with pytest.raises(TrainerError, match="other features"):
        extractors.extractor("colours")
    assert not list((tmp_path / "cache" / "extractors").glob("*.json"))


def test_options_are_checked(colours):
    """An unknown one, and a value out of range, are usage errors that name the option."""
    for given in ({"size": "2"}, {"depth": "3"}):
        with pytest.raises(UsageError, match=f"colours, {next(iter(given))}"):
            extractors.extractor("colours", given)


def test_one_that_cannot_be_imported_is_said(colours, monkeypatch):
    """The line names it."""

    def broken(entry):
        raise ImportError("no module named torch")

    monkeypatch.setattr(EntryPoint, "load", broken)
    with pytest.raises(TrainerError, match="'colours' is installed but cannot be imported"):
        extractors.extractor("colours")


def test_a_name_of_any_kind_is_a_file_of_its_own(colours, tmp_path):
    """A name with separators and dots leads to no other folder."""
    colours.entries[:] = [EntryPoint("../co/lours", "here:Own", extractors.GROUP)]
    extractors.extractor("../co/lours")
    assert {file.parent for file in Path(tmp_path).rglob("*.onnx")} == {tmp_path / "cache" / "extractors"}
