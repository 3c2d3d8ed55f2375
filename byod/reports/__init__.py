"""What people read about models: HTML files that need nothing beside them, for screens in light or dark, and paper."""

from byod.reports.page import render
from byod.reports.pointpage import render as render_points
from byod.reports.pointstory import HeadAnswer, MarkDoubt, PictureAnswer, PointsStory
from byod.reports.story import Answer, Look, Story
from byod.reports.versus import compare_page, compare_points_page

__all__ = [
    "Answer",
    "HeadAnswer",
    "Look",
    "MarkDoubt",
    "PictureAnswer",
    "PointsStory",
    "Story",
    "compare_page",
    "compare_points_page",
    "render",
    "render_points",
]
