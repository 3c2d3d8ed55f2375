"""The pages: every command and option they show exists, no link leads nowhere, each can be reached from the README."""

import re
import shlex
from pathlib import Path

import pytest
from documented import ROOT, anchors, known, links, name, options, pages, shown, spans, text

README = ROOT / "README.md"
PAGES = [page for page in pages() if page.name != "CHANGELOG.md"]  # which tells of what is gone, too


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_shown_exists_with_its_options(page: Path):
    """A command or option that was renamed is found on the page that still shows it."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    for line in shown(page):
        if line.startswith("make"):
            words = [word for word in shlex.split(line)[1:] if "=" not in word]
            assert set(words) <= targets, line
        else:
            assert known(line), line


def test_the_pages_show_commands():
    """The test above looks at something, on the pages for learners as well."""
    assert sum(len(shown(page)) for page in PAGES) > 200
    for learned in ("erste-schritte", "training-elsewhere"):
        assert len(shown(ROOT / "docs" / f"{learned}.md")) > 5


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_option_named_alone_is_one(page: Path):
    """A code span that begins with an option names one of byod, or of a program that the page shows or lies beside."""
    ours = {"--help", "--version"}.union(*options().values())
    theirs = {
        word.split("=")[0]
        for line in re.findall(r"^(?: {4}|.*`)(?!byod|--)(\S.* --.*)$", text(page), flags=re.MULTILINE)
        for word in re.findall(r"--[a-z][a-z-]*", line.partition("` ")[0])
    }
    for script in page.parent.glob("*.py"):
        theirs |= set(re.findall(r"--[a-z][a-z-]*", script.read_text(encoding="utf-8")))
    named = {
        word
        for span in spans(text(page))
        if span.startswith("--")
        for word in re.findall(r"(?<!\S)--[a-z][a-z-]*", span)
    }
    assert named <= ours | theirs, named - ours - theirs


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_link_leads_somewhere(page: Path):
    """The file that a link names is there, and has the heading that stands behind the #."""
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, heading = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


def test_every_page_can_be_reached_from_the_readme():
    """Whoever follows the links from README.md comes to each page, and to each of docs/ at once."""
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert not {name(page) for page in pages()} - {name(page) for page in reached}
    listed = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert not {name(page) for page in (ROOT / "docs").glob("*.md")} - {
        name(page) for page in listed if page.exists()
    }
