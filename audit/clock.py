"""Seconds by stage, what XLA compiled among them, and the progress of the current stage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import jax

Progress = Callable[[str, int, int], None]
COMPILE = "compile (part of the others)"


class Clock:
    """Times stages and tells `progress(stage, done, total)` about them; total 0 means just begun."""

    def __init__(self, progress: Progress, seconds: dict[str, float], budget: float | None = None) -> None:
        self.progress, self._seconds, self.stage = progress, dict(seconds), ""
        self._end = math.inf if budget is None else time.perf_counter() + budget
        self._before = _compiled()[0]

    @property
    def seconds(self) -> dict[str, float]:
        """Return seconds by stage, and those spent compiling since the clock was made."""
        return {**self._seconds, COMPILE: round(_compiled()[0] - self._before, 3)}

    def expired(self) -> bool:
        """Return whether the time budget is spent."""
        return time.perf_counter() > self._end

    def tick(self, done: int, total: int) -> None:
        """Report progress within the current stage."""
        self.progress(self.stage, done, total)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        self.stage, start = stage, time.perf_counter()
        self.progress(stage, 0, 0)
        yield
        self._seconds[stage] = round(time.perf_counter() - start, 3)
        self.progress(stage, 1, 1)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of a part of the current stage to those of the parts of that name."""
        key, start = f"{self.stage} / {name}", time.perf_counter()
        yield
        self._seconds[key] = round(self._seconds.get(key, 0.0) + time.perf_counter() - start, 3)


@cache
def _compiled() -> list[float]:
    """Return a one-item list that grows by the seconds of every compilation in this process."""
    total = [0.0]

    def add(event: str, duration_secs: float, **kwargs: str | int) -> None:
        del kwargs
        if event.endswith("backend_compile_duration"):
            total[0] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(add)
    return total
