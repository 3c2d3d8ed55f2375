"""Nets that find heads and their points, and how they learn it."""
