"""Bytes in, pixels and hashes out."""
