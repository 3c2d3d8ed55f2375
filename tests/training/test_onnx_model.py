"""Model files of strangers: plain graphs alone, within bounds of time and memory, and numbers that are numbers."""

import gc
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from odd_graphs import PLAIN, SIDE, constant, model, node, not_a_number, plain_nodes, run_folder, with_if
from onnx import TensorProto, helper, load_from_string

from byod.schema.errors import ModelError, TrainerError
from byod.tasks.classify.predict import Predictor
from byod.training import finished_model, graph_check, model_process, model_runtime, onnx_model

PICTURE = np.full((1, 3, SIDE, SIDE), 0.5, np.float32)


def said(content: bytes) -> np.ndarray:
    return onnx_model.run(onnx_model.session(content, threads=1), PICTURE)


def outside() -> bytes:
    """A model one of whose constants lies in a file beside it."""
    whole = load_from_string(model(plain_nodes(), PLAIN))
    tensor = whole.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    return whole.SerializeToString()


def looping(kind: str) -> bytes:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"]), node("Identity", ["x"], ["z"])],
        "body",
        [
            info("i", TensorProto.INT64, []),
            info("c", TensorProto.BOOL, []),
            info("x", TensorProto.FLOAT, None),
        ],
        [info("d", TensorProto.BOOL, []), info("z", TensorProto.FLOAT, None)],
    )
    how = {"num_scan_inputs": 1} if kind == "Scan" else {}
    return model([node(kind, ["", "", "image"], ["z"], body=body, **how), *plain_nodes("z")], PLAIN)


def in_a_function() -> bytes:
    inner = helper.make_function(
        "own", "Hide", ["x"], ["z"], [node("Relu", ["x"], ["z"])], [helper.make_opsetid("", 17)]
    )
    nodes = [node("Hide", ["image"], ["z"], domain="own"), *plain_nodes("z")]
    return model(nodes, PLAIN, functions=[inner], domains=["own"])


REFUSED = {
    "If": (lambda: with_if(folded=False), "operator If"),
    "constant If": (lambda: with_if(folded=True), "operator If"),
    "Loop": (lambda: looping("Loop"), "operator Loop"),
    "Scan": (lambda: looping("Scan"), "operator Scan"),
    "function": (in_a_function, r"not ONNX's own \(own\)"),
    "other files": (outside, "other files"),
    "others' operators": (
        lambda: model([node("Gelu", ["image"], ["z"], domain="com.microsoft"), *plain_nodes("z")], PLAIN),
        r"not ONNX's own \(com.microsoft\)",
    ),
    "a graph in an attribute": (
        lambda: model([node("Odd", ["image"], ["z"], inner=branch_of()), *plain_nodes("z")], PLAIN),
        "graph in the graph",
    ),
    "to be trained": (
        lambda: model(plain_nodes(), PLAIN) + b"\xa2\x01\x00",  # an empty `training_info`
        "graphs to train it with",
    ),
    "no protobuf": (lambda: b"\xff" * 40, "not a model file"),
    "half a file": (lambda: model(plain_nodes(), PLAIN)[:100], "not a model file"),
    "empty": (lambda: b"", "onnxruntime can run"),
}


def branch_of():
    return helper.make_graph([], "inner", [], [])


@pytest.mark.parametrize("kind", REFUSED)
def test_a_graph_that_is_not_plain_is_refused_in_one_line(kind):
    """Branches, loops, functions, others' operators and other files are refused before onnxruntime sees them."""
    make, words = REFUSED[kind]
    with pytest.raises(ModelError, match=words) as error:
        onnx_model.session(make())
    assert "\n" not in str(error.value)


def test_a_forbidden_operator_is_found_wherever_the_graph_is_written():
    """A second copy of the graph, which protobuf joins to the first, is looked at as well."""
    plain, odd = model(plain_nodes(), PLAIN), with_if(folded=False)
    graph_check.check(plain)
    for joined in (plain + odd, odd + plain):
        with pytest.raises(ModelError, match="operator If"):
            graph_check.check(joined)


def test_a_constant_if_is_folded_at_export_and_another_fails(tmp_path):
    """What a trainer exports becomes a plain graph that answers as before; a real branch is a clear error."""
    file = tmp_path / "net.onnx"
    file.write_bytes(with_if(folded=True))
    finished_model.fold(file, "oddnet")
    assert said(file.read_bytes()) == pytest.approx(said(model(plain_nodes(), PLAIN)))
    file.write_bytes(with_if(folded=False))
    with pytest.raises(TrainerError, match=r"oddnet is exported as a graph with If.*another architecture"):
        finished_model.fold(file, "oddnet")


def test_names_that_are_no_text_end_in_one_line_and_print_nothing(tmp_path, capfd):
    """Where names of an exported model are not UTF-8 the error is one line; onnxruntime tries nothing else, aloud."""
    whole = with_if(folded=True)
    file = tmp_path / "net.onnx"
    for name in (b"which", b"image"):
        file.write_bytes(whole.replace(name, b"\xed\xa0\x80" + name[3:], 1))
        with pytest.raises(TrainerError, match=r"that was exported cannot be run \(.+\)$"):
            finished_model.fold(file, "oddnet")
    assert capfd.readouterr() == ("", "")


def test_a_name_of_the_first_side_that_is_no_text_ends_in_one_line(tmp_path):
    """The name of the number of pictures is copied to the output that byod appends: not as bytes that are no text."""
    file = tmp_path / "net.onnx"
    file.write_bytes(model(plain_nodes(), PLAIN, output="logits").replace(b"\x12\x01n", b"\x12\x01\xff"))
    with pytest.raises(TrainerError, match="not one that ONNX knows"):
        finished_model.finish(file, tmp_path / "made.onnx", temperature=1.0, metadata={})


def test_functions_are_put_where_they_are_called_at_export(tmp_path):
    """An exporter's local functions are inlined, and the file then passes for a stranger's."""
    file = tmp_path / "net.onnx"
    file.write_bytes(in_a_function())
    finished_model.fold(file, "oddnet")
    assert said(file.read_bytes()).shape == (1, 2)


BOMBS = {
    "constant": ([node("ConstantOfShape", ["size"], ["c"])], [10**11]),
    "repeated": ([node("Tile", ["image", "size"], ["c"])], [1, 30_000, 300, 300]),
    "expanded": ([node("Expand", ["half", "size"], ["c"])], [400_000, 300_000]),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOMBS)
def test_a_model_that_wants_more_memory_than_it_may_is_one_line(kind, tmp_path):
    """Tensors larger than the bound end the trial, not this process."""
    nodes, size = BOMBS[kind]
    content = model(
        [
            *nodes,
            node("ReduceMax", ["c"], ["s"], keepdims=0),
            node("Add", ["image", "s"], ["z"]),
            *plain_nodes("z"),
        ],
        [*PLAIN, constant("size", size), constant("half", 0.5, np.float32)],
    )
    run = run_folder(tmp_path / "bomb", content)
    with pytest.raises(ModelError, match="run bomb: this model wants more memory") as error:
        Predictor(run)
    assert "\n" not in str(error.value)


def endless(asked: str) -> bytes:
    """Minutes of products of matrices; with `asked` a picture's greatest value decides how large they are."""
    nodes = [
        node("ReduceMax", ["image"], ["most"], keepdims=0),
        node(asked, ["most"], ["large"]),
        node("Mul", ["large", "thousands"], ["side_f"]),
        node("Cast", ["side_f"], ["side"], to=TensorProto.INT64),
        node("Add", ["side", "least"], ["edge"]),
        node("Concat", ["edge", "edge"], ["shape"], axis=0),
        node("Expand", ["ones", "shape"], ["p0"]),
        *(node("MatMul", [f"p{n}", "p0"], [f"p{n + 1}"]) for n in range(2000)),
        node("ReduceMean", ["p2000"], ["s"], keepdims=0),
        node("Mul", ["s", "nothing"], ["t"]),
        node("Add", ["image", "t"], ["z"]),
        *plain_nodes("z"),
    ]
    numbers = [constant("thousands", [3000], np.float32), constant("ones", [[0.0]], np.float32)]
    return model(nodes, [*PLAIN, *numbers, constant("least", [1]), constant("nothing", 0, np.float32)])


@pytest.mark.slow
def test_a_model_that_takes_too_long_is_ended_when_it_is_opened(monkeypatch):
    """The process that opens a model is ended at its deadline."""
    monkeypatch.setattr(model_runtime, "SECONDS", 2.0)
    monkeypatch.setattr(model_process, "SECONDS_TO_OPEN", 2.0)
    with pytest.raises(ModelError, match="more than 2 seconds for a picture"):
        onnx_model.session(endless("Abs"))


def busy() -> bytes:
    """A single product of matrices that takes minutes once a picture is white, and cannot be told to stop."""
    nodes = [
        node("ReduceMax", ["image"], ["most"], keepdims=0),
        node("Floor", ["most"], ["large"]),
        node("Mul", ["large", "thousands"], ["side_f"]),
        node("Cast", ["side_f"], ["side"], to=TensorProto.INT64),
        node("Add", ["side", "least"], ["edge"]),
        node("Concat", ["edge", "edge"], ["shape"], axis=0),
        node("Expand", ["ones", "shape"], ["square"]),
        node("MatMul", ["square", "square"], ["product"]),
        node("ReduceMean", ["product"], ["s"], keepdims=0),
        node("Mul", ["s", "nothing"], ["t"]),
        node("Add", ["image", "t"], ["z"]),
        *plain_nodes("z"),
    ]
    numbers = [constant("thousands", [14_000], np.float32), constant("ones", [[0.0]], np.float32)]
    return model(nodes, [*PLAIN, *numbers, constant("least", [1]), constant("nothing", 0, np.float32)])


def children() -> set[int]:
    """The processes that this one has started and that are there."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("kind", [busy, lambda: endless("Floor")])
def test_a_model_that_takes_too_long_for_one_picture_is_ended(kind, monkeypatch):
    """What is quick when it is opened and hangs at a certain picture ends with its process, and leaves no core busy."""
    gc.collect()  # processes of models that earlier tests left to the collector
    before = children()
    opened = onnx_model.session(kind())  # the picture that it is opened with is below 1
    (asked,) = children() - before
    monkeypatch.setattr(model_runtime, "SECONDS", 1.0)
    with pytest.raises(ModelError, match="seconds for a picture"):
        onnx_model.run(opened, np.ones_like(PICTURE))
    monkeypatch.undo()
    assert asked not in children()
    assert not [thread for thread in threading.enumerate() if thread.name == "byod-model"]
    assert onnx_model.run(opened, PICTURE).shape == (1, 2)
    del opened
    gc.collect()
    assert children() == before


@pytest.mark.slow
def test_an_own_model_that_is_told_to_stop_is_asked_again_only_if_it_does(monkeypatch):
    """A model of one's own stops between two operators; one that does not is asked no more."""
    monkeypatch.setattr(model_runtime, "SECONDS", 0.5)
    monkeypatch.setattr(model_runtime, "GRACE", 3.0)
    opened = onnx_model.session(endless("Floor"), trained=True, threads=1)
    with pytest.raises(ModelError, match="seconds for a picture"):
        onnx_model.run(opened, np.ones_like(PICTURE))
    assert onnx_model.run(opened, PICTURE).shape == (1, 2)
    monkeypatch.setattr(model_runtime, "GRACE", 0.0)
    with pytest.raises(ModelError, match="seconds for a picture"):
        onnx_model.run(opened, np.ones_like(PICTURE))
    with pytest.raises(ModelError, match="does not stop"):
        onnx_model.run(opened, PICTURE)


@pytest.mark.slow
def test_only_what_was_made_here_runs_in_this_process(monkeypatch, tmp_path):
    """A model of a stranger's has a process of its own, always; byod knows by hash what it wrote itself."""
    content = model(plain_nodes(), [*PLAIN, constant("own", [7])], output="logits")
    file, run = tmp_path / "trained.onnx", tmp_path / "run.onnx"
    file.write_bytes(content)
    assert isinstance(onnx_model.session(content), model_process.ForeignModel)
    assert isinstance(onnx_model.session(content, trained=True), model_runtime.OwnModel)
    finished_model.finish(file, run, temperature=1.0, metadata={})
    monkeypatch.setattr(onnx_model, "_own", set())
    assert isinstance(onnx_model.session(run.read_bytes()), model_runtime.OwnModel)
    assert isinstance(onnx_model.session(run.read_bytes() + b"\x32\x00"), model_process.ForeignModel)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks the system to end it")
def test_a_model_that_ends_its_process_is_one_line_and_the_next_question_is_answered():
    """A crash is the process's own; byod starts another one."""
    opened = onnx_model.session(model(plain_nodes(), [*PLAIN, constant("own", [9])]))
    (process,) = opened._idle
    os.kill(process._child._process.pid, signal.SIGSTOP)
    threading.Timer(0.5, os.kill, (process._child._process.pid, signal.SIGKILL)).start()
    with pytest.raises(ModelError, match=r"ends the process that runs it \(code -9\)"):
        onnx_model.run(opened, PICTURE)
    assert onnx_model.run(opened, PICTURE).shape == (1, 2)


@pytest.mark.slow
def test_the_process_of_a_model_imports_nothing_from_the_folder_one_works_in(tmp_path, monkeypatch):
    """A stranger's folder with a package `byod`, or `numpy`, in it is no place to look for modules."""
    for name in ("byod", "numpy", "onnxruntime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("open('ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    assert said(model(plain_nodes(), [*PLAIN, constant("own", [10])])).shape == (1, 2)
    assert not (tmp_path / "ran").exists()


def test_numbers_that_are_none_name_the_run_and_what_to_do(tmp_path):
    """NaN out of a model is one line, whichever way it is asked."""
    opened = Predictor(run_folder(tmp_path / "first", not_a_number()))
    with pytest.raises(ModelError, match=r"^run first: .*NaN or infinite.*--set lr=") as error:
        opened.probabilities(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert "\n" not in str(error.value)


def test_probabilities_outside_of_their_range_are_refused(tmp_path):
    """A model that gives 5.0 for a probability is none of byod's."""
    content = model(
        [*plain_nodes(to="sure"), node("Mul", ["sure", "five"], ["y"])],
        [*PLAIN, constant("five", 5, np.float32)],
    )
    opened = Predictor(run_folder(tmp_path / "first", content))
    with pytest.raises(ModelError, match="run first: the model gives probabilities outside"):
        opened.probabilities(np.zeros((1, SIDE, SIDE, 3), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_a_damaged_model_says_one_line_and_nothing_else(own, capfd):
    """What onnxruntime prints of its own falls away, whichever process opens the model."""
    for content in (
        model([node("Relu", ["nothing"], ["y"])]),
        model([node("NoSuch", ["image"], ["y"])]),
        model([node("Reshape", ["image", "two"], ["y"])], PLAIN),
        model(plain_nodes(), [*PLAIN, constant("two", "x", str)]),
    ):
        with pytest.raises(ModelError, match="onnxruntime can run") as error:
            onnx_model.run(onnx_model.session(content, trained=own), PICTURE)
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
