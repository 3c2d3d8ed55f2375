"""Dataset folders full of traps: whatever lies in one, nothing outside changes, and nothing outside gets in or out."""

import base64
import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marked_pictures import cat_files, laid_out
from PIL import Image

import byod
from byod.api import notebook
from byod.dataset import feedback_inbox
from byod.schema.errors import ByodError
from byod.schema.keypoints import Keypoints
from byod.schema.model_card import Unreadable
from byod.testing import draw_classes

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")]

SECRET = b"-----BEGIN PRIVATE KEY----- 7f1c"
LONGEST = 30
"""Seconds that all verbs together may take: a pipe that is waited for would take for ever."""


def pink(seed: int) -> bytes:
    """A picture such as no other here is: pink noise."""
    rng = np.random.default_rng(seed)
    pixels = np.stack([rng.integers(180, 256, (240, 320)) for _ in range(3)], axis=-1).astype(np.uint8)
    pixels[..., 1] = rng.integers(0, 60, (240, 320))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def is_pink(content: bytes) -> bool:
    """True of a picture, of any size, that was made from one of those."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as image:
            red, green, blue = np.asarray(image.convert("RGB"), np.float64).mean(axis=(0, 1))
    except Exception:  # noqa: BLE001 - whatever Pillow raises: it is no picture
        return False
    return bool(red > 190 and blue > 190 and green < 70)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A dataset of classes with a run, a copy set aside, a report and pages; and a dataset of points."""
    place = tmp_path_factory.mktemp("made")
    draw_classes(place / "own", per_class=16, size=(240, 220))
    Image.open(next((place / "own" / "circle").iterdir())).save(place / "own" / "circle" / "copy.png")
    byod.add(place / "own", into=place / "classes", progress=False)
    dataset = byod.Dataset(place / "classes")
    dataset.train("sklearn", from_scratch=True, progress=False)
    dataset.check(progress=False)
    report = next((place / "own" / "square").iterdir()).read_bytes()
    feedback_inbox.keep(place / "classes", report, run="r", label="circle", marks=None)
    laid_out(place / "annotated", cat_files({"CAT_00": 6}))
    byod.convert("cats", place / "annotated", into=place / "points", progress=False)
    shutil.copyfile(place / "own" / "square" / report_name(place), place / "asked.jpg")
    return place


def report_name(place: Path) -> str:
    return sorted(path.name for path in (place / "own" / "square").iterdir())[0]


def lay_victim(outside: Path) -> None:
    """Fill a folder of the person who opens the dataset: a key, pictures, and things that look like byod's own."""
    (outside / "pictures").mkdir(parents=True)
    (outside / "empty").mkdir()
    (outside / "id_rsa").write_bytes(SECRET)
    for number in range(3):
        (outside / "pictures" / f"{number}.jpg").write_bytes(pink(number))
    (outside / "photo.jpg").write_bytes(pink(9))
    keypoints = Keypoints(width=320, height=240)
    (outside / "marks.json").write_text(keypoints.model_dump_json(), encoding="utf-8")
    (outside / "lines.jsonl").write_bytes(b'{"id": 9, "note": "' + SECRET + b'"}\n')
    for path in [*outside.rglob("*"), outside]:
        os.utime(path, ns=(10**18, 10**18))


def tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything in and below a folder: its kind and rights, when it was written, and what it holds."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *folder.rglob("*")]:
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else None
        found[path.relative_to(folder).as_posix()] = (stat.st_mode, stat.st_mtime_ns, stat.st_nlink, content)
    return found


def leaked(place: Path) -> list[str]:
    """The ordinary files that hold the secret, or a pink picture, whole or as one small picture of a page."""
    found = []
    for path in place.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        inline = re.findall(rb"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", content)
        if SECRET in content or is_pink(content) or any(is_pink(base64.b64decode(one)) for one in inline):
            found.append(path.relative_to(place).as_posix())
    return found


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Fail where something waits for ever."""

    def late(*_: object) -> None:
        raise TimeoutError("it waits for what never comes")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def verbs(folder: Path, place: Path, asked: Path) -> list[Callable[[], Any]]:
    """What people do with a dataset that they were given, each to be called; their own pictures lie in `asked`."""
    dataset = folder
    runs = list((folder / "runs").glob("[!.]*")) if (folder / "runs").is_dir() else []

    def of(verb: str, *arguments: Any, **options: Any) -> Callable[[], Any]:
        return lambda: getattr(byod.Dataset(dataset), verb)(*arguments, **options, progress=False)

    def asks(run: Path) -> list[Callable[[], Any]]:
        return [
            lambda: [one for one in byod.Run(run).predict([asked]) if isinstance(one, Unreadable)],
            lambda: byod.Run(run).evaluate(progress=False, report=place / "evaluated.html"),
            lambda: byod.Run(run).export("onnx", into=place / "given", progress=False),
            lambda: byod.Run(run).history,
            lambda: (place / "run.html").write_text(notebook.run_html(run, byod.Run(run).card), "utf-8"),
            lambda: byod.compare(run, run.with_name("other"), into=place / "compared.html"),
        ]

    return [
        of("status"),
        of("check"),
        of("dedupe"),
        of("restore", "duplicate"),
        of("split"),
        of("export", into=place / "exported"),
        of("export", into=place / "linked", links=True),
        lambda: byod.add(into=dataset, reports=True, progress=False),
        lambda: byod.add(asked, label="circle", into=dataset, progress=False),
        lambda: (place / "set.html").write_text(
            notebook.dataset_html(byod.Dataset(dataset).status(progress=False)), "utf-8"
        ),
        lambda: feedback_inbox.keep(dataset, asked.read_bytes(), run="r", label="circle", marks=None),
        *(verb for run in runs for verb in asks(run)),
        of("check"),
    ]


def survives(made: Path, name: str, plant: Callable[[Path, Path], None], *, strict: bool = True) -> None:
    """Make a copy of a dataset, set the trap, and do everything with it; only `strict` traps must be said in a line."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        folder, outside, written = place / "set", place / "victim", place / "written"
        shutil.copytree(made / name, folder, symlinks=True)
        for run in list((folder / "runs").glob("[!.]*")):
            shutil.copytree(run, run.with_name("other"))
        written.mkdir()
        shutil.copyfile(made / "asked.jpg", place / "asked.jpg")
        lay_victim(outside)
        plant(folder, outside)
        os.utime(outside, ns=(10**18, 10**18))
        before = tree(outside)
        with in_time():
            for verb in verbs(folder, written, place / "asked.jpg"):
                said = ""
                try:
                    verb()
                except ByodError as error:
                    said = str(error)
                except Exception as error:
                    if strict or isinstance(error, TimeoutError):
                        raise
                assert "\n" not in said
                assert SECRET.decode() not in said
        assert tree(outside) == before
        assert leaked(folder) == []
        assert leaked(written) == []


def entries(folder: Path) -> list[str]:
    """Every file and folder in a dataset, and names that byod may write to there, in a fixed order."""
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    first = {os.path.dirname(name): name for name in reversed(there)}  # one of each folder is enough
    own = [name for name in there if name.count("/") < 2 or name.startswith((".byod", "runs"))]
    absent = [
        *(
            ".byod/incoming",
            ".byod/marks",
            ".byod/lock",
            ".byod/written",
            ".byod/review-key",
            "catalog.db-wal",
        ),
        *("catalog.db-journal", "check.html", "suspects.csv", "README.md", "DATASET_CARD.md", "labels.jsonl"),
        *(
            "images/new",
            "images/a:b",
            "images/circle/new.jpg",
            "rejected/duplicate/new.jpg",
            "rejected/deleted",
        ),
        *("rejected/review", "images/new.jpg", "points", "points/x.json", "runs/new", "exports"),
    ]
    return sorted({*own, *first.values(), *absent})


def put(folder: Path, name: str, make: Callable[[Path], object]) -> None:
    """Put something in the place of a file or folder, whatever was there."""
    place = folder / name
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    make(place)


TARGETS = (
    "id_rsa",
    "photo.jpg",
    "pictures",
    "pictures/0.jpg",
    "empty",
    "marks.json",
    "lines.jsonl",
    "nothing",
)


def named_like(name: str) -> list[str]:
    """The entries of the victim's folder that a link in this place would do most with."""
    if name.endswith((".jpg", ".png")):
        return ["photo.jpg", "pictures/0.jpg", "id_rsa"]
    return list(TARGETS)


@pytest.mark.parametrize("name", ["classes", "points"])
@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_links_at_any_place_lead_nowhere(made, name, data):
    """A link in the place of anything, or where byod would write, is followed by no verb, and said or passed over."""
    where = data.draw(st.lists(st.sampled_from(entries(made / name)), min_size=1, max_size=2, unique=True))
    targets = [data.draw(st.sampled_from(named_like(each))) for each in where]
    relative = data.draw(st.booleans())

    def plant(folder: Path, outside: Path) -> None:
        for each, target in zip(where, targets, strict=True):
            to = outside / target
            to = Path(os.path.relpath(to, (folder / each).parent)) if relative else to
            with contextlib.suppress(FileExistsError, NotADirectoryError):  # the other link is on its way
                put(folder, each, lambda place, to=to: place.symlink_to(to))

    survives(made, name, plant)


def listening(place: Path) -> None:
    """A socket of that name (a name may be too long for one: then there is none)."""
    with socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
        server.bind(str(place))


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": listening,
    "folder": lambda place: place.mkdir(),
    "zero": lambda place: os.mknod(place, 0o020666, os.makedev(1, 5)),
}


@pytest.mark.parametrize("name", ["classes", "points"])
@pytest.mark.long
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_pipes_and_devices_are_waited_for_by_nobody(made, name, data):
    """A pipe, a socket, a device or a folder in the place of anything holds no verb up, and is said in a line."""
    where = data.draw(st.sampled_from(entries(made / name)))
    kind = data.draw(st.sampled_from(sorted(KINDS if os.geteuid() == 0 else KINDS.keys() - {"zero"})))
    survives(made, name, lambda folder, outside: put(folder, where, KINDS[kind]))


def paths(outside: str) -> st.SearchStrategy[str]:
    """Paths that a stranger may write where one of byod's own stands."""
    ends = st.sampled_from(["id_rsa", "photo.jpg", "pictures/0.jpg", "pictures", "new", ""])
    starts = st.sampled_from(
        [
            *(
                outside,
                "../victim",
                "images/../../victim",
                "images/circle/../../../victim",
                ".byod/../../victim",
            ),
            *(
                ".byod/incoming/../../../victim",
                "images/door",
                "rejected/door/x",
                "points/../../victim",
                "door",
            ),
            *(
                "file://" + outside,
                "images/circle/door",
                "~",
                "..\\victim",
                "\x00../victim",
                "runs/../../victim",
            ),
        ]
    )
    return st.tuples(starts, ends).map(lambda both: "/".join(part for part in both if part))


def columns(catalog: Path) -> list[tuple[str, str]]:
    """Every column of text of every table."""
    connection = sqlite3.connect(catalog)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = [
        (table, row[1])
        for table in tables
        for row in connection.execute(f"PRAGMA table_info({table})")
        if row[2] == "TEXT"
    ]
    connection.close()
    return found


def say_in_catalog(folder: Path, table: str, column: str, value: str) -> None:
    """Put a value in every row of a column, or a row with it into an empty table."""
    connection = sqlite3.connect(folder / "catalog.db")
    with connection:
        if connection.execute(f"SELECT 1 FROM {table}").fetchone():
            connection.execute(
                f"UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = rowid"
                if table not in ("samples", "addresses", "queries", "lookalikes", "conflicts", "reviews")
                else f"UPDATE OR IGNORE {table} SET {column} = ?",
                (value,),
            )
        else:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            marks = ", ".join("?" * len(names))
            connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
                [value if each == column else "images/circle/x.jpg" if each != "id" else 1 for each in names],
            )
    connection.close()


def doors(folder: Path, outside: Path) -> None:
    """Links for the paths of a stranger to go through."""
    for name in ("images/door", "images/circle/door", "door"):
        if (folder / name).parent.is_dir():
            (folder / name).symlink_to(outside)


@pytest.mark.parametrize("name", ["classes", "points"])
@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_paths_in_any_column_lead_nowhere(made, name, data):
    """A path out of the folder in any column of the catalog, also among the moves promised, moves and reads nothing."""
    table, column = data.draw(st.sampled_from(columns(made / name / "catalog.db")))
    path = data.draw(paths("{outside}"))
    with_doors = data.draw(st.booleans())

    def plant(folder: Path, outside: Path) -> None:
        if with_doors:
            doors(folder, outside)
        with contextlib.suppress(sqlite3.IntegrityError):
            say_in_catalog(folder, table, column, path.replace("{outside}", str(outside)))

    survives(made, name, plant, strict=column in ("path", "label", "source", "target"))


def altered(values: Any, path: str, number: int) -> Any:
    """JSON values with the text of the given number exchanged for a path."""
    count = 0

    def walk(value: Any) -> Any:
        nonlocal count
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, str):
            count += 1
            return path if count - 1 == number else value
        return value

    return walk(values)


def say_in_file(file: Path, path: str, number: int) -> None:
    """Write a path into one text of a file of byod's: JSON, lines of JSON, a table or TOML."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        text = json.dumps(altered(json.loads(text), path, number))
    elif file.suffix == ".jsonl":
        text = "".join(
            json.dumps(altered(json.loads(line), path, number % 5)) + "\n" for line in text.splitlines()
        )
    elif file.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(text, newline="")))
        lines = io.StringIO(newline="")
        column = number % len(rows[0])
        csv.writer(lines).writerows([rows[0], *([*r[:column], path, *r[column + 1 :]] for r in rows[1:])])
        text = lines.getvalue()
    else:
        texts = re.findall(r'"[^"\n]*"', text)
        text = text.replace(texts[number % len(texts)], json.dumps(path), 1)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["classes", "points"])
@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_paths_in_any_file_lead_nowhere(made, name, data):
    """A path in recipe, label log, credits, points, reports, or a run's card and tables, reads and moves nothing."""
    texts = [
        path.relative_to(made / name).as_posix()
        for path in sorted((made / name).rglob("*"))
        if path.suffix in (".json", ".jsonl", ".csv", ".toml")
    ]
    file, path = data.draw(st.sampled_from(texts)), data.draw(paths("{outside}"))
    number, rebuilt = data.draw(st.integers(0, 40)), data.draw(st.booleans())

    def plant(folder: Path, outside: Path) -> None:
        doors(folder, outside)
        say_in_file(folder / file, path.replace("{outside}", str(outside)), number)
        if rebuilt:
            (folder / "catalog.db").unlink()

    survives(made, name, plant, strict=False)


ODD = [
    "-rf.jpg",
    "a\nb.jpg",
    "$(touch PWNED).jpg",
    "; touch PWNED.jpg",
    "..jpg",
    " .jpg",
    "\x1b[2J.jpg",
    "a\\b.jpg",
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_are_names(made, odd):
    """A picture of whatever name is a picture, and no verb does anything but look at it."""

    def plant(folder: Path, outside: Path) -> None:
        shutil.copyfile(made / "asked.jpg", folder / "images" / "circle" / odd)

    survives(made, "classes", plant)
