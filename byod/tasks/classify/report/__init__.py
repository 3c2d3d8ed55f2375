"""The report of a run for classes."""
