"""What people read about models: HTML files that need nothing beside them, for screens in light or dark, and paper."""

from byod.reports.page import render
from byod.reports.story import Answer, Look, Story
from byod.reports.versus import compare_page

__all__ = ["Answer", "Look", "Story", "compare_page", "render"]
