"""The remedies there are: @remedy registers one, find() loads it or names the nearest."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, get_type_hints

from audit import registry
from audit.errors import ConfigError, PluginError
from audit.evidence import CheckResult, Measurement, Table
from audit.registry import Options

if TYPE_CHECKING:  # the subject loads JAX, which reading a configuration's schema need not
    from audit.subject import Model, Subject


@dataclass(frozen=True)
class Bench:
    """What a remedy may use besides subject and options.

    key: JAX PRNG key folded from (seed, remedy name).
    train(how): the same model trained from the same start, adversarially, with a penalty on gaps, or by reductions.
    scale(method): the model asked about with its logits scaled, fitted on the calibration rows.
    equalise(parity): the model asked about decided by thresholds of each group, fitted on the calibration rows.
    measure(model, check): the result of a configured check on the *validation* rows, with its options.
    judged(result): those of its measurements that a blocking rule of the policy names.
    """

    key: Any
    train: Callable[..., Model]
    scale: Callable[..., Model]
    equalise: Callable[..., Model]
    measure: Callable[[Model, str], CheckResult]
    judged: Callable[[CheckResult], tuple[Measurement, ...]]


@dataclass(frozen=True, eq=False)
class Choice:
    """What a remedy made of the model asked about: the chosen model, or None and why there is none.

    says: the chosen one in a few words. rule: by what rule, on which rows. candidates: what was tried.
    """

    model: Model | None
    says: str
    rule: str
    candidates: Table
    reason: str = ""


@dataclass(frozen=True)
class Remedy:
    """A registered remedy: its name, title, what it needs, and f(subject, options, bench) -> Choice.

    The subject is the model asked about with the *validation* rows in the test rows' place: no remedy sees those.
    needs: as a check's. checks: the configured checks that it chooses by. trains: whether it trains anew.
    splits: those that it needs besides validation.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    checks: tuple[str, ...]
    trains: bool
    splits: tuple[str, ...]
    options: type[Options]
    function: Callable[[Subject, Any, Bench], Choice] = field(repr=False)

    @property
    def says(self) -> str:
        """Return the function's docstring."""
        return inspect.getdoc(self.function) or ""


_remedies: dict[str, Remedy] = {}


def remedy(
    name: str,
    *,
    title: str,
    needs: tuple[str, ...] = (),
    checks: tuple[str, ...] = (),
    trains: bool = False,
    splits: tuple[str, ...] = (),
) -> Callable[[Callable[..., Choice]], Callable[..., Choice]]:
    """Return a decorator that registers f(subject, options, bench) -> Choice under this name."""

    def register(function: Callable[..., Choice]) -> Callable[..., Choice]:
        options = get_type_hints(function).get("options")
        if not (isinstance(options, type) and issubclass(options, Options)):
            raise PluginError(f"remedy {name}: its second argument is not annotated with an Options class")
        known = _remedies.get(name)
        if known and known.function.__module__ != function.__module__:
            given = f"remedy {name} is registered twice, by {known.function.__module__} and "
            raise PluginError(f"{given}{function.__module__}")
        _remedies[name] = Remedy(name, title, needs, checks, trains, splits, options, function)
        return function

    return register


@cache
def _load() -> None:
    """Import every built-in remedy, and with the checks every plugin."""
    registry.checks()
    package = importlib.import_module("audit.remedies")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"audit.remedies.{module.name}")


def remedies() -> Mapping[str, Remedy]:
    """Return every remedy by name, sorted."""
    _load()
    return dict(sorted(_remedies.items()))


def find(name: str) -> Remedy:
    """Return the remedy of this name; ConfigError with the nearest name otherwise."""
    known = remedies()
    if name not in known:
        raise ConfigError(f"there is no remedy {name!r}", registry.nearest(name, known))
    return known[name]
