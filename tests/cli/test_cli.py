"""The command line: exit codes, one clear line for bad input, and the JSON that others rely on."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import byod
from loopback_sources import LoopbackSources, Work
from typer.testing import CliRunner

from byod.cli import app
from byod.dataset.dataset_folder import Dataset
from byod.tasks import TASKS
from byod.testing import draw_classes

HEAVY = (
    "torch",
    "fastai",
    "onnxruntime",
    "pandas",
    "scipy",
    "label_studio_sdk",
    "requests",
    "PIL",
    "pydantic",
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Two class folders of drawn pictures."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_classes(folder, classes=("circle", "square"), per_class=8, size=(320, 240))
    return folder


@pytest.fixture
def web(drawn):
    """Openverse, Commons and DuckDuckGo on loopback, offering the drawn pictures for two words."""
    with LoopbackSources() as server:
        for number, path in enumerate(sorted(drawn.rglob("*.jpg"))):
            url = server.put(f"/{number}.jpg", path.read_bytes())
            word = {"circle": "Kreis", "square": "Quadrat"}[path.parent.name]
            kind = "by" if number % 2 else None
            server.offer(word.lower(), Work(url=url, kind=kind, version="4.0", width=320, height=240))
        yield server


def test_help_loads_nothing_heavy(tmp_path):
    """`byod --help` and `import byod` load none of the libraries that take long to load."""
    asked = "import sys, byod\ntry:\n import byod.cli; byod.cli.app(['--help'])\nexcept SystemExit: pass\n"
    asked += f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stderr.strip() == "[]"
    for command in ("collect", "add", "status", "check", "train", "predict", "export", "doctor", "demo"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["collect"], 2, "name the classes"),
        (["collect", "a", "a"], 2, "twice"),
        (["collect", "a/b"], 2, "cannot name a class"),
        (["collect", "a", "--source", "pexels"], 2, "terms forbid"),
        (["collect", "a", "--source", "altavista"], 2, "openverse"),
        (["collect", "a", "--license", "free"], 2, "license"),
        (["collect", "a", "--query", "b=c"], 2, "CLASS=TERMS"),
        (["collect", "--recipe", "nowhere"], 1, "not a byod dataset"),
        (["collect", "--per-class", "x"], 2, "per-class"),
        (["status"], 1, "byod collect"),
        (["status", "nowhere"], 1, "nowhere"),
        (["add", "nowhere.jpg", "--label", "a", "--into", "d"], 2, "nowhere.jpg"),
        (["predict", "x.jpg"], 1, "byod train"),
        (["train", "--plugin", "nosuch"], 1, "byod collect"),
        (["nosuch"], 2, "nosuch"),
    ],
)
def test_bad_input_gets_one_line_and_an_exit_code(tmp_path, monkeypatch, arguments, code, says):
    """Whatever is wrong is said in one line on stderr, with 1 for "act" and 2 for "wrong usage"."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    assert says in done.stderr
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stdout == ""


@pytest.mark.slow
def test_two_words_become_a_dataset_over_three_sources(tmp_path, web):
    """`byod collect A B` fills ./datasets/A-B from all default sources, and reports in the promised JSON."""
    settings = {**web.environment(), "BYOD_CONTACT": "me@example.org"}
    arguments = ["collect", "Kreis", "Quadrat", "--per-class", "5", "--languages", "none", "--json"]
    done = byod(*arguments, folder=tmp_path, **settings)
    report = json.loads(done.stdout)
    assert report["classes"] == {"Kreis": 5, "Quadrat": 5}
    assert report["task"] == "classify"
    assert {row["source"] for row in report["yield"]} == {"openverse", "commons", "duckduckgo"}
    for row in report["yield"]:
        assert row["offered"] >= row["fetched"] >= row["valid"] >= row["unique"] >= row["kept"]
        assert row["stopped_by"]
    folder = tmp_path / "datasets" / "Kreis-Quadrat"
    assert len(list((folder / "images" / "Kreis").iterdir())) == 5
    assert json.loads(byod("status", "--json", folder=tmp_path).stdout)["classes"] == report["classes"]
    agents = {asked.headers.get("user-agent", "") for asked in web.asked if asked.path.endswith(".jpg")}
    assert all("me@example.org" in agent for agent in agents)


def test_a_dry_run_fetches_and_writes_nothing(tmp_path, web):
    """`--dry-run` lists what would be fetched, asks for no picture and leaves no file."""
    done = byod(
        "collect",
        "Kreis",
        "Quadrat",
        "--dry-run",
        "--languages",
        "none",
        folder=tmp_path,
        **web.environment(),
    )
    assert "openverse" in done.stdout
    assert not (tmp_path / "datasets").exists()
    assert not [asked for asked in web.asked if asked.path.endswith(".jpg")]


@pytest.mark.slow
def test_the_summary_counts_unknown_licences_and_the_policy_refuses_them(tmp_path, web):
    """Under `any` the unknown ones are counted with the command that refuses them; under `open` none is kept."""
    settings = web.environment()
    arguments = ["collect", "Kreis", "Quadrat", "--per-class", "8", "--languages", "none"]
    done = byod(*arguments, folder=tmp_path, **settings)
    assert "no stated licence" in done.stderr
    assert "--license open" in done.stderr
    strict = byod(*arguments, "--into", "strict", "--license", "open", "--json", folder=tmp_path, **settings)
    report = json.loads(strict.stdout)
    assert "unknown" not in report["licences"]
    assert report["rejected"]["licence-unknown"] > 0
    assert sum(report["classes"].values()) > 0


@pytest.mark.slow
def test_a_class_that_falls_short_says_why_for_each_source(tmp_path, web):
    """When the sources have no more, the summary names the class and what stopped each source."""
    arguments = ["collect", "Kreis", "Nichts", "--per-class", "50", "--languages", "none"]
    done = byod(*arguments, folder=tmp_path, **web.environment())
    assert "Nichts has 0 of 50: commons empty · duckduckgo empty · openverse empty" in done.stderr
    assert "Kreis has 8 of 50: openverse exhausted" in done.stderr


@pytest.mark.slow
def test_one_source_that_fails_does_not_stop_the_others(tmp_path, web):
    """A source without its key is named in one line and the rest is collected."""
    settings = web.environment(keys=False)
    arguments = [
        "collect",
        "Kreis",
        "--per-class",
        "3",
        "--source",
        "flickr",
        "--source",
        "openverse",
        "--json",
    ]
    report = json.loads(byod(*arguments, "--languages", "none", folder=tmp_path, **settings).stdout)
    assert report["classes"] == {"Kreis": 3}
    ends = {row["source"]: row["stopped_by"] for row in report["yield"]}
    assert ends["flickr"] == "no key"


@pytest.mark.slow
def test_own_pictures_are_added_checked_split_exported(tmp_path, drawn):
    """add, status, check, split, dedupe, restore and export work one after the other on own pictures."""
    byod("add", str(drawn), "--into", "datasets/shapes", folder=tmp_path)
    assert json.loads(byod("status", "--json", folder=tmp_path).stdout)["classes"] == {
        "circle": 8,
        "square": 8,
    }
    page = json.loads(byod("check", "--json", folder=tmp_path).stdout)["page"]
    assert "<html" in Path(page).read_text(encoding="utf-8")
    counts = json.loads(byod("split", "--json", folder=tmp_path).stdout)["counts"]
    assert sum(sum(part.values()) for part in counts.values()) == 16
    json.loads(byod("dedupe", "--json", folder=tmp_path).stdout)
    wrong = byod("restore", "nosuch", folder=tmp_path, check=2)
    assert "nosuch" in wrong.stderr
    written = Path(
        json.loads(byod("export", "--format", "folders", "--json", folder=tmp_path).stdout)["path"]
    )
    assert len(list(written.rglob("*.jpg"))) == 16
    assert byod("export", "--format", "floppy", folder=tmp_path, check=2).stderr.count("\n") == 1


@pytest.mark.slow
def test_a_table_says_what_own_pictures_show(tmp_path, drawn):
    """`add --labels` takes each picture into the class that the table says; what it cannot place is one line."""
    rows = [f"{path.relative_to(drawn)},{path.parent.name.upper()}" for path in sorted(drawn.rglob("*.jpg"))]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    asked = ("add", str(drawn), "--labels", str(table), "--into", "datasets/x")
    counts = json.loads(byod(*asked, "--json", folder=tmp_path).stdout)["classes"]
    assert counts == {"CIRCLE": 8, "SQUARE": 8}
    table.write_text("file,label\nnowhere.jpg,cat\n", encoding="utf-8")
    refused = byod(*asked, folder=tmp_path, check=1)
    assert "line 2: 'nowhere.jpg' is not among the pictures given" in refused.stderr
    table.write_text("name\nx\n", encoding="utf-8")
    refused = byod(*asked, folder=tmp_path, check=1)
    assert "not a CSV file with the columns file and label" in refused.stderr


def test_doctor_names_what_is_missing_and_what_to_do(tmp_path):
    """doctor lists contact, keys and trainers as JSON, and ends with 0 when nothing is broken."""
    done = byod("doctor", "--json", folder=tmp_path)
    lines = json.loads(done.stdout)
    assert any("contact" in line["what"] for line in lines)
    assert any("BYOD_FLICKR_KEY" in line["remedy"] for line in lines)
    assert all(line["remedy"] for line in lines if line["level"] != "ok" and "trainer" not in line["what"])


@pytest.mark.slow
def test_a_list_of_addresses_is_collected_with_its_labels(tmp_path, web):
    """`--from-urls` takes a csv with url and label, makes the classes, and has no limit to a class."""
    rows = ["url,label", *(f"{web.url}/{n}.jpg,{'rund' if n < 8 else 'eckig'}" for n in range(16))]
    (tmp_path / "list.csv").write_text(
        "\n".join([*rows, f"{web.url}/none.jpg,rund", "file:///etc/passwd,rund"])
    )
    done = byod(
        "collect", "--from-urls", "list.csv", "--into", "d", "--json", folder=tmp_path, **web.environment()
    )
    report = json.loads(done.stdout)
    assert report["classes"] == {"rund": 8, "eckig": 8}
    assert report["rejected"] == {"not-found": 1}
    assert report["listed"]["bad"] == {"address-scheme": 1}
    assert "row 19" in done.stderr
    assert '"19","address-scheme"' in (tmp_path / "d" / "bad-rows.csv").read_text()


@pytest.mark.slow
def test_pictures_by_one_person_stay_on_one_side_of_the_split(tmp_path, web):
    """Where creator or page are known, pictures that share one are one group, and have the same part."""
    kin = {0: "Anna,", 1: "Anna,", 8: ",https://x.test/p", 9: ",https://x.test/p"}
    rows = [f"{web.url}/{n}.jpg,{'rund' if n < 8 else 'eckig'},{kin.get(n, ',')}" for n in range(16)]
    (tmp_path / "list.csv").write_text("\n".join(["url,label,creator,page", *rows]))
    byod("collect", "--from-urls", "list.csv", "--into", "d", folder=tmp_path, **web.environment())
    byod("split", "d", folder=tmp_path)
    with Dataset(tmp_path / "d", TASKS) as dataset:
        snapshot = dataset.snapshot()
        examples = {e.sha256: e for e in dataset.examples(snapshot)}
    tied = [{sha for sha, found in snapshot.origins.items() if found[0].creator == "Anna"}]
    tied.append({sha for sha, found in snapshot.origins.items() if found[0].page})
    for members in tied:
        assert len(members) == 2
        assert len({examples[sha].group for sha in members}) == 1
        assert len({examples[sha].split for sha in members}) == 1
    assert len({e.group for e in examples.values()}) == len(examples) - 2


@pytest.mark.slow
def test_a_policy_made_stricter_reaches_what_was_collected_and_one_made_looser_takes_it_back(tmp_path, web):
    """--license open on the same dataset sets the unknown ones aside and replaces them; any lets them return."""
    settings = web.environment()
    arguments = ["collect", "Kreis", "Quadrat", "--per-class", "8", "--languages", "none", "--json"]
    first = json.loads(byod(*arguments, folder=tmp_path, **settings).stdout)
    assert first["licences"]["unknown"] > 0
    strict = json.loads(byod(*arguments, "--license", "open", folder=tmp_path, **settings).stdout)
    assert "unknown" not in strict["licences"]
    assert strict["rejected"]["licence-unknown"] >= first["licences"]["unknown"]
    loose = json.loads(byod(*arguments, "--license", "any", folder=tmp_path, **settings).stdout)
    assert loose["classes"] == first["classes"]
    other = ["collect", "Kreis", "--per-class", "8", "--languages", "none", "--json", "--into", "other"]
    few = json.loads(byod(*other, "--license", "open", folder=tmp_path, **settings).stdout)
    more = json.loads(byod(*other, "--license", "any", folder=tmp_path, **settings).stdout)
    assert more["classes"]["Kreis"] == 8 > few["classes"]["Kreis"]


@pytest.mark.slow
def test_own_pictures_need_no_licence(tmp_path, drawn):
    """A dataset whose policy is commercial takes a person's own pictures."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "byod.toml").write_text('license = "commercial"\n')
    done = byod("add", str(drawn), "--into", "d", "--json", folder=tmp_path)
    assert json.loads(done.stdout)["classes"] == {"circle": 8, "square": 8}


def test_a_disk_that_cannot_be_written_is_said_in_one_line(tmp_path, drawn):
    """A full disk ends with one line and exit code 1."""
    code = (
        "import errno, sys\nfrom byod.schema import files\nfrom byod.cli import app\n"
        "def full(self, name, content): raise OSError(errno.ENOSPC, 'No space left on device', name)\n"
        "files.Folder.create = full\napp(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "add", str(drawn), "--into", "d"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_class_that_falls_short_goes_on_in_english_unless_forbidden(tmp_path, web, drawn):
    """A source that knows no language is asked in English, and by the typed word once that does not bring enough."""
    web.entities = {"Q1": {"labels": {"de": "Kreis", "en": "circle"}, "articles": 50}}
    more = sorted((drawn / "square").iterdir())
    for number, path in enumerate(more):
        url = web.put(f"/english-{number}.jpg", path.read_bytes())
        web.offer("circle", Work(url=url, kind="by", version="4.0", width=320, height=240))
    settings = web.environment()
    arguments = ["collect", "Kreis", "--per-class", "12", "--source", "openverse", "--json"]
    report = json.loads(byod(*arguments, folder=tmp_path, **settings).stdout)
    assert report["classes"] == {"Kreis": 12}
    kept = {row["query"]: row["kept"] for row in report["yield"]}
    assert kept == {"circle": 8, "Kreis": 4}
    (folder,) = (tmp_path / "datasets").iterdir()
    with (folder / "CREDITS.csv").open(encoding="utf-8") as file:
        marks = {(row["terms"], row["widened"], row["item"]) for row in csv.DictReader(file)}
    assert marks == {("circle", "en", "Q1"), ("Kreis", "", "Q1")}
    forbidden = byod(*arguments, "--languages", "none", "--into", "none", folder=tmp_path, **settings)
    assert json.loads(forbidden.stdout)["classes"] == {"Kreis": 8}


@pytest.mark.slow
def test_a_collection_that_brought_nothing_ends_with_one(tmp_path, web):
    """When no picture at all was kept, the exit code says so and no folder is praised."""
    done = byod("collect", "Nichts", "--languages", "none", folder=tmp_path, check=1, **web.environment())
    assert "no picture was kept" in done.stderr
    assert "byod train" not in done.stdout


@pytest.mark.slow
def test_a_list_is_asked_again_for_what_was_opted_out_once_that_is_ignored(tmp_path, web):
    """--ignore-optout on the second run of a list fetches what its owner's robots.txt kept away on the first."""
    web.put("/robots.txt", b"User-agent: *\nDisallow: /0.jpg\n", "text/plain")
    (tmp_path / "list.csv").write_text(f"url,label\n{web.url}/0.jpg,rund\n{web.url}/1.jpg,rund\n")
    arguments = ["collect", "--from-urls", "list.csv", "--into", "d", "--json"]
    first = json.loads(byod(*arguments, folder=tmp_path, **web.environment()).stdout)
    assert (first["classes"], first["rejected"]) == ({"rund": 1}, {"robots": 1})
    second = json.loads(byod(*arguments, "--ignore-optout", folder=tmp_path, **web.environment()).stdout)
    assert second["classes"] == {"rund": 2}
