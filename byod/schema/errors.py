"""The errors byod raises when the user must act: one tree of exceptions, each a single short line.

    ByodError                 exit code 1: the user must act
    ├── UsageError            exit code 2: the command was typed wrongly
    ├── DatasetError          no dataset there, or not one that can be used
    │   └── DatasetLocked     another byod is at work on it
    ├── RecipeError           byod.toml cannot be read or contradicts itself
    ├── SourceError           a source stops answering; `word` says why (the others go on)
    │   ├── KeyMissing        it needs a key that is not set
    │   ├── ContactMissing    it answers only those who name a contact
    │   ├── KeyRefused        it refused the key
    │   ├── NoAnswer          it does not answer at all
    │   ├── RateLimited       it asks to be left alone for a while
    │   ├── Filtered          it found pictures, and every one fell to a filter
    │   ├── Capped            its terms allow no more pictures for one class
    │   └── NotYet            it is fetching what it answers from; the others go on
    ├── KeypointsError           a file of points is no such file, or says what cannot be
    ├── PictureError          a picture cannot be opened; carries its Reason
    ├── TrainerError          a trainer is missing, or cannot train this
    ├── ReviewError           the review server cannot be used, or does not know what byod asks for
    └── ModelError            a run or model file cannot be used

A failed picture in a collection is never an exception to the user: it is a row with a reason (`records.Miss`).

Examples:
    >>> try:
    ...     byod.Dataset("nowhere")
    ... except byod.errors.DatasetError as error:
    ...     print(error)
    nowhere is not a dataset (a folder with byod.toml); `byod collect` makes one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from byod.schema.names import shown

if TYPE_CHECKING:
    from byod.schema.reasons import Reason


class ByodError(Exception):
    """Something the user can fix; the message is one line that says what, where and what to do."""

    exit_code = 1

    def __str__(self) -> str:
        """The message, with what nobody sees in the words of files and strangers written out: it is one line."""
        return shown(super().__str__())


class UsageError(ByodError):
    """The command was typed wrongly."""

    exit_code = 2


class DatasetError(ByodError):
    """There is no usable dataset at the place named."""


class DatasetLocked(DatasetError):  # noqa: N818 - reads as what happened
    """Another byod is at work on the dataset."""


class RecipeError(ByodError):
    """`byod.toml` cannot be read or contradicts itself."""


class SourceError(ByodError):
    """A source stops answering; the other sources go on. `word` is what the yield table says."""

    word = "failed"


class KeyMissing(SourceError):  # noqa: N818
    """The source needs a key that is not set."""

    word = "no key"


class ContactMissing(SourceError):  # noqa: N818
    """The source answers only those who name a contact (`BYOD_CONTACT`)."""

    word = "no contact"


class KeyRefused(SourceError):  # noqa: N818
    """The source refused the key."""

    word = "key refused"


class NoAnswer(SourceError):  # noqa: N818
    """The source does not answer: it is left aside for the rest of the run."""

    word = "no answer"


class RateLimited(SourceError):  # noqa: N818
    """The source asks to be left alone for longer than byod waits."""

    word = "rate-limited"


class Filtered(SourceError):  # noqa: N818
    """The source found pictures, and every one of them fell to a filter it was sent."""

    word = "filtered"


class Capped(SourceError):  # noqa: N818
    """The source's terms allow no more pictures for one class."""

    word = "capped"


class NotYet(SourceError):  # noqa: N818
    """The source is fetching what it answers from; it may be asked again, and the other sources go on meanwhile."""

    word = "not yet"


class PictureError(ByodError):
    """A picture cannot be opened; `reason` says why in one word of the fixed list."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class DamagedError(DatasetError):
    """One file of a folder or an archive cannot be read; the others may well be."""


class KeypointsError(ByodError):
    """A file of points is no such file, or says what cannot be; the message names it."""


class TrainerError(ByodError):
    """A trainer is missing, or cannot train what it was given."""


class ReviewError(ByodError):
    """The review server cannot be used, or does not know what byod asks it for."""


class ModelError(ByodError):
    """A run or a model file cannot be used."""
