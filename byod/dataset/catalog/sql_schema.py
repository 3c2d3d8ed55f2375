"""The tables of `catalog.db`, as an ordered list of migrations; `user_version` counts those that ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from byod.dataset.catalog.guarded import Guarded
from byod.schema import file_formats
from byod.schema.errors import DatasetError

MIGRATIONS = (
    """
    -- every picture a source offered for a class: an address, for which query, and all that is known of it
    CREATE TABLE candidates (
        id INTEGER PRIMARY KEY,
        label TEXT NOT NULL, url TEXT NOT NULL, source TEXT NOT NULL, terms TEXT NOT NULL,
        round INTEGER NOT NULL,
        refused TEXT,
        record TEXT NOT NULL,
        UNIQUE (label, url, source, terms)
    );
    CREATE INDEX candidates_by_url ON candidates (url);

    -- what became of each address: NULL not asked yet, 'fetched', or a reason
    CREATE TABLE addresses (
        url TEXT PRIMARY KEY,
        outcome TEXT, detail TEXT NOT NULL DEFAULT '', status INTEGER, final_url TEXT,
        received TEXT, sample TEXT, tries INTEGER NOT NULL DEFAULT 0, at TEXT
    ) WITHOUT ROWID;

    -- every distinct picture; label is the class folder; status 'waiting' until placing places it
    CREATE TABLE samples (
        sha256 TEXT PRIMARY KEY, position INTEGER NOT NULL,
        label TEXT NOT NULL, status TEXT NOT NULL, reason TEXT, detail TEXT NOT NULL DEFAULT '',
        path TEXT NOT NULL, format TEXT, width INTEGER, height INTEGER,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL DEFAULT 0,
        keeper TEXT, previous TEXT, split TEXT, group_key TEXT,
        phash TEXT, mirror TEXT, dhash TEXT, rgb BLOB, spread REAL, top_colour REAL, white_ring REAL,
        trim_phash TEXT, trim_dhash TEXT, spec TEXT
    ) WITHOUT ROWID;

    -- the label log: who said what of which sample, never changed afterwards
    CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, label TEXT, who TEXT NOT NULL, at TEXT NOT NULL,
        note TEXT NOT NULL DEFAULT ''
    );

    -- moves that are promised and not yet known to be done
    CREATE TABLE moves (id INTEGER PRIMARY KEY, source TEXT NOT NULL, target TEXT NOT NULL);

    -- what the last placing found: look-alikes to review, and conflicts between classes
    CREATE TABLE lookalikes (a TEXT NOT NULL, b TEXT NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE TABLE conflicts (number INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (number, sha256)) WITHOUT ROWID;

    -- how each query ended
    CREATE TABLE queries (
        label TEXT NOT NULL, source TEXT NOT NULL, terms TEXT NOT NULL,
        stopped_by TEXT NOT NULL, detail TEXT NOT NULL DEFAULT '', PRIMARY KEY (label, source, terms)
    ) WITHOUT ROWID;
    """,
    """
    -- the project of each purpose on each review server; `seen` is how far its changes were pulled, `pushing` how
    -- many tasks it has once those being sent have arrived (0: no push is under way, none was cut off)
    CREATE TABLE reviews (
        server TEXT NOT NULL, purpose TEXT NOT NULL, project INTEGER NOT NULL,
        seen TEXT NOT NULL DEFAULT '', pushing INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (server, purpose)
    ) WITHOUT ROWID;

    -- each pull, and how what it changed was before: enough to take it back
    CREATE TABLE pulls (id INTEGER PRIMARY KEY, at TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE pulled (
        pull INTEGER NOT NULL, sha256 TEXT NOT NULL, placement TEXT NOT NULL, marks TEXT,
        verdict INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (pull, sha256)
    ) WITHOUT ROWID;
    """,
    """
    -- files that arrived and are not flushed to the disk yet: the picture of a sample, and its labels where it has some
    CREATE TABLE arrivals (sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, labels TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
    """,
    """
    -- the samples of which somebody said that this one is no copy of them: a list in JSON
    ALTER TABLE verdicts ADD COLUMN not_copy_of TEXT NOT NULL DEFAULT '[]';
    """,
    """
    -- who asked for an address that was refused to them, and when it may be asked again
    ALTER TABLE addresses ADD COLUMN asker TEXT;
    ALTER TABLE addresses ADD COLUMN again_at TEXT;

    -- the round whose candidates are being drawn; a killed run leaves it, and the next one goes on with it
    CREATE TABLE drawing (round INTEGER PRIMARY KEY);
    """,
    """
    -- the file in originals/ for which the picture of a sample stands
    ALTER TABLE samples ADD COLUMN original TEXT NOT NULL DEFAULT '';
    """,
    """
    -- a hash of the pixels of a sample, where one had to tell whether two pictures are the same to the last of them
    ALTER TABLE samples ADD COLUMN pixels TEXT;
    """,
    """
    -- the annotations that were read from each project, by the reference that stands in their verdicts' notes; `gone`
    -- when the server has it no more, or as a skip
    CREATE TABLE annotations (
        server TEXT NOT NULL, purpose TEXT NOT NULL, reference TEXT NOT NULL, sha256 TEXT NOT NULL,
        task INTEGER NOT NULL, skipped INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (server, purpose, reference)
    ) WITHOUT ROWID;
    -- what the server's clock said at the last pull, and how many pulls read only what it says has changed
    ALTER TABLE reviews ADD COLUMN clock TEXT NOT NULL DEFAULT '';
    ALTER TABLE reviews ADD COLUMN partial INTEGER NOT NULL DEFAULT 0;

    -- rounds of review: each begins with a push, and its pulls are taken back and done again together
    CREATE TABLE rounds (id INTEGER PRIMARY KEY, at TEXT NOT NULL, purpose TEXT NOT NULL, asked INTEGER NOT NULL);
    ALTER TABLE pulls ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
    -- how what a pull changed was when the pull was taken back: enough to do it again
    ALTER TABLE pulled ADD COLUMN after TEXT;
    ALTER TABLE pulled ADD COLUMN marks_after TEXT;
    ALTER TABLE pulled ADD COLUMN undo INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- how many people a round asks about each picture, who they are ('[]': whoever comes), and whether they see labels
    ALTER TABLE rounds ADD COLUMN overlap INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE rounds ADD COLUMN people TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE rounds ADD COLUMN blind INTEGER NOT NULL DEFAULT 0;

    -- whose answers a pull brought
    ALTER TABLE pulled ADD COLUMN people TEXT NOT NULL DEFAULT '[]';
    """,
    """
    -- pairs of samples that look the same and were laid over one another, the lower hash first: `moved` where they are
    -- two shots, `remainder` what is left between them (mean square)
    CREATE TABLE compared (
        one TEXT NOT NULL, other TEXT NOT NULL, moved INTEGER NOT NULL, remainder REAL NOT NULL,
        PRIMARY KEY (one, other)
    ) WITHOUT ROWID;
    """,
)


def connect(file: Path, before_change: Callable[[], None]) -> Guarded:
    """Open (or make) the catalog in WAL mode and bring its tables up to date.

    There are few indexes on purpose: each costs a page at every picture that arrives, and whatever reads by
    something else than a key reads the whole table once. With `synchronous=FULL` a commit is on the disk when it is
    done (https://www.sqlite.org/pragma.html#pragma_synchronous); `Catalog.unflushed` says where it need not be.

    Raises:
        DatasetError: the file is not a catalog, is damaged, or was made by a newer byod.
    """
    check_version(file)
    if not file.exists() or not file.stat().st_size:
        before_change()
    connection = Guarded(file, before_change, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute("PRAGMA wal_autocheckpoint=8000")  # 32 MB: collecting a few thousand pictures
        _migrate(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(file: Path) -> None:
    """Refuse a catalog of a newer byod, before anything is written: its version stands in the file's head.

    Source: https://www.sqlite.org/fileformat.html (the 100 bytes of the header; bytes 60 to 63 are `user_version`).

    Raises:
        DatasetError: it is newer.
    """
    try:
        with file.open("rb") as content:
            head = content.read(64)
    except OSError:
        return  # it is made, or its fault is said, when it is opened
    if len(head) == 64 and head.startswith(b"SQLite format 3\0"):
        _check(file, int.from_bytes(head[60:], "big", signed=True))


def _check(file: Path, version: int) -> None:
    file_formats.check(file, version, DatasetError, known=len(MIGRATIONS))


def _migrate(connection: Guarded, file: Path) -> None:
    done = int(connection.execute("PRAGMA user_version").fetchone()[0])
    _check(file, done)  # once more: what a killed byod wrote may not have reached the head
    for number, script in enumerate(MIGRATIONS[done:], start=done + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")
