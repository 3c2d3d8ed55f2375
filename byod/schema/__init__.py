"""The words all rooms share: records, errors, files, and the protocols of a task."""
