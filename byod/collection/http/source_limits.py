"""The limits of each source: one table, from which the code takes its numbers and docs/sources.md is made.

Each row says where its numbers come from and when that was written; nothing was asked over the internet for it.
"""

from __future__ import annotations

from byod.schema.records import Record


class SourceLimits(Record):
    """The limits of one source.

    `page_size` pictures a page and `reach` for one query (None: no such limit); `with_key` is the page size of whoever
    has a key, where that differs. `per_minute` requests are sent at most, and `connections` at a time for pictures.
    `agent` is what it wants to know of who asks; `terms` is what byod keeps to beyond numbers. `day` is the source's
    own allowance in words. `origin` and `date`: who wrote this down, and when.
    """

    page_size: int
    with_key: int | None = None
    reach: int | None = None
    per_minute: int
    per_minute_with_key: int | None = None
    connections: int | None = None
    day: str = ""
    agent: str = ""
    terms: str = ""
    origin: str
    date: str


LIMITS: dict[str, SourceLimits] = {
    "openverse": SourceLimits(
        page_size=20,
        # 50 is what the server allows, and page x size may not exceed 240: 48 divides it without a rest
        with_key=48,
        reach=240,
        per_minute=20,
        per_minute_with_key=100,
        day="200 requests; 10,000 with a token, which lives 12 hours",
        agent="none wanted",
        terms="no copying of the catalogue; licences are not verified by Openverse",
        origin="recorded replies, and restricted_features.py and media_serializers.py of WordPress/openverse",
        date="2024-12",
    ),
    "commons": SourceLimits(
        page_size=50,
        reach=1000,
        per_minute=100,
        connections=2,
        day="none stated; 200 a minute are allowed to whoever names a contact",
        agent="a contact, else it refuses (HTTP 403)",
        terms="two connections at a time over all of wikimedia.org, 25 Mbit/s; thumbs of certain widths only",
        origin="Wikimedia's robot policy (w.wiki/4wJS) and recorded refusals",
        date="2026-09",
    ),
    "wikidata": SourceLimits(
        page_size=50,
        per_minute=100,
        connections=2,
        agent="a contact, as Commons",
        terms="one pace together with Commons",
        origin="Wikimedia's robot policy (w.wiki/4wJS)",
        date="2026-09",
    ),
    "inaturalist": SourceLimits(
        page_size=200,
        reach=10_000,
        per_minute=60,
        day="10,000 requests; 5 GB of pictures an hour and 24 GB a day",
        agent="none wanted",
        terms="no data scraping: bulk belongs to the open data on S3",
        origin="iNaturalist's API documentation, iNaturalistAPI server code",
        date="2026-08",
    ),
    "gbif": SourceLimits(
        page_size=300,
        reach=100_000,
        per_minute=60,
        day="none stated; long harvests belong to its download service",
        agent="an honest name with a contact",
        terms="a page larger than 300 is cut without a word, and records beyond 100,000 are not shown; the licence of "
        "a picture is its own, not its record's",
        origin="GBIF's API documentation and issue tracker (gbif/occurrence#22), recorded replies of pygbif and rgbif",
        date="2025-11",
    ),
    "huggingface": SourceLimits(
        page_size=100,
        per_minute=100,
        day="500 requests and 3,000 files in 5 minutes; 1,000 and 5,000 with a token",
        agent="none wanted",
        terms="gated datasets are opened by accepting their terms; what was converted for viewing ends at 5 GB",
        origin="documentation and code of hub-docs, dataset-viewer, datasets and huggingface_hub",
        date="2026-08",
    ),
    "openimages": SourceLimits(
        page_size=1000,
        per_minute=300,
        day="none stated",
        agent="none wanted",
        terms="static files; the licence of each picture is as listed 2016–18, with no warranty",
        origin="Google's pages on Open Images V7, the CVDF's repository and loaders; sizes as measured",
        date="2026-08",
    ),
    "coco": SourceLimits(
        page_size=1000,
        per_minute=300,
        day="none stated",
        agent="none wanted",
        terms="annotations are under CC BY 4.0; the pictures are not COCO's, and whoever uses them answers for it",
        origin="cocodataset.org, the annotations' own table of licences, loaders of many projects",
        date="2026-08",
    ),
    "flickr": SourceLimits(
        page_size=250,
        reach=4_000,
        per_minute=60,
        day="3,600 requests an hour for a key",
        terms="credit with a link back; sizes above 1024 px of free accounts are closed since May 2025",
        origin="Flickr's API guide, recorded rows and errors (Flickr Foundation)",
        date="2025-06",
    ),
    "pixabay": SourceLimits(
        page_size=200,
        reach=500,
        per_minute=100,
        day="none stated",
        terms="replies are remembered for 24 hours, no systematic mass downloads, no permanent links; nobody here has "
        "read whether its terms allow training",
        origin="Pixabay's API documentation, hits of public app tests",
        date="2025-05",
    ),
    "google": SourceLimits(
        page_size=100,
        reach=1_000,
        per_minute=60,
        day="as paid for at SerpApi",
        terms="SerpApi's",
        origin="SerpApi's documentation and issue tracker",
        date="2026-03",
    ),
    "duckduckgo": SourceLimits(
        page_size=100,
        per_minute=30,
        agent="a browser's",
        terms="no API: byod asks as a browser does",
        origin="ddgs 9.16.1; the pace is byod's own",
        date="2026-11",
    ),
    "bing": SourceLimits(
        page_size=35,
        per_minute=30,
        agent="a browser's",
        terms="no API: byod asks as a browser does",
        origin="ddgs 9.16.1; the pace is byod's own",
        date="2026-11",
    ),
}

WIKIMEDIA = "wikimedia.org"
"""What commons., upload., thumb. and the others are one site of; it is asked at one pace."""


def connections(host: str, allowed: int) -> int:
    """Pictures to ask a host for at a time: `allowed`, or fewer where its owner wants that."""
    return min(allowed, LIMITS["commons"].connections or allowed) if of_wikimedia(host) else allowed


def of_wikimedia(host: str) -> bool:
    """True if a host is of Wikimedia's sites for files and wikis in common."""
    return host == WIKIMEDIA or host.endswith(f".{WIKIMEDIA}")


def site(host: str) -> str:
    """The name under which a host's connections and pauses are counted: its own, or that of its whole site."""
    return WIKIMEDIA if of_wikimedia(host) else host
