"""Which items recommendations show: attention over the catalogue, and by groups of items beside what rows took."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from audit import stats
from audit.evidence import Measurement, Scalar
from audit.metrics import ranking
from audit.subject import Subject
from audit.trials import histories

HEADS = (
    *(
        ("attribute", "Attribute"),
        ("group", "Group"),
        ("catalogue", "Catalogue share"),
        ("exposure", "Exposure"),
    ),
    *(("history", "Histories"), ("held_out", "Held out"), ("over_history", "Over histories")),
    *(
        ("over_history_low", "95 % low"),
        ("over_history_high", "95 % high"),
        ("over_held_out", "Over held out"),
    ),
    *(("over_held_out_low", "95 % low"), ("over_held_out_high", "95 % high")),
)
BETTER: dict[str, Literal["higher", "lower", "neither"]] = {
    "coverage": "higher",
    "exposure_gini": "lower",
    "training_gini": "neither",
}


def spread(top: np.ndarray, weight: np.ndarray, counts: np.ndarray) -> Iterator[Measurement]:
    """Yield how attention weight[n, k] of columns top[n, k] spreads over items: figures without intervals."""
    n, shown = len(top), top >= 0
    attention = np.bincount(top[shown], weights=weight[shown], minlength=len(counts))
    grows = "grows with the number of rows"
    share = float((attention > 0).mean())
    found = (
        ("coverage", "Share of the catalogue shown", share, f"items shown / {len(counts):,}"),
        ("exposure_gini", "Gini of exposure", ranking.gini(attention), "Gini coefficient"),
        ("training_gini", "Gini of training counts", ranking.gini(counts), "Gini coefficient"),
    )
    for name, label, value, method in found:
        estimate = stats.descriptive(value, n, method, note=grows if name == "coverage" else "")
        yield Measurement(name=name, label=label, estimate=estimate, better=BETTER[name])


def of_groups(
    subject: Subject, attribute: str, top: np.ndarray, weight: np.ndarray
) -> tuple[list[Measurement], list[tuple[Scalar, ...]]]:
    """Return the exposure of an attribute's groups of items beside their shares of histories and held-out items.

    top[n, k] are the columns shown and weight[n, k] their shares of a list's attention; the lines are the table's.
    """
    test = subject.data.test
    names, member = histories.catalogue_of(subject).groups[attribute]
    exposure = ranking.of_shown(member, top, weight)
    history, held = ranking.of_history(member, test.x["history"]), ranking.of_history(member, test.y)
    some = histories.lengths(test.x["history"]) > 0
    every, measurements, lines = np.ones(len(test), bool), [], []
    for j, group in enumerate(names):
        found = {
            "exposure_share": (exposure[:, j], every, 0.0),
            "history_share": (history[:, j], some, 0.0),
            "held_out_share": (held[:, j], every, 0.0),
            "exposure_over_history": (exposure[:, j] - history[:, j], some, -1.0),
            "exposure_over_held_out": (exposure[:, j] - held[:, j], every, -1.0),
        }
        line: list[Scalar] = [attribute, group, float(member[:, j].mean())]
        for name, (values, among, low) in found.items():
            cluster = None if test.cluster is None else test.cluster[among]
            within = np.clip(values[among], low, 1.0)  # shares of parts may exceed 1 by rounding
            estimate = stats.mean(within, cluster=cluster, low=low, high=1.0)
            label = f"{name.replace('_', ' ').capitalize()}, {attribute} = {group}"
            where: dict[str, str | float | int] = {"items": attribute, "group": group}
            measurements.append(Measurement(name=name, label=label, estimate=estimate, where=where))
            line += [estimate.value, estimate.low, estimate.high] if low < 0 else [estimate.value]
        lines.append(tuple(line))
    return measurements, lines
