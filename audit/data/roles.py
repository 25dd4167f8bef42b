"""What each column is for, and how rows are divided: declared, never guessed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal

from audit.errors import DataError
from audit.names import name_of
from audit.subject import Task


@dataclass(frozen=True)
class Roles:
    """The roles of a table's columns; a column without a role is not used.

    target: the label's column (multilabel: several 0/1 columns, separated by commas). positive: the value
    that is class 1 of a binary task. classes: the legal labels in order (empty: those found, sorted).
    favourable: the class that is good for the person. numeric, categorical: the features, in this order.
    sensitive: groups, no features unless also listed there. legitimate: factors that may explain a gap.
    drop: columns left out on purpose. immutable: features a person cannot change. cluster: rows that belong
    together (patient, user). missing: texts that stand for a missing value; an empty cell always does.
    missing_numeric: what a missing numeric feature does ('refuse'; 'drop' the row; the train 'median').
    units, ranges: of numeric features. bands: edges that turn numbers into groups; (40, 60) makes
    'under 40', '40 to 59', '60 and over'. free: texts, whose cells name nothing and stay as they are written.
    Values (positive, classes, favourable) may be written as the file writes them, or in any way that reads alike.
    """

    target: str
    positive: str | None = None
    classes: tuple[str, ...] = ()
    favourable: str | None = None
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    legitimate: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()
    id: str | None = None
    cluster: str | None = None
    weight: str | None = None
    time: str | None = None
    missing: tuple[str, ...] = ()
    missing_numeric: Literal["refuse", "drop", "median"] = "refuse"
    units: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bands: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    free: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in ("positive", "favourable"):
            value = getattr(self, role)
            object.__setattr__(self, role, None if value is None else name_of(value))
        object.__setattr__(self, "classes", tuple(map(name_of, self.classes)))
        require(self.missing_numeric, ("refuse", "drop", "median"), "missing_numeric")
        _refuse_two_jobs(self)
        groups = (*self.sensitive, *self.legitimate)
        for role, columns, allowed in (
            ("immutable", self.immutable, self.features),
            ("ranges", self.ranges, self.numeric),
            ("units", self.units, (*self.numeric, *groups)),
            ("bands", self.bands, groups),
        ):
            for column in columns:
                require(column, allowed, role)
        for column, (low, high) in self.ranges.items():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise DataError(f"ranges: {column}=({low}, {high})", "a finite low below a finite high")
        for column, edges in self.bands.items():
            if not edges or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
                raise DataError(f"bands: {column}={tuple(edges)}", "one or more edges in rising order")

    @property
    def features(self) -> tuple[str, ...]:
        """Return the features: the numeric columns, then the categorical ones."""
        return (*self.numeric, *self.categorical)

    def targets(self, task: Task) -> tuple[str, ...]:
        """Return the label's columns: several for a multilabel task, else one."""
        return tuple(t.strip() for t in self.target.split(",")) if task == "multilabel" else (self.target,)

    def columns(self, task: Task) -> tuple[str, ...]:
        """Return every column that is read, each once."""
        named = (*self.targets(task), *self.features, *self.sensitive, *self.legitimate, *self.free)
        single = (self.id, self.cluster, self.weight, self.time)
        return tuple(dict.fromkeys((*named, *(column for column in single if column))))


@dataclass(frozen=True)
class SplitPlan:
    """How rows are divided among train, validation, calibration and test.

    by 'fraction': drawn by the seed within each class. by 'cluster': the same, but whole clusters. by 'time': in
    the order of time, train first and test last, whole clusters where there are any. by 'column': `column` holds
    the split's name. by 'none': every row is judged, by a model that is ready. Fractions are of all rows; train gets
    the rest. Where test has a file of its own, `test` counts for nothing, the others are fractions of the other file.
    by 'folds': so many `folds`, drawn by the seed within each class, whole clusters where there are any; each is judged
    by a network trained on the others, of which `validation` is a fraction, and no row calibrates.
    """

    by: Literal["fraction", "column", "cluster", "time", "folds", "none"] = "fraction"
    column: str | None = None
    validation: float = 0.1
    calibration: float = 0.1
    test: float = 0.2
    seed: int = 0
    folds: int | None = None

    def __post_init__(self) -> None:
        require(self.by, ("fraction", "column", "cluster", "time", "folds", "none"), "split by")
        if (self.by == "folds") != (self.folds is not None) or (self.folds or 2) < 2:
            raise DataError(
                f"split by={self.by!r}, folds={self.folds}", "two folds or more with by: folds alone"
            )
        if (self.by == "column") != (self.column is not None):
            raise DataError(f"split by={self.by!r}, column={self.column!r}", "a column with by: column alone")
        shares = {"validation": self.validation, "calibration": self.calibration, "test": self.test}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise DataError(f"split {name}={share}", "a fraction from 0 to 1")
        if self.by == "folds":
            return
        if sum(shares.values()) > 1 + 1e-9:
            raise DataError(
                f"split fractions {shares} add up to {sum(shares.values()):g}",
                "1 at most, train gets the rest",
            )


def require(value: str, allowed: Iterable[str], what: str) -> None:
    """Raise DataError naming the nearest allowed value where `value` is not one."""
    names = list(allowed)
    if value in names:
        return
    near = difflib.get_close_matches(value, names, 1, 0.6)
    shown = ", ".join(repr(name) for name in names[:12]) + (" ..." if len(names) > 12 else "")
    todo = f"did you mean {near[0]!r}?" if near else f"there is {shown or 'none'}"
    raise DataError(f"{what}={value!r}", "a name that is there", todo)


def _refuse_two_jobs(roles: Roles) -> None:
    """Raise DataError where a column has two roles that exclude each other, or one role twice."""
    jobs = {
        "target": roles.targets("multilabel"),
        "id": (roles.id,),
        "weight": (roles.weight,),
        "drop": roles.drop,
        "cluster": (roles.cluster,),
        "numeric": roles.numeric,
        "categorical": roles.categorical,
        "sensitive": roles.sensitive,
        "legitimate": roles.legitimate,
        "time": (roles.time,),
    }
    for role, columns in jobs.items():
        twice = [column for i, column in enumerate(columns) if column in columns[:i]]
        if twice:
            raise DataError(f"column={twice[0]!r} is listed twice as {role}", "each column once")
    exclusive = list(jobs)[:7]
    pairs = [*combinations(exclusive, 2), *product(exclusive[:4], list(jobs)[7:])]
    for one, other in pairs:
        both = sorted({*jobs[one]} & {*jobs[other]} - {None}, key=str)
        if both:
            raise DataError(f"column={both[0]!r} is both {one} and {other}", "one of the two roles")
