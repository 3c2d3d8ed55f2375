"""Runs of the task keypoints: two nets, one that finds heads and one that finds the points of a head."""

from byod.pointruns.comparing import compare
from byod.pointruns.evaluation import PointsEvaluation, evaluate
from byod.pointruns.marked import read
from byod.pointruns.stories import tell
from byod.pointruns.training import train_run, verdict

__all__ = ["PointsEvaluation", "compare", "evaluate", "read", "tell", "train_run", "verdict"]
