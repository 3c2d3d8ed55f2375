"""How byod tells that two pictures are alike: exact radius search, the looks of a set, families and placeholders."""
