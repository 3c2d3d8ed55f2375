"""The report of a run for keypoints."""
