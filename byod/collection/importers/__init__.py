"""Other people's annotated pictures, read where they lie: the Cat Dataset, Pascal VOC boxes, COCO keypoints.

A reader finds pictures and their points and writes nothing; `byod.api.convert` makes a dataset of what it found.
"""
