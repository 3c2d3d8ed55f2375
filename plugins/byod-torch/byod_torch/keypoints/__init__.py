"""Nets that find objects and their points, and how they learn it."""
