"""Near-duplicates: exact radius search, an index of hashes, groups and placeholders."""
