"""The defaults: plain numbers and words, so that a help text can name them too."""

OWN_PICTURES = "folder"
"""The name of the source of pictures that somebody brought: files of this machine."""

ADDRESS_LISTS = "urls"
"""The name of the source of pictures whose addresses came in a list."""

NEEDS_PYARROW = "reading parquet needs pyarrow; in the clone: uv sync --extra parquet"
"""What is said where pyarrow is missing, by name of the file or source."""

SOURCES = ("openverse", "commons", "duckduckgo")
"""What is searched, in turn; none of them needs a key."""

PER_CLASS = 200
LANGUAGES = ("en",)
"""What a search goes on in when a class falls short."""

MIN_SIDE = 200
"""The shorter side of a picture that was searched for, in pixels."""
MAX_ASPECT = 4.0
MAX_PIXELS = 1_000_000_000
"""A picture with more pixels is refused, whatever memory there is."""

EXCLUDED_HOSTS = ("stock",)
"""Whose pictures are left out: byod's list of stock sites."""

COLOURS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white"),
    "monochrome",
)
"""Colours to ask a source for, where it knows colours."""

WORKERS = 32
PER_HOST = 2
DELAY = 0.0
"""Seconds between the starts of two requests to one host."""
DEADLINE = 30.0
"""Seconds for one request, redirects and all."""
RETRIES = 1
"""Further tries of a download that failed in passing."""
MAX_BYTES = 25_000_000
REDIRECTS = 5
