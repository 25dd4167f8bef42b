"""What the terminal shows: stages with the time left, or plain lines when piped; the summary; errors."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from audit.evidence import WORST_FIRST, Decision, Record

STYLES = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow", "NOT-ESTIMABLE": "magenta"}
OUT = Console(highlight=False, soft_wrap=True, emoji=False)
ERR = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


@contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress function: silent, a live bar on a terminal, a line a stage when piped."""
    if quiet:
        yield lambda stage, done, total: None
    elif ERR.is_terminal:
        with _bar() as bar:
            yield _live(bar)
    else:
        yield _lines()


def show(text: str) -> None:
    """Print lines, coloured by the verdict word they begin with; returns nothing."""
    for line in text.splitlines():
        word = next((v for v in WORST_FIRST if line.strip().startswith(v)), None)
        OUT.print(line, style=STYLES[word] if word else None, markup=False)


def as_json(
    record: Record, decisions: tuple[Decision, ...], verdict: str, code: int, run: Path | None
) -> str:
    """Return the verdict and its decisions as one JSON object."""
    value = {
        "verdict": verdict,
        "exit_code": code,
        "name": record.name,
        "run": str(run) if run else None,
        "decisions": [d.model_dump(mode="json") for d in decisions],
        "remedies": [{"remedy": t.remedy, "status": t.status, "verdict": t.verdict} for t in record.remedies],
        "unmet": list(record.unmet),
        "verified": not record.unverified,
    }
    return json.dumps(value, indent=1, ensure_ascii=False)


def note(message: str) -> None:
    """Print one line that is no error to standard error; returns nothing."""
    ERR.print(f"note: {message}", markup=False)


def error(message: str) -> None:
    """Print one line to standard error; returns nothing."""
    ERR.print(f"error: {message}", markup=False, style="red")


def _bar() -> Progress:
    """Return the live display."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=ERR,
        transient=False,
    )


def _live(bar: Progress) -> Callable[[str, int, int], None]:
    """Return a progress function that moves a bar a stage."""
    tasks: dict[str, object] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=None)
        bar.update(tasks[stage], completed=done, total=total or None)  # type: ignore[arg-type]

    return progress


def _lines() -> Callable[[str, int, int], None]:
    """Return a progress function that prints a line when a stage ends."""
    begun: dict[str, float] = {}
    ended: set[str] = set()

    def progress(stage: str, done: int, total: int) -> None:
        begun.setdefault(stage, time.perf_counter())
        if (done, total) == (1, 1) and stage not in ended:
            ended.add(stage)
            print(f"{stage}: {time.perf_counter() - begun[stage]:.1f} s", file=sys.stderr, flush=True)

    return progress
