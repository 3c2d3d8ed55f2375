"""benchmarks/machine.py in small: it measures, adds to a file, and puts many machines into one table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "machine.py"
LINE = {
    "format": 1,
    "when": "2026-01-02T03:04:05+00:00",
    "machine": "laptop",
    "device": "cpu (2 threads)",
    "job": "lenet, 64 px, 32 pictures",
    "price": None,
    "decode": 100.0,
    "predict": 200.0,
    "train": 10.0,
    "first_epoch": 3.0,
}


def machine(*arguments: object, check: int = 0) -> subprocess.CompletedProcess[str]:
    """The script, run with these arguments."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == check, done.stdout + done.stderr
    return done


def written(file: Path, *lines: dict) -> Path:
    file.write_text("".join(json.dumps(LINE | line) + "\n" for line in lines), encoding="utf-8")
    return file


def rows(done: subprocess.CompletedProcess[str]) -> list[list[str]]:
    """The cells of the table's rows, without its head."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_machines_of_several_files_stand_in_one_table(tmp_path):
    """The fastest stands first with its factor; several runs of one machine are one row, their median."""
    here = written(tmp_path / "here.jsonl", {}, {"train": 30.0}, {"train": 12.0})
    rented = {"machine": "rented", "device": "cuda (some GPU)", "train": 600.0, "price": 1.8}
    there = written(tmp_path / "there.jsonl", rented)
    first, second = rows(machine("--table", here, there))
    assert first == [
        "rented",
        "cuda (some GPU)",
        "100/s",
        "600.0/s",
        "50.0 ×",
        "3.0 s",
        "200/s",
        "1",
        "1.80",
        "0.83",
    ]
    assert second[:2] == ["laptop", "cpu (2 threads)"]
    assert second[3:5] == ["12.0/s", "1.0 ×"]
    assert second[7:] == ["3", "–", "–"]


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path):
    """Figures of another job, a line of something else, an empty and a missing file are each named."""
    other = written(tmp_path / "other.jsonl", {}, {"job": "resnet18, 128 px, 256 pictures"})
    (tmp_path / "foreign.jsonl").write_text('{"train": 3}\n', encoding="utf-8")
    (tmp_path / "zero.jsonl").write_text(json.dumps(LINE | {"train": 0}) + "\n", encoding="utf-8")
    (tmp_path / "empty.jsonl").touch()
    for file, says in (
        (other, "different jobs"),
        (tmp_path / "foreign.jsonl", "line 1"),
        (tmp_path / "zero.jsonl", "line 1"),
        (tmp_path / "empty.jsonl", "no figures"),
        (tmp_path / "missing.jsonl", "there is no file"),
    ):
        done = machine("--table", file, check=1)
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not done.stdout


@pytest.mark.long
def test_a_measurement_is_added_to_the_file(tmp_path):
    """Two small measurements leave two lines with positive figures, and one row in the table."""
    file = tmp_path / "results.jsonl"
    small = ["--arch", "lenet", "--size", 64, "--pictures", 32, "--seconds", 1, "--device", "cpu"]
    machine("--add", file, "--name", "here", *small)
    done = machine("--add", file, "--name", "here", *small)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert line["job"] == "lenet, 64 px, 32 pictures"
        assert line["device"].startswith("cpu")
        assert line["epochs"] >= 2
        assert min(line[name] for name in ("decode", "train", "first_epoch", "predict")) > 0
    (row,) = rows(done)
    assert row[0] == "here"
    assert row[-1] == "2"
    assert "no GPU was found" in done.stderr
