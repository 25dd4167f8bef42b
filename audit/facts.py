"""What the record says of the data and the model, and what the audit did not measure; never a row."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

import jax
import numpy as np

from audit import row_weights
from audit.assemble import Assembled
from audit.config import SystemConfig
from audit.digests import model_digest, software
from audit.evidence import Area, CheckResult, DataFacts, Facts, FeatureFacts, ModelFacts
from audit.registry import checks, find
from audit.subject import JUDGED, Dataset, Subject
from audit.subject_unit import eps_unit

NAMED = {
    "privacy": "Privacy (membership inference) was",
    "data": "Data quality and drift were",
    "behaviour": "Declared behaviours (invariances) were",
}
FOLDED = (
    "The network to be released was not judged: these figures are the mean over {n} networks, each judged on the fold "
    "that it was trained without; a network trained on all rows is another one.",
    "How far the figures move with the seed and the division into folds was not measured: an interval is for these {n} "
    "networks, and holds where training is stable (a row more or less hardly changes the network).",
    "Measures of the score itself other than AUCs and calibration errors pool {n} networks, whose errors may cancel.",
    "What needs calibration rows (conformal sets, thresholds for a coverage, scaling) was not measured: every row is "
    "judged.",
)


def of(subject: Subject, made: Assembled, system: SystemConfig) -> Facts:
    """Return the facts of an audit."""
    return Facts(
        data=_data(subject.data),
        model=_model(subject, made),
        system={key: str(value) for key, value in system.model_dump().items()},
        software=software(),
    )


def not_measured(results: tuple[CheckResult, ...], subject: Subject) -> tuple[str, ...]:
    """Return a sentence for every area without a finished check and every split that no check could use."""
    done = {result.area for result in results if result.status == "ok"}
    configured = {result.area for result in results}
    lines = [_unmeasured(area, configured) for area in get_args(Area) if area not in done]
    lines += row_weights.said(
        {r.check: find(r.check).weighs for r in results if r.status == "ok"}, subject.data
    )
    if subject.data.folds is not None:
        lines += [text.format(n=len(subject.data.folds)) for text in FOLDED]
    if "reference" not in subject.data.splits:
        lines.append("Use after the data were collected was not measured: no reference data from operation.")
    return tuple(lines)


def _unmeasured(area: str, configured: Collection[str]) -> str:
    """Return that an area was not measured, and why: there is no check of it, none was configured, or none finished."""
    why = "no check of it finished" if area in configured else "no check of it was configured"
    if area not in {check.area for check in checks().values()}:
        why = "this version has no check for it"
    return f"{NAMED.get(area, f'{area.capitalize()} was')} not measured: {why}."


def _data(data: Dataset) -> DataFacts:
    """Return the facts of the data."""
    source = data.provenance
    return DataFacts(
        name=data.name,
        task=data.task,
        modality=data.modality,
        target=data.target,
        classes=data.classes,
        favourable=None if data.favourable is None else data.classes[data.favourable],
        splits={
            name: len(split) for name, split in data.splits.items() if data.folds is None or name == JUDGED
        },
        features=tuple(
            FeatureFacts(name=f.name, kind=f.kind, unit=f.unit, low=f.low, high=f.high, mutable=f.mutable)
            for f in data.features
        ),
        groups={name: _counts(values) for name, values in data.test.groups.items()},
        source=source.source,
        licence=source.licence,
        sha256=source.sha256,
        dropped=dict(source.dropped),
        repeated_in_test=source.repeated_in_test,
        repeated_within_test=source.repeated_within_test,
        notes=source.notes,
        unit=eps_unit(data) if data.modality in ("table", "image", "series") else "",
        folds=None if data.folds is None else len(data.folds),
    )


def _counts(values: np.ndarray) -> dict[str, int]:
    """Return the rows of each group."""
    names, counts = np.unique(np.asarray(values, dtype=str), return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _model(subject: Subject, made: Assembled) -> ModelFacts:
    """Return the facts of the model."""
    model = subject.model
    leaves = [leaf for leaf in jax.tree.leaves(model.params) if hasattr(leaf, "size")]
    return ModelFacts(
        name=model.name,
        network=model.network,
        parameters=sum(int(leaf.size) for leaf in leaves) if leaves else None,
        outputs=str(model.outputs),
        decision=str(model.decision),
        differentiable=model.differentiable and model.apply is not None and model.outputs != "decisions",
        sha256=model_digest(model),
        origin=model.origin,
        training=made.training,
        notes=model.notes,
    )
