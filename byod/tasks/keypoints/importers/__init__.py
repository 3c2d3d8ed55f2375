"""Annotations of others as keypoints."""
