"""The version of byod; `byod.__version__` is this one, and rooms take it from here, below all that they import."""

VERSION = "0.1.0"
