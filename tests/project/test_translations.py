"""The catalogues of languages in byod: they have every text that the code has, and a whole translation of each."""

import made_languages
import pytest

from byod.report import languages, po_file
from byod.report.languages import CONVENTIONS

CATALOGS = sorted(languages.LOCALE.glob(f"*/{languages.FILE}"))


@pytest.fixture(scope="module")
def made():
    return made_languages.make_catalogs()


def test_there_is_german():
    """German is there, and reads itself without a step of building."""
    assert {"en", "de"} <= {each.code for each in languages.languages()}
    assert languages.language("de").said("class") == "Klasse"


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parents[1].name)
def test_a_catalogue_is_as_the_code_has_it(made, file):
    """The texts of a catalogue are those of the code, no more and no fewer; `make texts` would change nothing."""
    text = file.read_text(encoding="utf-8")
    assert made.updated(file.parents[1].name, po_file.read(text, str(file))) == text, "run make texts"


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.parents[1].name)
def test_a_catalogue_is_whole(file):
    """No translation is missing, guessed or left over, and each has the places and plural forms it must have."""
    entries = po_file.read(file.read_text(encoding="utf-8"), str(file))
    assert [e.msgid for e in entries if "" in e.strings or "fuzzy" in e.flags or e.obsolete] == []
    spoken = languages.read(file, file.parents[1].name)
    assert len(spoken.texts) == len(entries) - 1
    ends = [
        e.msgid
        for e in entries
        if e.context not in CONVENTIONS and e.msgid and (e.msgid[-1] in ".:?") != (e.strings[-1][-1] in ".:?")
    ]
    assert ends == [], "a sentence in English, and not in the translation, or the other way round"


def test_a_text_that_cannot_be_found_is_refused(made, tmp_path, monkeypatch):
    """A call whose text is put together is named with its file and line, since nobody could translate it."""
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(made, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text('from byod.report.i18n import say\n\nsay("a" + "b")\n', encoding="utf-8")
    with pytest.raises(SystemExit, match=r"a\.py:3: say\(\) must be given its text itself"):
        list(made._in_modules())


def test_a_new_language_is_begun(made, tmp_path, monkeypatch, capsys):
    """With a code, a catalogue begins that has every text, none translated; the next call keeps translations."""
    monkeypatch.setattr(made, "ROOT", tmp_path)
    monkeypatch.setattr(languages, "LOCALE", tmp_path)
    monkeypatch.setattr(made, "messages", lambda: found)
    found = {
        entry.key: entry
        for entry in (po_file.Entry(msgid="class"), po_file.Entry(msgid="{count} a", plural="{count} b"))
    }
    made.main(["fr"])
    file = tmp_path / "fr" / languages.FILE
    assert "2 texts, 2 without a translation" in capsys.readouterr().out
    file.write_text(file.read_text().replace('"class"\nmsgstr ""', '"class"\nmsgstr "classe"'))
    made.main([])
    assert "2 texts, 1 without a translation" in capsys.readouterr().out
    assert 'msgstr "classe"' in file.read_text()
