"""Tasks stand apart: nobody outside `byod/tasks/` asks which task it is, and what two tasks share stands once."""

import ast
from pathlib import Path

from source_trees import nodes

import byod
from byod.tasks import TASKS

HOME = Path(byod.__file__).parent
RECORDS = {
    "ModelCard",
    "KeypointsCard",
    "Metrics",
    "KeypointsMetrics",
    "Prediction",
    "KeypointsPrediction",
    "Comparison",
    "KeypointsComparison",
    "Evaluation",
    "KeypointsEvaluation",
    "ClassesSaid",
    "Contender",
    "KeypointsContender",
    "ClassSet",
    "TrainingSet",
}
"""What only one of the tasks knows."""
RUN = 6
"""So many equal lines, one after the other, are one thing that stands twice."""


def outside():
    """The modules of byod that are not a task's own."""
    return [path for path in sorted(HOME.rglob("*.py")) if not path.is_relative_to(HOME / "tasks")]


def names_a_task(node: ast.AST) -> bool:
    """True if an expression names one of the tasks: `Task.KEYPOINTS`, or "keypoints"."""
    return any(
        (isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Task")
        or (isinstance(each, ast.Constant) and each.value in TASKS)
        for each in ast.walk(node)
    )


def test_nobody_outside_asks_which_task_it_is():
    """No comparison, condition or case outside of the tasks' folders names one of them."""
    found = []
    for path in outside():
        for node in nodes(path):
            asked: list[ast.AST] = []
            if isinstance(node, ast.Compare):
                asked = [node]
            elif isinstance(node, ast.If | ast.IfExp | ast.While):
                asked = [node.test]
            elif isinstance(node, ast.match_case):
                asked = [node.pattern]
            found += [f"{path.relative_to(HOME)}:{each.lineno}" for each in asked if names_a_task(each)]
    assert not found


def test_nobody_outside_asks_for_the_kind_of_a_tasks_record():
    """No `isinstance` outside of the tasks' folders is on a record that one task alone knows."""
    found = []
    for path in outside():
        for node in nodes(path):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "isinstance"
            ):
                kinds = {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
                if kinds & RECORDS:
                    found.append(f"{path.relative_to(HOME)}:{node.lineno}")
    assert not found


def runs(folder: Path) -> dict[tuple[str, ...], str]:
    """All runs of lines in a folder, blank ones left out, with where each stands."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        lines = [
            (number, line.strip())
            for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
            if line.strip()
        ]
        for at in range(len(lines) - RUN + 1):
            part = lines[at : at + RUN]
            found[tuple(line for _, line in part)] = f"{path.relative_to(HOME)}:{part[0][0]}"
    return found


def test_no_six_lines_stand_in_both_tasks():
    """What the tasks share stands once, to the left of them."""
    one, other = (runs(HOME / "tasks" / name) for name in ("classify", "keypoints"))
    assert not [(one[run], other[run]) for run in one.keys() & other.keys()]
