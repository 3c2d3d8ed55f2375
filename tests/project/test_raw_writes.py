"""Nothing in a dataset folder is written, moved or removed but through `byod.schema.files`, which follows no link."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CODE = sorted((ROOT / "byod").rglob("*.py"))
WRITES = {
    *(
        "write_bytes",
        "write_text",
        "unlink",
        "rmdir",
        "touch",
        "mkdir",
        "makedirs",
        "removedirs",
        "symlink_to",
    ),
    *(
        "hardlink_to",
        "rmtree",
        "move",
        "copyfile",
        "copytree",
        "copy2",
        "link",
        "symlink",
        "truncate",
        "remove",
    ),
    *("rename", "renames"),
}
"""Names of what writes, moves or removes; `replace` and `open` are told apart below."""
WRITING = ("w", "a", "x", "+")

ALLOWED = {
    "byod/schema/files.py": "this is how",
    "byod/schema/config.py": "the person's own configuration",
    "byod/collection/http/reply_memory.py": "the person's own cache of replies",
    "byod/collection/sources/table_fetch.py": "the person's own cache of tables of labels",
    "byod/dataset/read_only.py": "a damaged copy of a catalog, in a temporary folder",
    "byod/api/review.py": "previews in what Label Studio's server shows, the person's own",
    "byod/images/feature_store.py": "the person's own cache of features",
    "byod/images/pixel_cache.py": "the person's own cache of pixels, or a folder of a run that was looked through",
    "byod/images/record_files.py": "the person's own cache of pixels, or a folder of a run that was looked through",
    "byod/dataset/catalog_state.py": "makes the folder of byod's own files in the person's home",
    "byod/dataset/dataset_folder.py": "makes the folder of a new dataset, above which nothing is a stranger's",
    "byod/dataset/export_selection.py": "fills an empty folder that `files.staging` made",
    "byod/api/runs.py": "fills an empty folder that `files.staging` made",
    "byod/exports/": "fill an empty folder that `files.staging` made, and swap it for an earlier export of byod's",
    "byod/tasks/keypoints/exports/": "fill an empty folder that `files.staging` made",
    "byod/web/static_site/": "fills an empty folder that `files.staging` made; keeps a program in the person's cache",
    "byod/labeling/": "Label Studio's folder, the person's own, and previews in what that server shows",
    "byod/report/check_page.py": "makes the folder that a person named for the page",
    "byod/training/": "a run that is not finished, whose folder was looked through (`files.check_tree`)",
    "byod/tasks/classify/leakage.py": "a temporary folder",
    "byod/demo/": "a folder that a person named, or that is made for the demonstration",
    "byod/testing/": "folders of a trainer's own tests",
}
"""Where something is written by its path, and why that is well."""


def writes(path: Path) -> Iterator[str]:
    """The calls in a file that write, move or remove by a path."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        through_files = owner.split(".")[-1] in ("files", "within", "folder", "_folder") and called not in (
            "mkdir",
        )
        mode = [ast.unparse(word) for word in (*node.args, *(each.value for each in node.keywords))]
        opens = called == "open" and any(m.strip("'\"bt") in WRITING for m in mode)
        # a path's own `replace` has one argument, that of a text two
        moves = called == "replace" and len(node.args) == 1 and not node.keywords
        sets = called in ("remove", "link") and owner not in ("os", "shutil", "")
        if (called in WRITES or opens or moves) and not through_files and not sets:
            yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {owner}.{called}"


def test_nothing_is_written_by_its_path_where_a_stranger_may_have_been():
    """Each place that writes, moves or removes by a path stands in a short list, with why no link can lie there."""
    found = [
        each
        for path in CODE
        if not path.relative_to(ROOT).as_posix().startswith(tuple(ALLOWED))
        for each in writes(path)
    ]
    assert found == []


def test_the_list_is_no_longer_than_it_must_be():
    """Each entry of the list is of a file that still writes something."""
    written = {each.split(":")[0] for path in CODE for each in writes(path)}
    assert [name for name in ALLOWED if not any(each.startswith(name) for each in written)] == []
