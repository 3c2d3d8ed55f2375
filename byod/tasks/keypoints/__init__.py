"""Keypoints: two nets, one that finds heads and one that finds the points of a head."""
