"""Who breaks a behavioural test by one written change of a table's rows: those that answer as they must not."""

from __future__ import annotations

import numpy as np

from audit.behaviours.answers import Broken, answered, most
from audit.behaviours.rows import Judged, applies, changed
from audit.behaviours.written import Changed


def by_change(about: Judged, test: Changed, x: np.ndarray) -> Broken:
    """Return the rows that the change moves and whose decision, or score, answers as it must not."""
    features = about.subject.data.features
    after = changed(features, test, x)
    rows = np.flatnonzero(applies(features, test.name, test.when, x) & (after != x).any(axis=1))
    if not len(rows):
        return Broken(rows, np.zeros(0, bool))
    hits, wrong = answered(test, about.outputs(x[rows]), about.outputs(after[rows]))
    return Broken(rows, hits, most(wrong) if about.has_score else None, 2 * len(rows))
