"""`byod collect` from the command line: what words mean, which pictures are wanted, and what the recipe keeps of it."""

import csv
import json
import socket
import subprocess
import sys
import time
import tomllib

import pytest
from loopback_sources import LoopbackSources, Work
from typer.testing import CliRunner

import byod
from byod.api import plan
from byod.cli import app
from byod.collection.download import Limits
from byod.schema.recipe import Recipe
from byod.testing import draw_classes

GERMAN = {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve pictures, all of them different."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_classes(folder, classes=("circle", "square"), per_class=6)
    return sorted(folder.rglob("*.jpg"))


@pytest.fixture
def web(drawn, monkeypatch):
    """Boats, boots and cats, each under its English name, and Wikidata's boats and boots."""
    with LoopbackSources() as server:
        server.entities = {
            "Q35872": {
                "labels": {"en": "boat", "de": "Boot"},
                "description": "small watercraft",
                "keys": {"P373": "Boats"},
            },
            "Q190868": {"labels": {"en": "boot", "de": "Stiefel"}, "description": "type of footwear"},
            "Q146": {"labels": {"en": "house cat", "de": "Katze"}, "aliases": {"en": ["cat"]}},
        }
        for number, path in enumerate(drawn):
            words = ("boat", "boot", "cat")[number % 3]
            url = server.put(f"/{number}.jpg", path.read_bytes())
            server.offer(words, Work(url=url, width=320, height=240))
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        for name, value in {"LANG": "C.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}.items():
            monkeypatch.setenv(name, value)
        yield server


def collect(tmp_path, *arguments, code=0, source="openverse"):
    """Run `byod collect` into tmp_path/d; its report (stdout as JSON) and what it said."""
    typed = ["collect", *arguments, "--source", source, "--into", str(tmp_path / "d"), "--json"]
    done = CliRunner().invoke(app, [*typed, "--min-side", "1"])
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return (json.loads(done.stdout) if done.stdout else None), done.stderr


def recipe_of(tmp_path):
    return tomllib.loads((tmp_path / "d" / "byod.toml").read_text(encoding="utf-8"))


def asked(web, place="/v1/images/"):
    """The words that a source was asked, each once: Openverse is asked with and without its word for photos."""
    return list(dict.fromkeys(each.params["q"] for each in web.asked if each.path == place))


def test_the_meaning_is_said_searched_written_and_marked(tmp_path, web, monkeypatch):
    """*Boot* on a German machine is a boat: the line says so, the recipe keeps it, and boots are not asked for."""
    for name, value in GERMAN.items():
        monkeypatch.setenv(name, value)
    report, said = collect(tmp_path, "Boot", "--languages", "none")
    assert "Boot: boat, small watercraft, Q35872 (read in German)" in said
    assert asked(web) == ["boat"]
    assert report["classes"] == {"Boot": 4}
    assert report["meanings"]["Boot"]["item"] == "Q35872"
    meaning = recipe_of(tmp_path)["classes"]["Boot"]["meaning"]
    assert meaning == {
        "item": "Q35872",
        "name": "boat",
        "description": "small watercraft",
        "language": "de",
        "keys": {"P373": "Boats"},
    }
    with (tmp_path / "d" / "CREDITS.csv").open(encoding="utf-8") as file:
        assert {(row["item"], row["widened"], row["terms"]) for row in csv.DictReader(file)} == {
            ("Q35872", "en", "boat")
        }


@pytest.mark.slow
def test_a_recipe_needs_no_second_reading(tmp_path, web):
    """Run again, a recipe searches by the meaning it holds, whatever the machine speaks, and asks Wikidata nothing."""
    collect(tmp_path, "Boot", "--words-in", "de", "--languages", "none")
    assert recipe_of(tmp_path)["words_in"] == "de"
    web.asked.clear()
    done = CliRunner().invoke(app, ["collect", "--recipe", str(tmp_path / "d")])
    assert done.exit_code == 0
    assert "Boot: boat, small watercraft, Q35872" in done.stderr
    assert not [each for each in web.asked if each.path == "/w/api.php"]


@pytest.mark.slow
def test_a_meaning_is_chosen_for_a_class(tmp_path, web):
    """`--meaning` names the item, in small letters too, or none; a hand-written number in the recipe is completed."""
    collect(tmp_path, "Boot", "cat", "--meaning", "Boot=q190868", "--meaning", "cat=none")
    assert asked(web)[:2] == ["Boot", "cat"]
    classes = recipe_of(tmp_path)["classes"]
    assert classes["Boot"]["meaning"]["name"] == "boot"
    assert classes["cat"]["meaning"] == {"item": "none"}
    file = tmp_path / "d" / "byod.toml"
    lines = [
        "[classes.Boot]" if line.startswith("[classes.Boot") else line
        for line in file.read_text().splitlines()
    ]
    changed = [
        'meaning = "Q35872"' if line.startswith("meaning") and "Q190868" in line else line for line in lines
    ]
    file.write_text("\n".join(changed))
    collect(tmp_path, "--words-in", "de", "Boot")
    assert recipe_of(tmp_path)["classes"]["Boot"]["meaning"]["name"] == "boat"


@pytest.mark.slow
def test_another_language_reads_the_words_anew(tmp_path, web):
    """`--words-in` on a dataset that is there replaces what was read in another language."""
    collect(tmp_path, "Boot", "--words-in", "en")
    assert recipe_of(tmp_path)["classes"]["Boot"]["meaning"]["item"] == "Q190868"
    collect(tmp_path, "Boot", "--words-in", "de")
    assert recipe_of(tmp_path)["classes"]["Boot"]["meaning"]["item"] == "Q35872"


def test_words_can_be_left_alone(tmp_path, web):
    """`--words-in none` asks Wikidata nothing and searches what was typed."""
    _, said = collect(tmp_path, "boot", "--words-in", "none")
    assert asked(web) == ["boot"]
    assert "searched as typed" in said
    assert not [each for each in web.asked if each.path == "/w/api.php"]


def test_a_host_that_wants_to_know_the_page_is_told_it_when_asked_for(tmp_path, web):
    """`--referer` sends the page of each picture with it, and the recipe keeps nothing of it."""
    for work in web.works["boot"]:
        object.__setattr__(work, "page", "http://pages.example/boot?id=1")
    collect(tmp_path, "boot", "--referer")
    told = {each.headers.get("referer") for each in web.asked if each.path.endswith(".jpg")}
    assert told == {"http://pages.example/boot?id=1"}
    assert "referer" not in recipe_of(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--meaning", "boot"], "write CLASS=ITEM"),
        (["--meaning", "boot=boat"], "write CLASS=ITEM"),
        (["--meaning", "boot=Q0"], "write CLASS=ITEM"),
        (["--meaning", "boot=Q1|Q2"], "write CLASS=ITEM"),
        (["--meaning", "dog=Q144"], "with a class of this dataset"),
        (["--meaning", "boot=Q404"], "Wikidata has no item Q404"),
        (["--words-in", "german"], "is not a language code"),
        (["--languages", "de,english"], "'english' is not a language code"),
        (["--kind", "sculpture"], "--kind"),
        (["--safe", "maybe"], "--safe"),
        (["--size", "huge"], "--size"),
        (["--age", "decade"], "--age"),
        (["--colour", "beige"], "--colour"),
        (["--exclude-host", "exa mple"], "is not a host"),
        (["--exclude-host", ""], "is not a host"),
        (["--deadline", "0"], "--deadline"),
        (["--per-host", "1000"], "--per-host"),
        (["--retries", "99"], "--retries"),
        (["--cookies", "nowhere.txt"], "--cookies nowhere.txt cannot be read"),
    ],
)
def test_what_is_typed_is_checked_before_anything_is_written(tmp_path, web, arguments, says):
    """Each bad value is one line and exit code 2, and no folder is made."""
    _, said = collect(tmp_path, "boot", *arguments, code=2)
    assert says in said
    assert not (tmp_path / "d").exists()


@pytest.mark.slow
def test_limits_and_choices_are_kept_for_the_recipe(tmp_path, web):
    """Delay, hosts, tries, deadline and what is wanted stand in byod.toml; `any` and `none` take them back."""
    given = {
        "delay": 0.01,
        "per_host": 3,
        "retries": 4,
        "deadline": 20.0,
        "kind": "any",
        "safe": "off",
        "size": "large",
    }
    typed = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    collect(
        tmp_path, "boot", *typed, "--exclude-host", "https://Example.com/x", "--exclude-host", "pinterest"
    )
    kept = recipe_of(tmp_path)
    assert {name: kept[name] for name in given} == given
    assert kept["exclude_hosts"] == ["stock", "example.com", "pinterest"]
    collect(tmp_path, "boot", "--size", "any", "--exclude-host", "none", "--delay", "0")
    kept = recipe_of(tmp_path)
    assert "size" not in kept
    assert (kept["exclude_hosts"], kept["delay"], kept["retries"]) == ([], 0, 4)


def test_the_limits_of_a_recipe_are_those_of_the_download():
    """What the recipe keeps is what is kept to, and the rest is as ever."""
    kept = Recipe(delay=0.5, per_host=1, retries=3, deadline=9)
    found = plan.limits({"workers": 5}, kept)
    assert (found.delay, found.per_host, found.tries, found.deadline, found.workers) == (0.5, 1, 4, 9, 5)
    assert plan.limits({}, Recipe()) == Limits()


@pytest.mark.slow
def test_pictures_of_stock_sites_are_left_out_and_said(tmp_path, web):
    """The list is named before the search, refusals are counted, and `none` takes them, fetched or not before."""
    for work in web.works["boot"]:
        object.__setattr__(work, "page", "https://www.alamy.de/1")
    report, said = collect(tmp_path, "boot", code=1)
    assert "stock sites, which carry watermarks (gettyimages" in said
    assert report["rejected"] == {"excluded-host": 4}
    assert not [each for each in web.asked if each.path.endswith(".jpg")]
    report, said = collect(tmp_path, "boot", "--exclude-host", "none")
    assert report["classes"] == {"boot": 4}
    assert "stock" not in said


@pytest.mark.slow
def test_an_option_that_a_source_cannot_heed_is_said(tmp_path, web):
    """Sources that know no colours are named."""
    _, said = collect(tmp_path, "boot", "--colour", "red", "--kind", "drawing", source="commons")
    assert "commons cannot filter by colour, kind; it offers all" in said


@pytest.mark.slow
def test_one_query_for_several_classes_is_refused(tmp_path, web):
    """`[sources.NAME] query` without the class's words would fill all classes alike."""
    collect(tmp_path, "boot", "cat")
    file = tmp_path / "d" / "byod.toml"
    text = file.read_text().replace('sources = ["openverse"]\n', "")
    file.write_text(text + '\n[sources.openverse]\nquery = "boat"\n')
    done = CliRunner().invoke(app, ["collect", "--recipe", str(tmp_path / "d")])
    assert done.exit_code == 2
    assert "write {words}" in done.stderr


@pytest.mark.slow
def test_hosts_that_a_person_wrote_are_checked(tmp_path, web):
    """A host in byod.toml that would match nothing is said, with what to write."""
    collect(tmp_path, "boot", "--exclude-host", "example.com")
    file = tmp_path / "d" / "byod.toml"
    file.write_text(file.read_text().replace('"example.com"', '"https://Example.com/a"'))
    done = CliRunner().invoke(app, ["collect", "--recipe", str(tmp_path / "d")])
    assert done.exit_code == 2
    assert "exclude_hosts: write 'example.com' for 'https://Example.com/a'" in done.stderr


@pytest.mark.slow
def test_a_table_beside_the_list_of_sources_is_said_with_the_cure(tmp_path, web):
    """TOML knows no list that is a table as well: whoever appends one is told which line has to go."""
    collect(tmp_path, "boot")
    with (tmp_path / "d" / "byod.toml").open("a") as file:
        file.write('\n[sources.openverse]\nquery = "boat"\n')
    done = CliRunner().invoke(app, ["collect", "--recipe", str(tmp_path / "d")])
    assert done.exit_code == 1
    assert "remove the line `sources = …`" in done.stderr


@pytest.mark.slow
def test_what_is_asked_of_one_source_stays_when_sources_are_named(tmp_path, web):
    """`--source` chooses among the tables of a recipe and adds to them; what they say stays."""
    collect(tmp_path, "boot")
    file = tmp_path / "d" / "byod.toml"
    text = file.read_text().replace('sources = ["openverse"]\n', "")
    file.write_text(text + '\n[sources.openverse]\nquery = "boat"  # boats\n')
    collect(tmp_path, "boot", "--source", "flickr")
    assert recipe_of(tmp_path)["sources"] == {"flickr": {}, "openverse": {"query": "boat"}}


def test_a_dry_run_says_meanings_and_writes_nothing(tmp_path, web):
    """What would be searched is what is meant."""
    done = CliRunner().invoke(
        app, ["collect", "cat", "--source", "openverse", "--dry-run", "--json", "--into", "d"]
    )
    report = json.loads(done.stdout)
    assert report["meanings"]["cat"]["item"] == "Q146"
    assert {each["item"] for each in report["candidates"]} == {"Q146"}


def test_a_program_is_asked_which_meaning_is_meant(tmp_path, web, monkeypatch):
    """`choose` of the library gets the word and its meanings where nothing decides; the answer is kept."""
    web.entities = {
        "Q44602": {"labels": {"en": "magpie", "fr": "pie"}},
        "Q15807": {"labels": {"en": "foot", "es": "pie"}},
    }
    options = {"sources": "openverse", "dry_run": True, "progress": False}
    found = byod.collect("pie", choose=lambda word, among: among[1], **options)
    assert found.recipe.classes["pie"].meaning.item == "Q15807"
    assert byod.collect("pie", **options).recipe.classes["pie"].meaning is None
    assert set(asked(web)) == {"foot", "pie"}


@pytest.mark.slow
def test_without_wikidata_words_are_searched_as_typed(tmp_path, web, monkeypatch):
    """A Wikidata that refuses connections is said in one line, and pictures come all the same."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BYOD_WIKIDATA_URL", f"http://127.0.0.1:{place.getsockname()[1]}")
        report, said = collect(tmp_path, "boot", "--languages", "none")
    assert report["classes"] == {"boot": 4}
    assert "wikidata" in said
    assert "until then words are searched as typed" in said


@pytest.mark.slow
def test_a_wikidata_that_hangs_holds_no_picture_up(tmp_path, web, monkeypatch):
    """One that takes the question and says nothing is waited for three seconds, and then pictures come."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        monkeypatch.setenv("BYOD_WIKIDATA_URL", f"http://127.0.0.1:{place.getsockname()[1]}")
        arguments = ["collect", "boot", "--source", "openverse", "--languages", "none", "--into", "d"]
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "byod", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "wikidata does not answer within 2.5 s" in done.stderr
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_a_person_at_a_terminal_is_asked(tmp_path, web):
    """On a terminal the meanings are listed by number; an answer that is none of them is asked again."""
    import os
    import pty

    web.entities = {
        "Q44602": {"labels": {"en": "magpie", "fr": "pie"}},
        "Q15807": {"labels": {"en": "foot", "es": "pie"}},
    }
    web.offer("foot", Work(url="https://pictures.example/foot.jpg", width=320, height=240))
    ours, theirs = pty.openpty()
    os.write(ours, b"7\n2\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "byod",
            "collect",
            "pie",
            "--source",
            "openverse",
            "--languages",
            "none",
            "--dry-run",
        ],
        cwd=tmp_path,
        env={**os.environ, "BYOD_CONTACT": "me@example.org"},
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert asked(web) == ["foot"]
