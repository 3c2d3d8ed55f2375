"""Catalogues of translations: what is written is read again, as others read it, and what is damaged is refused."""

import io
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byod.report import languages, po_file
from byod.report.po_file import Entry
from byod.schema.errors import ByodError

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from('\n\t\r"\\ {}%'),
    max_size=60,
)
LONG = st.builds(" ".join, st.lists(TEXT, max_size=12))
PLACE = st.from_regex(r"[a-z/_.]{1,20}", fullmatch=True)


@st.composite
def entries(draw):
    plural = draw(st.none() | LONG)
    forms = 1 if plural is None else draw(st.integers(1, 6))
    return Entry(
        msgid=draw(LONG),
        plural=plural,
        context=draw(st.none() | TEXT),
        strings=tuple(draw(LONG) for _ in range(forms)),
        places=tuple(draw(st.lists(PLACE, max_size=3))),
        remarks=tuple(draw(st.lists(st.from_regex(r"[A-Za-z](?:[\w ,.]*\w)?", fullmatch=True), max_size=2))),
        flags=tuple(draw(st.lists(st.sampled_from(["fuzzy", "python-brace-format"]), unique=True))),
        obsolete=draw(st.booleans()),
    )


MESSAGES = st.lists(entries(), max_size=8, unique_by=lambda entry: entry.key)


@settings(max_examples=40)
@given(MESSAGES, st.sampled_from(["\r\n", "\n"]))
def test_what_is_written_is_read_again(messages, end):
    """Every text, with its context, plural forms, places, remarks and flags, comes back as it was, on Windows too."""
    read = po_file.read(po_file.write(messages).replace("\n", end), "a.po")
    assert [entry.model_copy(update={"line": 0}) for entry in read] == messages


def test_others_read_the_same():
    """Babel, which knows such files, reads every text of byod's own catalogues as byod does."""
    pofile = pytest.importorskip("babel.messages.pofile")
    for file in languages.LOCALE.glob(f"*/{languages.FILE}"):
        content = file.read_bytes()
        theirs = pofile.read_po(io.BytesIO(content), abort_invalid=True)
        ours = [entry for entry in po_file.read(content.decode(), "a.po") if entry.msgid]
        assert len(ours) == len(theirs) > 300
        for entry in ours:
            found = theirs.get(entry.msgid, entry.context)
            assert found is not None, entry.msgid
            said = found.string if isinstance(found.string, tuple) else (found.string,)
            assert said == entry.strings


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="this machine has no gettext")
def test_gettext_takes_them():
    """The tools of gettext find nothing wrong with byod's own catalogues."""
    for file in languages.LOCALE.glob(f"*/{languages.FILE}"):
        done = subprocess.run(
            ["msgfmt", "--check-format", "--check-domain", "-o", "-", file], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


GOOD = 'msgid "one"\nmsgstr "eins"\n'
BROKEN = [
    (GOOD + "\nmsgid two\n", 4, "'msgid two' is neither a keyword"),
    (GOOD + '\nmsgid "two\nmsgstr "zwei"\n', 4, "neither a keyword"),
    (GOOD + '\nmsgid "tw"o"\nmsgstr "zwei"\n', 4, 'has a " in its middle'),
    (GOOD + '\nmsgid "two"\nmsgstr "z\\wei"\n', 5, r"the text has \w"),
    (GOOD + '\nmsgid "two\\"\nmsgstr "zwei"\n', 4, "the text has \\;"),
    (GOOD + '\nmsgid "two"\n', 4, "needs msgid and msgstr"),
    (GOOD + '\nmsgid "two"\nmsgstr "zwei"\nmsgstr "drei"\n', 6, "msgstr stands twice"),
    (GOOD + '\nmsgstr "zwei"\n', 4, "msgstr comes before its msgid"),
    (GOOD + '\n"zwei"\n', 4, "neither a keyword"),
    (GOOD + '\nmsgid "two"\nmsgctxt "a"\nmsgstr "zwei"\n', 5, "msgctxt must stand before msgid"),
    (GOOD + '\nmsgid "two"\nmsgid_plural "twos"\nmsgstr "zwei"\n', 4, "msgstr[0]"),
    (GOOD + '\nmsgid "two"\nmsgid_plural "twos"\nmsgstr[1] "zwei"\n', 4, "msgstr[0]"),
    (GOOD + '\nmsgid "two"\nmsgstr[0] "zwei"\n', 4, "needs msgid and msgstr"),
    (GOOD + "\n" + GOOD, 4, "stands in line 1 as well"),
    (GOOD + "<<<<<<< HEAD\n" + GOOD, 3, "'<<<<<<< HEAD' is neither"),
]


@pytest.mark.parametrize(("text", "line", "words"), BROKEN)
def test_a_damaged_file_is_refused(text, line, words):
    """One line says which file, which line, and what is wrong there."""
    with pytest.raises(ByodError) as caught:
        po_file.read(text, "de/byod.po")
    assert str(caught.value).startswith(f"de/byod.po:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from('msgidctxtr_plural[]0123 "\\n#~,:.\n'), max_size=200))
def test_noise_is_read_or_refused(text):
    """Whatever is in a file, the answer is its messages or one line."""
    try:
        entries = po_file.read(text, "a.po")
    except ByodError:
        return  # what it says, test_a_damaged_file_is_refused looks at
    assert all(entry.strings for entry in entries)
