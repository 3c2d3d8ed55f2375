"""byod: bring your own data - from two words to a picture model you can trust and give away."""

__version__ = "0.1.0"
