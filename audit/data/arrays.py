"""Arrays held in Python -> Dataset, checked as strictly as files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audit.data import array_checks as checks
from audit.data import repeats, splits
from audit.data.bounds import bounds
from audit.data.labels import favourable_index, without_rows
from audit.data.roles import SplitPlan, require
from audit.errors import DataError
from audit.subject import Dataset, Feature, Inputs, Modality, Provenance, Split, Task, Tokens
from audit.subject_unit import FEATURES


def from_arrays(
    name: str,
    task: Task,
    x: Inputs,
    y: Any,
    *,
    id: Any = None,
    groups: Mapping[str, Any] | None = None,
    cluster: Any = None,
    weight: Any = None,
    time: Any = None,
    legitimate: Mapping[str, Any] | None = None,
    plan: SplitPlan | None = None,
    modality: Modality | None = None,
    classes: Sequence[str] = (),
    favourable: str | None = None,
    features: Sequence[Feature] = (),
    low: Any = None,
    high: Any = None,
    scale: Any = None,
    unit: str = "",
    source: str = "",
    licence: str = "",
) -> Dataset:
    """Return the dataset of x (a table [n, d], images [n, h, w, c] or a dict of arrays [n, ...]) and y.

    Every row is judged, as of a model that is ready; a plan divides them instead, by row, by cluster or in the order of
    time (a model that is trained here needs training rows). y: whole numbers from 0 in the order of
    `classes`, a 0/1 matrix (multilabel) or numbers. low and high bound one example; without them attacks cannot run.
    Images of bytes (uint8) are 0 to 255. eps is a share of an image's pixel range and counts a table's standard
    deviations on train; `scale` declares what else 1 of eps is of each input, and `unit` names it ("mV").
    Ids are hashed; without them rows are numbered. Raises DataError.
    """
    plan = SplitPlan(by="none") if plan is None else plan
    _refuse_plan(plan, cluster, time)
    y = np.asarray(y)
    raw = splits.row_numbers("data", len(y)) if id is None else id
    given = Split(x, y, raw, groups or {}, cluster, weight, time, legitimate or {})
    every = checks.plain(given, "data")
    y, raw = every.y, every.id
    checks.refuse_lengths(every, "data")
    splits.refuse_repeats(raw, "id")
    checks.refuse_labels(y, task, len(classes), "data")
    units = raw if every.cluster is None else every.cluster
    if plan.by == "time":
        assert every.time is not None
        units = every.time if every.cluster is None else units
        part = splits.by_time(units, every.time, plan, test=True)
    else:
        part = splits.draw(units, splits.strata(y, task), plan, test=True)
    made = from_splits(
        name,
        task,
        {one: every.take(np.flatnonzero(part == one)) for one in reversed(splits.NAMES)},
        modality=modality,
        classes=classes,
        favourable=favourable,
        features=features,
        low=low,
        high=high,
        scale=scale,
        unit=unit,
        source=source,
        licence=licence,
    )
    if plan.by != "none":
        return made
    said = (splits.ALL.format(n=len(part)), *made.provenance.notes)
    return replace(made, provenance=replace(made.provenance, notes=said))


def _refuse_plan(plan: SplitPlan, cluster: Any, time: Any) -> None:
    """Raise DataError where the plan needs what was not given."""
    if plan.by == "time" and time is None:
        raise DataError("split by=time without times", "time=, one a row")
    if plan.by in ("column", "folds") or (
        plan.by in ("fraction", "cluster") and (plan.by == "cluster") != (cluster is not None)
    ):
        raise DataError(
            f"split by={plan.by}, cluster given: {cluster is not None}", "by: cluster with clusters"
        )


def from_splits(
    name: str,
    task: Task,
    given: Mapping[str, Split],
    *,
    modality: Modality | None = None,
    classes: Sequence[str] = (),
    favourable: str | None = None,
    features: Sequence[Feature] = (),
    low: Any = None,
    high: Any = None,
    scale: Any = None,
    unit: str = "",
    source: str = "",
    licence: str = "",
    tokens: Tokens | None = None,
) -> Dataset:
    """Return the dataset of ready splits (test at least); ids and clusters are hashed. Raises DataError.

    tokens: for texts, how the splits' `text` became their `x`; the modality is then text.
    """
    given = {one: checks.plain(split, one) for one, split in given.items()}
    for one, split in given.items():
        require(one, splits.NAMES, "split")
        checks.refuse_lengths(split, one)
        checks.refuse_values(split, one)
        checks.refuse_labels(split.y, task, len(classes), one)
    if tokens is not None:
        checks.refuse_tokens(given, tokens)
        modality = "text"
    if "test" not in given or not len(given["test"]):
        raise DataError(f"splits {sorted(given)} without test rows", "rows to judge", "add a test split")
    splits.refuse_repeats(np.concatenate([split.id.astype(str) for split in given.values()]), "id")
    names = checks.class_names(given, task, classes)
    salt = splits.salt_of(checks.content(given))
    ids = tokens is not None
    made = {one: checks.ready(split, task, salt, tokens=ids) for one, split in given.items()}
    made = {one: split.apart_from(given[one]) for one, split in made.items()}
    made = {one: made.get(one, made["test"].take(np.arange(0))) for one in reversed(splits.NAMES)}
    described = () if tokens is not None else checks.described(made, features)
    kind = modality or checks.modality_of(made["test"].x)
    found = bounds(given, made, kind, described, low, high, scale, unit)
    declared = FEATURES if scale is None and checks.scaled(features) and kind != "image" else found.unit
    unseen = ()
    if task == "multiclass" and classes:
        unseen = without_rows(np.concatenate([split.y for split in made.values()]), names)
    return Dataset(
        name=name,
        task=task,
        modality=kind,
        splits=made,
        classes=names,
        favourable=favourable_index(favourable, names),
        features=described,
        low=found.low,
        high=found.high,
        scale=found.scale,
        unit=declared,
        tokens=tokens,
        provenance=Provenance(
            source=source or "arrays",
            licence=licence,
            notes=(*unseen, *(() if len(made["train"]) else (splits.NO_TRAIN,))),
            salt=salt,
            **repeats.counted(made),
        ),
    )
