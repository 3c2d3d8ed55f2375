"""Datasets of keypoints for other programs."""
