"""The page as a folder of plain files."""
