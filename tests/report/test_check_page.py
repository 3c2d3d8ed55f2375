"""The page of `byod check`: it shows what is wrong, stays small, and whatever strangers wrote stays text."""

import html
import io
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from loopback_proxy import proxy
from page_languages import Reading
from PIL import Image
from troubled_dataset import troubled

from byod.report import check_findings, check_page
from byod.report.check_findings import LikelyGroup
from byod.report.check_page import write_check
from byod.schema.label_issue import LabelIssue
from byod.schema.reasons import Reason
from byod.schema.records import Sample, Status
from byod.tasks import TASKS

PAGES = TASKS["classify"].pages

HOSTILE = (
    "\"><script>document.title='pwned'</script><img src=http://evil.example/x onerror=alert(1)>'{{ 7*7 }}"
)


@pytest.fixture(scope="session")
def chromium():
    """The browser's path; without one a test is skipped, in CI it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found and os.environ.get("CI"):
        pytest.fail("no chromium")
    return found or pytest.skip("no chromium")


@pytest.fixture
def outside():
    """A proxy that counts what a browser asks the world for."""
    with proxy() as found:
        yield found


def dom(chromium, page: Path, folder: Path, port: int = 9) -> str:
    """The page's DOM as a real browser has it in the end."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--proxy-server=http://127.0.0.1:{port}"]
    command += ["--proxy-bypass-list=<-loopback>", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


class Elements(HTMLParser):
    """Counts the elements of a page and gathers its attributes, and its words in English."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = Counter(), []
        self.words = Reading(text).words
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, *pair) for pair in attrs]


def test_it_says_what_is_wrong(tmp_path, drawn_snapshot):
    """Counts, imbalance, conflicts, copies, look-alikes, reasons, licences and yields are all there."""
    page = write_check(troubled(drawn_snapshot, tmp_path / "set"), PAGES, tmp_path / "set")
    assert page == tmp_path / "set" / "check.html"
    words = Elements(page.read_text("utf-8")).words
    for expected in (
        "27 usable pictures",
        "The largest class (“Möhre”, 19) has 2.4 times the pictures of the smallest (“Kohl”, 8).",
        "“Kohl” has 8 pictures: too few to learn from",
        "2 conflicts : the same picture under different class names",
        "Möhre or Kohl ?",
        "rejected/duplicate/ has 1 copy of 1 picture.",
        "Möhre: one mirrors the other",
        "1 placeholder was set aside",
        "the file is gone",
        "not-found 3 the picture is no longer there",
        "too-small 1 the picture is smaller than asked for",
        "1 picture states no licence",
        "CC BY 4.0",
        "openverse q1 Möhre 30 20 0 0 0 Jörg",
        "Shorter side: 48 to 48 pixels",
        "1 group of similar pictures stays together",
    ):
        assert expected in words, expected
    assert words.count("kept") >= 1


def test_links_lead_to_the_pictures(tmp_path, drawn_snapshot):
    """Every link to a picture leads to a file that is there, from wherever the page stands."""
    snapshot = troubled(drawn_snapshot, tmp_path / "a set #1")
    for page in (snapshot.folder / "check.html", tmp_path / "pages" / "mine.html"):
        assert write_check(snapshot, PAGES, page) == page
        links = [v for t, k, v in Elements(page.read_text("utf-8")).attributes if (t, k) == ("a", "href")]
        from urllib.parse import unquote

        files = [unquote(link) for link in links if not link.startswith(("#", "http"))]
        assert len(files) > 20
        assert all((page.parent / file).is_file() for file in files)


def test_conflict_commands_do_what_they_say(tmp_path, drawn_snapshot):
    """Each command under a conflict moves the picture into the class it names, whatever the folders are called."""
    odd = ("it's; touch pwned", "$(touch pwned) `touch pwned`")
    snapshot = troubled(drawn_snapshot, tmp_path / "set", safe=odd)
    page = write_check(snapshot, PAGES, tmp_path / "set")
    commands = re.findall(r"<dd><code>(.*?)</code></dd>", page.read_text("utf-8"))
    assert len(commands) == 4  # two conflicts, two classes each
    moved = {}
    for number, command in enumerate(map(html.unescape, commands)):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(snapshot.folder, copy)
        before = {path.name for path in (copy / "rejected" / "conflict").iterdir()}
        subprocess.run(["sh", "-c", command], cwd=copy, check=True)
        [name] = before - {path.name for path in (copy / "rejected" / "conflict").iterdir()}
        [where] = [folder for folder in odd if (copy / "images" / folder / name).is_file()]
        moved.setdefault(name, []).append(where)
        assert not list(copy.rglob("pwned"))
    assert sorted(map(sorted, moved.values())) == [sorted(odd), sorted(odd)]


def test_strangers_text_stays_text(tmp_path, drawn_snapshot):
    """Hostile class names, details, licences and endings add no element and no attribute to the page."""
    plain = write_check(troubled(drawn_snapshot, tmp_path / "a"), PAGES, tmp_path / "plain.html")
    snapshot = troubled(drawn_snapshot, tmp_path / "b", HOSTILE, HOSTILE + "2", HOSTILE)
    hostile = write_check(snapshot.model_copy(update={"name": HOSTILE}), PAGES, tmp_path / "hostile.html")
    before, after = (Elements(page.read_text("utf-8")) for page in (plain, hostile))
    assert after.tags == before.tags
    assert [(t, k) for t, k, _ in after.attributes] == [(t, k) for t, k, _ in before.attributes]
    assert after.tags["script"] == 1
    assert "document.title='pwned'" in after.words
    assert "{{ 7*7 }}" in after.words


def test_a_browser_runs_nothing_and_asks_for_nothing(tmp_path, drawn_snapshot, chromium, outside):
    """In a real browser hostile text runs no script, makes no element, and the page asks nobody for anything."""
    port, asked = outside
    snapshot = troubled(drawn_snapshot, tmp_path / "set", HOSTILE, HOSTILE + "2", HOSTILE)
    page = write_check(snapshot.model_copy(update={"name": "name " + HOSTILE}), PAGES, tmp_path / "set")
    seen = dom(chromium, page, tmp_path, port)
    elements = Elements(seen)
    assert elements.tags["script"] == 1  # the page's own, which its policy names
    assert elements.tags["section"] >= 8
    assert f"<title>{html.escape('name ' + HOSTILE, quote=False)}".encode() in seen.encode()
    pictures = [value for tag, key, value in elements.attributes if (tag, key) == ("img", "src")]
    assert len(pictures) > 20
    assert all(value.startswith("data:image/jpeg;base64,") for value in pictures)
    assert not [key for _, key, _ in elements.attributes if key.startswith("on")]
    assert not [address for address in asked if "evil" in address or "example" in address]


@pytest.mark.slow
def test_the_proxy_would_notice(tmp_path, chromium, outside):
    """The check before is worth something: a page that does ask the world is seen asking."""
    port, asked = outside
    page = tmp_path / "leaky.html"
    page.write_text("<img src=http://evil.example/x>")
    dom(chromium, page, tmp_path, port)
    assert any("evil.example" in address for address in asked)


@pytest.mark.parametrize("width", [390, pytest.param(1200, marks=pytest.mark.slow)])
def test_nothing_sticks_out(tmp_path, drawn_snapshot, chromium, width):
    """The page fits a phone's width and a desktop's, long words and all, without scrolling sideways."""
    long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenbrokkoli" * 4
    snapshot = troubled(drawn_snapshot, tmp_path / "set", long, "W" * 300, "x" * 500)
    page = write_check(snapshot, PAGES, tmp_path / "set")
    around = tmp_path / "around.html"
    around.write_text(
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(page.read_text("utf-8"))}">'
        "</iframe><script>onload = () => { const d = frames[0].document.documentElement;"
        " document.title = `${d.scrollWidth} of ${d.clientWidth}` }</script>",
        encoding="utf-8",
    )
    seen = re.search(r"<title>(\d+) of (\d+)</title>", dom(chromium, around, tmp_path))
    assert seen is not None
    assert int(seen[1]) <= int(seen[2]) <= width


def test_a_large_set_makes_a_small_page(tmp_path, drawn_snapshot):
    """With 10,000 pictures and trouble everywhere the page stays below 15 MB and opens a bounded number of them."""
    made = drawn_snapshot(tmp_path / "set", {f"class {n}": f"class{n}" for n in range(40)}, per_class=1)
    first = made.samples[0]
    samples = []
    for number in range(10_000):
        sha256 = f"{number:064x}"
        status = Status.KEPT if number % 3 else Status.REJECTED
        reason = None if number % 3 else list(Reason)[number // 3 % len(Reason)]
        samples.append(
            Sample(
                sha256=sha256,
                label=f"class {number % 40}",
                status=status,
                reason=reason,
                keeper=f"{number - number % 100 + 1:064x}" if reason is Reason.DUPLICATE else None,
                path=f"images/class{number % 40}/{sha256}.jpg",
                width=600,
                height=400,
                size=1000,
            )
        )
    pairs = tuple((f"{n:064x}", f"{n + 3:064x}", "mirrored") for n in range(1, 3000, 3))
    large = made.model_copy(
        update={
            "samples": tuple(samples),
            "conflicts": tuple(pair[:2] for pair in pairs),
            "lookalikes": pairs,
        }
    )
    opened = []

    def thumbnail(path):
        opened.append(path)
        return os.urandom(14_000)

    page = write_check(large, PAGES, tmp_path / "out", thumbnail=thumbnail)
    assert page.stat().st_size < 15_000_000
    assert 200 < len(opened) < 1200
    assert "were left out to keep this page small" in page.read_text("utf-8")
    assert first.label in page.read_text("utf-8")


def test_an_unchanged_page_is_not_touched(tmp_path, drawn_snapshot):
    """The same dataset gives the same page, and the file keeps its time."""
    snapshot = drawn_snapshot(tmp_path / "set", {"a": "a", "b": "b"})
    page = write_check(snapshot, PAGES, tmp_path / "set")
    before = page.stat().st_mtime_ns
    write_check(snapshot, PAGES, tmp_path / "set")
    assert page.stat().st_mtime_ns == before


def test_an_empty_set_has_a_page(tmp_path, drawn_snapshot):
    """A dataset without pictures, or without classes, gets a page that says so."""
    for classes, words in (({"a": "a"}, "No class has any pictures yet"), ({}, "There are no classes yet")):
        snapshot = drawn_snapshot(tmp_path / "set", classes, per_class=0)
        assert words in write_check(snapshot, PAGES, tmp_path / "set").read_text("utf-8")


def test_damaged_and_missing_pictures_are_said(tmp_path, drawn_snapshot):
    """A picture that cannot be opened shows why in its place, without a link."""
    snapshot = drawn_snapshot(tmp_path / "set", {"a": "a"}, per_class=3)
    first, second, third = snapshot.samples
    (snapshot.folder / first.path).write_bytes(b"<script>alert(1)</script>")
    (snapshot.folder / second.path).unlink()
    page = Elements(write_check(snapshot, PAGES, tmp_path / "set").read_text("utf-8"))
    assert "cannot be shown: not-a-picture" in page.words
    assert "the file is gone" in page.words
    links = [v for t, k, v in page.attributes if (t, k) == ("a", "href") and v.startswith("images/")]
    assert links == [third.path]


def test_small_pictures_are_small(tmp_path, drawn_snapshot):
    """The page holds JPEGs of at most 168 pixels a side, upright."""
    import base64

    snapshot = drawn_snapshot(tmp_path / "set", {"a": "a"}, per_class=1)
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (1000, 500), "red").save(snapshot.folder / snapshot.samples[0].path, exif=exif)
    page = Elements(write_check(snapshot, PAGES, tmp_path / "set").read_text("utf-8"))
    [source] = [value for tag, key, value in page.attributes if (tag, key) == ("img", "src")]
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert (image.format, image.size) == ("JPEG", (84, 168))


def test_the_look_is_one_file():
    """The style that all pages share asks for nothing from outside."""
    text = (Path(check_page.__file__).parent / "templates" / "_style.css.html").read_text("utf-8")
    assert "@import" not in text
    assert "url(" not in text


def test_groups_that_features_proposed_and_hard_pictures_are_shown(drawn_snapshot, tmp_path):
    """The page names each group with its pictures, and shows hard pictures apart, without a move to correct them."""
    snapshot = troubled(drawn_snapshot, tmp_path / "set")
    kept = snapshot.kept
    one, other = list(snapshot.classes)[:2]
    hard = LabelIssue(sha256=kept[0].sha256, file="a.jpg", label=one, suggested=other, quality=0.2, doubt=0.0)
    group = LikelyGroup(name="a shelf 1", members=tuple(sample.sha256 for sample in kept[:3]))
    found = check_findings.look(snapshot, PAGES, suspects=(), hard=[hard], together=[group])
    text = write_check(snapshot, PAGES, tmp_path / "set", found=found).read_text("utf-8")
    together = text.partition('<section id="together">')[2].partition("</section>")[0]
    assert "a shelf 1" in together
    assert together.count("<figure") == 3
    shown = text.partition('<section id="hard">')[2].partition("</section>")[0]
    assert shown.count("<figure") == 1
    assert "mv " not in shown
    assert 'id="suspects"' not in text
