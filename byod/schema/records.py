"""The records that flow through byod, in order of appearance: frozen, one for each stage.

A later record refers to an earlier one by its key (an address, a SHA-256); none of them has fields that are
"filled in later". Addresses are plain strings: normalising a URL would break it as a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from byod.schema import defaults
from byod.schema.addresses import Address, Words, shown, shown_in
from byod.schema.annotator_agreement import ReviewAgreement
from byod.schema.listed_columns import Columns, Value, told_columns
from byod.schema.open_enum import OpenEnum
from byod.schema.paths import FolderName, OriginalPath, PicturePath
from byod.schema.reasons import Reason
from byod.schema.record import Record as Record
from byod.schema.right_labels import LabelQuality
from byod.schema.search_words import Age, Colour, Kind, Meaning, Safe, Size

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""64 lower-case hexadecimal digits."""


class Task(StrEnum):
    """The tasks that come with byod, by name; `byod.tasks.TASKS` may hold others."""

    CLASSIFY = "classify"
    KEYPOINTS = "keypoints"


TaskName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""The name of a task."""


class Policy(StrEnum):
    """A policy on licences; `open` and `commercial` refuse whatever is not stated."""

    ANY = "any"
    OPEN = "open"
    COMMERCIAL = "commercial"


class Query(Record):
    """A search at a source: the terms for one class.

    `label` is the class's shown name, `language` the code of the language of `terms` (None: not known). `item` is what
    Wikidata calls the thing that the class is; `meaning` is that in full, on the query whose terms are its name.
    `widened` is None for terms that somebody typed, and else the language in which byod names the thing instead.
    """

    label: str
    terms: str
    language: str | None = None
    item: str | None = None
    meaning: Meaning | None = None
    widened: str | None = None

    def candidate(self, source: str, url: str, rank: int, **known: Any) -> Candidate:
        """A picture that a source offers for this query; `known` are further fields of `Candidate`."""
        asked = self.model_dump(include={"label", "terms", "language", "item", "widened"})
        return Candidate(source=source, url=url, rank=rank, **asked, **known)


class SearchOptions(Record):
    """Options of a search, the same for every query of a collection at one source.

    `wanted` is how many pictures a class should end with (it sizes pages, it is no limit), `min_side` in pixels.
    Sources that cannot filter by one of the others leave it out. `excluded_hosts` are refused, whoever offers them.
    `captive`: also animals that are kept and plants that were planted, where a source tells them apart. `beside` are
    all sources that are asked: what one of them only passes on, the other offers itself. `asked` are the first queries
    of all classes, so that a source that knows what else a picture shows can leave out what shows two of them.
    """

    policy: Policy = Policy.ANY
    wanted: int = defaults.PER_CLASS
    min_side: int = defaults.MIN_SIDE
    captive: bool = False
    kind: Kind = Kind.PHOTO
    safe: Safe = Safe.ON
    size: Size | None = None
    age: Age | None = None
    colour: Colour | None = None
    excluded_hosts: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    asked: tuple[Query, ...] = ()


class Candidate(Record):
    """An offered picture: an address, who offers it for which query, and what is known of its origin.

    `rank` counts from 0 within (source, query). `licence` is a code of `byod.schema.licences` ("CC-BY-4.0"), or None
    when the source does not state one. `width` and `height` are the source's own words, in pixels.
    `path` is set instead of a web address for pictures on this machine (then `url` is its file: URI). `instead` are
    addresses of the same picture in other sizes, to be asked in turn when `url` gives none. `taxon` is the kind of
    living thing that the source took the terms for. `language`, `item` and
    `widened` are those of the query. `columns` are further columns of a list; `digest` is the hash that it expects of
    the bytes (`sha256:` and hexadecimal digits; or sha512, sha1, md5).
    """

    url: str
    label: str
    source: str
    terms: str
    language: str | None = None
    item: str | None = None
    widened: str | None = None
    rank: int = 0
    page: str | None = None
    title: str | None = None
    creator: str | None = None
    creator_url: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    attribution: str | None = None
    width: int | None = None
    height: int | None = None
    path: Path | None = None
    instead: tuple[str, ...] = ()
    taxon: str | None = None
    columns: dict[str, Value] = {}
    digest: str | None = None

    @property
    def shown(self) -> Candidate:
        """The candidate as it may leave byod: without the passwords and keys in its addresses."""
        return self.model_copy(update=told({name: getattr(self, name) for name in TOLD}))


class Fetched(Record):
    """The bytes of one address: received whole, named by their SHA-256."""

    url: str
    final_url: str
    sha256: Sha256
    size: int
    content_type: str = ""
    status: int = 200


class Miss(Record):
    """The failure of an address, and its reason."""

    url: str
    reason: Reason
    detail: str = ""
    status: int | None = None
    retry_after: float | None = None


class FailedAddress(Record):
    """An address that gave no picture: where it was offered, why it failed, when, and when it may be asked again."""

    url: Address
    label: str
    source: str
    reason: Reason
    status: int | None = None
    detail: Words = ""
    at: datetime | None = None
    again_at: datetime | None = None


class Fingerprint(Record):
    """The hashes of a picture, for finding copies of it, as 16 hexadecimal digits in imagehash's order.

    `phash` is comparable with `str(imagehash.phash(image))` of the upright, untrimmed picture; `mirror` is the
    phash of its mirror image; `trim_phash`/`trim_dhash` belong to the picture without its uniform border and are
    None when there is none. `rgb` is the 8x8 thumbnail, 192 bytes row by row. `spread` is the standard deviation
    of the 32x32 grey picture (0..127.5), `top_colour` the share of its most common 12-bit colour (0..1) and
    `white_ring` the share of white along its edge (0..1). `spec` names the recipe the values were made by.
    """

    phash: str
    mirror: str
    dhash: str
    rgb: bytes
    spread: float
    top_colour: float
    white_ring: float
    trim_phash: str | None = None
    trim_dhash: str | None = None
    spec: str

    @property
    def flat(self) -> bool:
        """True if there is too little in the picture for its hashes to mean anything.

        A phash of a real picture has exactly 32 ones (it is cut at the median); another count, or hardly any
        spread of grey, marks a flat picture or a plain gradient, which would collide with every other one.
        """
        return int(self.phash, 16).bit_count() != 32 or self.spread < 5.0


class Inspected(Record):
    """A picture that opened: its type, its upright size, and its fingerprint.

    `format` is Pillow's name ("JPEG"), `suffix` the right file ending (".jpg"). `frames` counts an animation's
    pictures (1 for a still). `original` is the ending of the file that this one stands for (".heic"); "" for itself.
    """

    format: str
    suffix: str
    original: str = ""
    width: int
    height: int
    orientation: int = 1
    frames: int = 1
    fingerprint: Fingerprint


class Status(OpenEnum):
    """The place of a sample: in a class folder, in `rejected/<reason>/`, or waiting to be placed."""

    WAITING = "waiting"
    KEPT = "kept"
    REJECTED = "rejected"


class Sample(Record):
    """One distinct picture of a dataset, however many places offered it; `sha256` is that of the file kept.

    `label` is the shown name of its class (for a rejected one: the class it was offered for). `path` is relative
    to the dataset folder, with forward slashes. `keeper` is the sample whose copy this one is, `original` the file
    that it stands for, where libraries for training do not read that one.
    """

    sha256: Sha256
    label: str
    status: Status
    reason: Reason | None = None
    detail: str = ""
    path: PicturePath
    format: str | None = None
    width: int | None = None
    height: int | None = None
    size: int
    fingerprint: Fingerprint | None = None
    keeper: Sha256 | None = None
    original: OriginalPath = ""

    def measured(self, inspected: Inspected) -> Sample:
        """The same sample with what was found when its picture was opened."""
        known = {"format": inspected.format, "width": inspected.width, "height": inspected.height}
        return self.model_copy(update={**known, "fingerprint": inspected.fingerprint})


class Placement(Record):
    """A sample's new place: what placing, a verdict or a restoration decides.

    `label` is the class folder; `path` is as in `Sample` and is chosen by the dataset when left empty.
    """

    sha256: Sha256
    label: FolderName
    status: Status
    reason: Reason | None = None
    detail: str = ""
    keeper: Sha256 | None = None
    path: PicturePath = ""


class Origin(Record):
    """The origin of a sample's bytes: one line of its provenance; several may name the same sample.

    It is what leaves byod of a candidate, and so never holds the password or the key of a signed address
    (`byod.schema.addresses`).
    """

    sha256: Sha256
    url: Address
    source: str
    terms: Words | None = None
    page: Address | None = None
    title: Words | None = None
    creator: Words | None = None
    creator_url: Address | None = None
    licence: str | None = None
    licence_url: Address | None = None
    attribution: Words | None = None
    taxon: Words | None = None
    fetched_at: datetime | None = None
    item: Words | None = None
    widened: Words | None = None
    columns: Columns = {}


TOLD = tuple(set(Origin.model_fields) & set(Candidate.model_fields))
"""The fields of a candidate that its origin repeats."""
_ADDRESSES = ("url", "page", "creator_url", "licence_url")


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those fields, out of a candidate's values, as an origin may hold them; `Origin.unchecked` takes them."""
    made = {name: values.get(name) for name in TOLD}
    made["columns"] = told_columns(made["columns"] or {})
    for name, value in made.items():
        if value and name != "columns":
            made[name] = shown(value) if name in _ADDRESSES else shown_in(value)
    return made


class Verdict(Record):
    """Somebody's label for a sample; append-only. `label` None means "does not belong here".

    `who` is "search", "folder", "restore", or a person's name from the review. `not_copy_of`: samples of which somebody
    said that this one is no copy of them, nor they of it; that holds for good, whatever is said of it later.
    """

    sha256: Sha256
    label: FolderName | None
    who: str
    when: datetime
    note: str = ""
    not_copy_of: tuple[Sha256, ...] = ()


class DuplicateGroup(Record):
    """Samples that must stay on one side of a split: `members` in order, `links` why they belong together."""

    key: Sha256
    members: tuple[Sha256, ...]


class Split(OpenEnum):
    """The three parts of a dataset."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


class Example(Record):
    """A labelled picture and the part of the split it belongs to; `path` is absolute.

    `grey_white` is the value that is white in deep grey pictures of its set; None where there are none.
    """

    sha256: Sha256
    path: Path
    label: str
    split: Split
    group: str
    grey_white: int | None = None


class Yield(Record):
    """The yield of one (source, query): each count is a part of the one before it.

    `stopped_by` is the word for how it ended ("exhausted", "rate-limited", …) and `detail` a line for people.
    """

    source: str
    query: str
    label: str
    offered: int = 0
    fetched: int = 0
    valid: int = 0
    unique: int = 0
    kept: int = 0
    stopped_by: str = ""
    detail: str = ""


class Snapshot(Record):
    """A dataset as it stands at one moment: what exports, cards, reports and pages are made from.

    `classes` maps each class's shown name to its folder's name; `samples` holds kept and rejected ones;
    `conflicts` are sets of samples that look the same and carry different labels (none of them trains);
    `lookalikes` are (sample, sample, rule) pairs to review; `unknown_licences` counts kept samples without one.
    """

    folder: Path
    name: str
    task: TaskName
    classes: dict[str, str]
    samples: tuple[Sample, ...]
    origins: dict[Sha256, tuple[Origin, ...]]
    splits: dict[Sha256, Split]
    groups: tuple[DuplicateGroup, ...]
    conflicts: tuple[tuple[Sha256, ...], ...]
    lookalikes: tuple[tuple[Sha256, Sha256, str], ...]
    yields: tuple[Yield, ...]
    misses: dict[str, int]
    fingerprint: str
    label_quality: LabelQuality | None = None
    agreement: ReviewAgreement | None = None

    @property
    def kept(self) -> tuple[Sample, ...]:
        """The samples that stand in class folders."""
        return tuple(sample for sample in self.samples if sample.status is Status.KEPT)
