"""The recipe: class names made safe, comments kept, nonsense refused."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byod.schema import recipe as recipes
from byod.schema import recipe_classes
from byod.schema.errors import RecipeError, UsageError
from byod.schema.folder_names import safe_folder
from byod.schema.names import hidden
from byod.schema.recipe import Recipe
from byod.schema.recipe_classes import dataset_name

names = st.text(min_size=1, max_size=60)


@given(st.lists(names, max_size=8))
def test_folders_are_safe_everywhere_and_unique_ignoring_case(shown):
    """Any list of class names gets folder names that Linux, macOS and Windows can all tell apart."""
    taken: list[str] = []
    for name in shown:
        folder = safe_folder(name, taken)
        assert folder
        assert not set(folder) & set('<>:"/\\|?*\0')
        assert folder[-1] not in ". "
        assert not folder.startswith(".")
        assert unicodedata.is_normalized("NFC", folder)
        assert safe_folder(folder) == folder
        assert not hidden(folder)
        assert len(folder.encode()) <= 130
        assert folder.casefold() not in {other.casefold() for other in taken}
        taken.append(folder)


@given(st.lists(names.filter(lambda n: n.strip() and "/" not in n), min_size=1, max_size=5, unique=True))
def test_a_recipe_read_back_is_the_one_written(tmp_path_factory, shown):
    """Whatever the classes are called, byod.toml gives the same recipe back."""
    folder = tmp_path_factory.mktemp("recipe")
    recipe = Recipe()
    for name in shown:
        try:
            recipe = recipe.with_class(name, [f"{name} photo"])
        except UsageError:
            continue
    recipes.write(folder, recipe)
    assert recipes.read(folder) == recipe


def test_writing_keeps_comments_and_order(tmp_path: Path):
    """A person's comments and the order of lines survive a change by byod."""
    (tmp_path / recipes.FILE).write_text(
        '# mine\nper_class = 50  # enough\ntask = "classify"\n\n[classes.cat]\nname = "cat"  # the cat\n'
    )
    recipe = recipes.read(tmp_path).with_class("dog").model_copy(update={"min_side": 99})
    recipes.write(tmp_path, recipe)
    text = (tmp_path / recipes.FILE).read_text()
    assert "# mine\nper_class = 50  # enough\n" in text
    assert 'name = "cat"  # the cat' in text
    assert recipes.read(tmp_path) == recipe


SPELLINGS = {
    "all in one line": 'classes = {cat = {name = "cat", queries = ["cat"]}}\nper_class = 50\n',
    "an empty line": "classes = {}\nper_class = 50\n",
    "one line each": '[classes]\ncat = {name = "cat", queries = ["cat"]}\n[own]\nduplicates = "off"\n',
    "dotted": 'classes.cat.name = "cat"\nclasses.cat.queries = ["c"]\nown.duplicates = "off"\n',
    "tables, not together": '[classes.cat]\nname = "cat"\n[own]\nduplicates = "off"\n[classes.dog]\nname = "dog"\n',
    "sources in one line": 'sources = {commons = {query = "a"}}\n[classes.cat]\nname = "cat"\n',
    "own in one line": 'own = {duplicates = "off"}\n[classes.cat]\nname = "cat"\n',
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("change", ["a class", "a query", "a key", "all"])
def test_every_way_to_write_a_table_can_be_changed(tmp_path: Path, text: str, change: str):
    """Whichever of TOML's spellings a person chose for a table, byod's change comes out as it was meant."""
    (tmp_path / recipes.FILE).write_text(f"# mine\n{text}")
    recipe = recipes.read(tmp_path)
    if change in ("a query", "all"):
        recipe = recipe.with_class("cat", ["black cat"])
    if change in ("a class", "all"):
        recipe = recipe.with_class("bird", ["bird"])
    if change in ("a key", "all"):
        recipe = recipe.model_copy(
            update={"min_side": 99, "own": recipe.own.model_copy(update={"min_side": 7})}
        )
    recipes.write(tmp_path, recipe)
    assert recipes.read(tmp_path) == recipe
    assert "# mine\n" in (tmp_path / recipes.FILE).read_text()


def test_classes_in_one_folder_name_are_refused(tmp_path: Path):
    """Two class folders that differ only in case are refused with the file and the line's name."""
    (tmp_path / recipes.FILE).write_text('[classes.cat]\nname = "a"\n[classes.Cat]\nname = "b"\n')
    with pytest.raises(RecipeError, match=r"byod\.toml.*Cat"):
        recipes.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("per_class = 0", "per_class"),
        ("per_clas = 5", "per_clas"),
        ("classes = 5", "classes"),
        ("x = = 1", "not TOML"),
        ('[classes."../x"]\nname = "x"', r"\.\./x"),
    ],
)
def test_a_bad_recipe_is_refused_in_one_line_naming_file_and_key(tmp_path: Path, text: str, says: str):
    """A wrong key, value or folder is named together with the file."""
    (tmp_path / recipes.FILE).write_text(text)
    with pytest.raises(RecipeError, match=says) as caught:
        recipes.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value).split("is not TOML")[0]


@pytest.mark.parametrize("content", ["", "\n \t\n", "# what was here is gone\n"])
def test_a_recipe_that_says_nothing_is_refused(tmp_path: Path, content: str):
    """A file that a power cut emptied is not one that allows every licence; writing does not fill it either."""
    file = tmp_path / recipes.FILE
    file.write_text(content)
    with pytest.raises(RecipeError, match="says nothing"):
        recipes.read(tmp_path)
    with pytest.raises(RecipeError, match="says nothing"):
        recipes.write(tmp_path, recipes.Recipe().with_class("cat"))
    assert file.read_text() == content


HIDDEN = ["a\u200bb", "a\u202eb", "cat\u200d", "a\x1bb", "a\xadb", "a\udcffb", "cat\u2069"]


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\0b", "__reject__", "a\nb", *HIDDEN])
def test_names_that_cannot_be_classes_are_refused(name: str):
    """Empty names, slashes, what nobody sees and the reserved word cannot name a class, and the line shows them."""
    with pytest.raises(UsageError) as caught:
        Recipe().with_class(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", HIDDEN[:5])
def test_names_written_by_hand_are_looked_at_as_well(tmp_path: Path, name: str):
    """In byod.toml a class name with what nobody sees is refused like one that was typed."""
    quoted = "".join(f"\\u{ord(c):04x}" for c in name)
    (tmp_path / "byod.toml").write_text(f'[classes.cat]\nname = "{quoted}"\n')
    with pytest.raises(RecipeError, match="nobody sees"):
        recipes.read(tmp_path)


@pytest.mark.parametrize(
    "name", ["می\u200cخواهم", "👨\u200d👩\u200d👧", "क्\u200dष", "weißer  Kohl", "a\u3000b"]
)
def test_joiners_are_letters_and_blanks_are_blanks(tmp_path: Path, name: str):
    """Joiners of scripts and emoji stay in a class's name and folder; several blanks are one."""
    recipe = Recipe().with_class(name)
    ((folder, entry),) = recipe.classes.items()
    assert entry.name == " ".join(unicodedata.normalize("NFC", name).split())
    assert folder == entry.name
    assert recipe.folder_of(name) == folder
    recipes.write(tmp_path, recipe)
    assert recipes.read(tmp_path) == recipe


@pytest.mark.parametrize(
    "name", ["COM¹", "com².txt", "LPT³", "CON .x", "nul", "Aux.tar.gz", "CONIN$", "conout$ .a", "COM0"]
)
def test_what_windows_keeps_for_itself_is_no_folder(name: str):
    """Names of Windows' devices, with superscript digits, endings or blanks before these as well, get a sign before."""
    assert safe_folder(name) == f"_{name}"


@given(names, st.lists(names, max_size=4))
def test_a_folder_made_by_hand_names_a_class(folder, others):
    """Any folder's name becomes a class name that is allowed, seen, and that of no other class."""
    recipe = Recipe()
    for other in [*others, folder]:
        name = recipe_classes.name_for_folder(other, recipe)
        assert recipes.check_class_name(name) == name
        assert recipe.folder_of(name) is None
        recipe = recipe.with_class(name)


def test_a_long_name_is_cut_to_a_safe_one():
    """A name that is cut within an emoji of several signs leaves a folder that is safe by itself."""
    flag = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    for length in range(90, 121):
        folder = safe_folder("a" * length + flag)
        assert safe_folder(folder) == folder
        assert not hidden(folder)


def test_a_dataset_is_named_after_its_classes():
    """Class names joined by a dash, at most 60 characters, longer ones ending in a hash that tells them apart."""
    assert dataset_name(["brokkoli", "blumenkohl"]) == "brokkoli-blumenkohl"
    long = dataset_name(["a" * 50, "b" * 50])
    assert len(long) <= 60
    assert long != dataset_name(["a" * 50, "b" * 49])


@given(
    st.lists(
        st.sampled_from(["a", "A", " a ", "b c", "b  c", "x:1", "x?1", "con", "ä", "a\u0308"]), max_size=8
    )
)
def test_classes_added_at_once_are_those_added_one_by_one(wanted):
    """Many classes in one go get the names and folders that they would get one after the other."""
    one_by_one = Recipe().with_class("there")
    for name in wanted:
        one_by_one = one_by_one.with_class(name)
    at_once, folders = recipe_classes.with_classes(Recipe().with_class("there"), wanted)
    assert at_once == one_by_one
    assert {name: folders[recipes.tidy(name)] for name in wanted} == {
        name: one_by_one.folder_of(name) for name in wanted
    }


@pytest.mark.parametrize(
    "text",
    [
        "[classes]\na.name = 'a'\n",
        "classes.a.name = 'a'\n",
        "# c\n[classes.a] # x\nname = 'a' # y",
        "per_class = 3 # few\n",
    ],
)
def test_new_classes_are_written_behind_the_others(tmp_path, text):
    """Classes that are all that is new leave the rest of the file as it was, however it states those before."""
    (tmp_path / "byod.toml").write_text(text)
    for names in (("z", "y"), ("x",)):
        before = recipes.read(tmp_path)
        changed, _ = recipe_classes.with_classes(before, names)
        recipes.write(tmp_path, changed)
        assert recipes.read(tmp_path) == changed
    left = (tmp_path / "byod.toml").read_text()
    assert all(comment in left for comment in ("# c", "# x", "# y", "# few") if comment in text)
    assert left.count("\n[classes.") == 3 + text.count("[classes.a]")
