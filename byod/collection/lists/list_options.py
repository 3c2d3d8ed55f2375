"""The columns of a list that are meant, and how a row comes to its class: by a column, one name for all, or caption."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from byod.collection.lists.list_rows import ListError
from byod.schema.errors import UsageError
from byod.schema.recipe import check_class_name
from byod.schema.records import Record

URL = "url"
LABEL = "label"
CAPTIONS = ("caption", "text", "alt", "alt_text", "title")
"""Where the words about a picture stand in lists from elsewhere."""


class ListOptions(Record):
    """The way a list is read.

    `url_col` and `label_col` are names of columns, in small letters; of captions `label_col` is the column of words.
    With `label` every row is of that class; with `captions` a row is of the one class whose name its caption holds.
    """

    url_col: str = URL
    label_col: str | None = None
    label: str | None = None
    captions: tuple[str, ...] = ()

    def label_in(self, columns: Iterable[str]) -> str | None:
        """The column that tells the class of a row; None where the options tell it."""
        if self.label is not None:
            return None
        if self.label_col is not None or not self.captions:
            return self.label_col or LABEL
        present = set(columns)
        return next((name for name in CAPTIONS if name in present), CAPTIONS[0])

    def check(self, name: str, columns: Sequence[str]) -> set[str]:
        """See that a table has the columns that are meant, each once, and return them.

        Raises:
            ListError: it has not; says which it has.
        """
        needed = {self.url_col: "--url-col"}
        if (label := self.label_in(columns)) is not None:
            needed[label] = "--label-col, or one class for all with --label"
        for column, how in needed.items():
            if columns.count(column) != 1:
                there = ", ".join(columns[:20])[:200] or "none"
                fault = "no column" if column not in columns else "more than one column"
                raise ListError(
                    f"{name} has {fault} {column!r}; its columns are: {there}; name it with {how}"
                )
        return set(needed)


def read_options(
    url_col: str | None, label_col: str | None, label: str | None, captions: str | Iterable[str] | None
) -> ListOptions:
    """The options as somebody typed them.

    Raises:
        UsageError: they do not go together, or name no class.
    """
    words = captions.split(",") if isinstance(captions, str) else [*(captions or ())]
    if label is not None and (label_col is not None or captions is not None):
        raise UsageError(
            "--label says that all rows are of one class; remove --label-col and --caption-filter"
        )
    if captions is not None and not all(word.strip() for word in words or [""]):
        raise UsageError('--caption-filter: write the words, with commas between, like "cat, dog"')
    names = {word.casefold(): word for word in reversed([check_class_name(word) for word in words])}
    return ListOptions(
        url_col=_column(url_col) or URL,
        label_col=_column(label_col),
        label=None if label is None else check_class_name(label),
        captions=tuple(reversed(names.values())),
    )


def _column(typed: str | None) -> str | None:
    return None if typed is None else typed.strip().lower()


class CaptionFilter:
    """Finds which of some words a caption holds: as whole words, in whatever case.

    Of words that begin alike the longest one counts: "cat food" is no cat.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._named = {_plain(word): word for word in words}
        longest = sorted(self._named, key=len, reverse=True)
        pattern = "|".join(r"\s+".join(map(re.escape, word.split())) for word in longest)
        self._pattern = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")

    def named(self, caption: str) -> set[str]:
        """The words that it holds, as they were given."""
        return {self._named[" ".join(found.split())] for found in self._pattern.findall(_plain(caption))}


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
