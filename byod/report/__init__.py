"""What all written pages share: the overview of a dataset, words for reasons, tiles, Markdown and safe text files."""
