"""The task keypoints: where objects are in a picture, and where the points of each lie."""

from byod.schema.model_card import KeypointsCard
from byod.schema.recipe import Recipe
from byod.schema.records import Task
from byod.schema.task import TaskDefinition


def wrong_recipe(recipe: Recipe) -> str:
    """The lack of a recipe: the points must have names."""
    if recipe.points is None:
        return "a dataset of keypoints needs [points] with the names of its points"
    return ""


KEYPOINTS = TaskDefinition(
    Task.KEYPOINTS.value, "byod.tasks.keypoints", KeypointsCard, stored=True, wrong_recipe=wrong_recipe
)
