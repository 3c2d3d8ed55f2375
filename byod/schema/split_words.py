"""The words for the parts of a split, in names of folders and in lists."""

from byod.schema.records import Split

WORDS = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Split.VALID),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}
