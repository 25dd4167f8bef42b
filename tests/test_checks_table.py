"""docs/checks.md says which check is for which task and what it needs: the registry says so too."""

from pathlib import Path

from audit.check_run import NEEDS
from audit.registry import PLUGINS, Check, checks

PAGE = Path(__file__).parents[1] / "docs" / "checks.md"
TASKS = ("binary", "multiclass", "multilabel", "regression", "ranking")


def line(check: Check) -> str:
    """The page's line of a check."""
    marks = ["x" if task in check.tasks else "" for task in TASKS]
    needs = ", ".join(NEEDS.get(need, need) for need in check.needs)
    return "| " + " | ".join([f"`{check.name}`", *marks, needs]) + " |"


def test_the_page_lists_every_built_in_check_with_its_tasks_and_needs():
    built_in = [c for c in checks().values() if c.function.__module__.startswith("audit.")]
    expected = [line(check) for check in built_in]
    given = [row for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    assert given == expected, "docs/checks.md should have these lines:\n" + "\n".join(expected)
    assert {task for check in built_in for task in check.tasks} == set(TASKS) and PLUGINS
