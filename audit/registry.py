"""The checks there are: @check registers one, find() loads it or names the nearest."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal, get_type_hints

from audit.errors import ConfigError, PluginError
from audit.evidence import Area, Artifact, Findings, Frozen, Measurement

PLUGINS = "audit.plugins"


class Options(Frozen):
    """A check's options: subclass it with one annotated, described, defaulted field a line."""


@dataclass(frozen=True)
class Context:
    """What run.py hands a check besides subject and options.

    key: JAX PRNG key folded from (seed, check name); seed: an int folded the same way, for NumPy.
    quick: spend less. tick(done, total): progress. attach(name, bytes, media_type, caption): a sidecar file.
    refit(**changes): a new model trained with changes, where the model was trained here, else None.
    settled(measurement): whether no rule's verdict on it can change, however much more an attack finds.
    expired(): whether the time budget is spent. timed(part): a context that counts a part's seconds.
    """

    key: Any
    seed: int
    quick: bool = False
    tick: Callable[[int, int], None] = lambda done, total: None
    attach: Callable[[str, bytes, str, str], Artifact] | None = None
    refit: Callable[..., Any] | None = None
    settled: Callable[[Measurement], bool] = lambda measurement: False
    expired: Callable[[], bool] = lambda: False
    timed: Callable[[str], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Measure:
    """A measure a check can make: its name, what is better, one sentence, its interval's method.

    ends: of its possible values, None where there is none; a share's unless said. A rule whose limit every value of
    that range keeps, or none does, is refused.
    """

    name: str
    better: str
    says: str
    interval: str
    ends: tuple[float | None, float | None] = (0, 1)


@dataclass(frozen=True)
class Check:
    """A registered check: its name, area, needs, tasks, measures, options and function.

    refuse(options, dataset) raises ConfigError for options that the data cannot answer, before any training.
    broken: what becomes of an output that is NaN or infinite on an input that the check makes: 'counted' where the
    check itself counts that row against the model, 'doubted' where it does not, so that no estimate of it may PASS.
    weighs: whether its numbers use declared row weights; where they do not, weighted rows leave nothing to judge.
    """

    name: str
    area: Area
    title: str
    needs: tuple[str, ...]
    tasks: tuple[str, ...]
    measures: tuple[Measure, ...]
    options: type[Options]
    function: Callable[[Any, Any, Context], Findings] = field(repr=False)
    refuse: Callable[[Any, Any], None] = field(default=lambda options, data: None, repr=False)
    broken: Literal["counted", "doubted"] = "doubted"
    weighs: bool = False

    @property
    def says(self) -> str:
        """Return the function's docstring."""
        return inspect.getdoc(self.function) or ""


_checks: dict[str, Check] = {}


def check(
    name: str,
    *,
    area: Area,
    title: str,
    measures: tuple[Measure, ...],
    needs: tuple[str, ...] = (),
    tasks: tuple[str, ...] = ("binary", "multiclass"),
    refuse: Callable[[Any, Any], None] = lambda options, data: None,
    broken: Literal["counted", "doubted"] = "doubted",
    weighs: bool = False,
) -> Callable[[Callable[..., Findings]], Callable[..., Findings]]:
    """Return a decorator that registers f(subject, options, ctx) -> Findings under this name.

    refuse(options, dataset): raises ConfigError, before any training, for options that the data cannot answer.
    broken: 'counted' only where the check counts a row with a NaN or infinite output against the model.
    weighs: whether the numbers use the rows' declared weights.
    """

    def register(function: Callable[..., Findings]) -> Callable[..., Findings]:
        options = get_type_hints(function).get("options")
        if not (isinstance(options, type) and issubclass(options, Options)):
            raise PluginError(f"check {name}: its second argument is not annotated with an Options class")
        if name in _checks and _checks[name].function.__module__ != function.__module__:
            raise PluginError(
                f"check {name} is registered twice, by {_checks[name].function.__module__} and "
                f"{function.__module__}"
            )
        _checks[name] = Check(
            name, area, title, needs, tasks, measures, options, function, refuse, broken, weighs
        )
        return function

    return register


@cache
def _load() -> None:
    """Import every built-in check and every plugin; a plugin that fails is an error, never skipped."""
    package = importlib.import_module("audit.checks")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"audit.checks.{module.name}")
    for point in entry_points(group=PLUGINS):
        try:
            point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a plugin raises, an exit too, the user must see it
            raise PluginError(
                f"plugin {point.name} ({point.value}) does not import: {error!r}", todo="mend or uninstall it"
            ) from error


def checks() -> dict[str, Check]:
    """Return every check by name, sorted."""
    _load()
    return dict(sorted(_checks.items()))


def find(name: str) -> Check:
    """Return the check of this name; ConfigError with the nearest name otherwise."""
    known = checks()
    if name not in known:
        raise ConfigError(f"there is no check {name!r}", nearest(name, known), "see `python -m audit list`")
    return known[name]


def nearest(name: str, known: Any) -> str:
    """Return 'one of ...', or the nearest known name when one is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"perhaps {close[0]!r}" if close else "one of " + (", ".join(sorted(set(known))) or "(none)")
