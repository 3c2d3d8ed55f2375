"""The task classify: which class a picture is of, learned from class folders."""

from byod.schema.model_card import ModelCard
from byod.schema.records import Task
from byod.schema.task import TaskDefinition

CLASSIFY = TaskDefinition(Task.CLASSIFY.value, "byod.tasks.classify", ModelCard)
