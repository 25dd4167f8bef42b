"""Real data that come with scikit-learn, for audits without a download."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import pandas as pd

from audit.data import pixels, tables
from audit.data.roles import Roles, SplitPlan, require
from audit.subject import Dataset

HIGH = 140.0  # fixed beforehand and not fitted: 221 of the 442 patients are above it
LICENCE = "distributed with scikit-learn (BSD-3-Clause); the original publishers state none there"
_DIABETES = Roles(
    target="progression",
    positive="high",
    favourable="low",
    numeric=("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
    categorical=("sex",),
    sensitive=("sex", "age"),
    immutable=("age", "sex"),
    units={
        "age": "years",
        "bmi": "kg/m²",
        "bp": "mmHg",
        "s1": "mg/dL",
        "s2": "mg/dL",
        "s3": "mg/dL",
        "s4": "ratio",
        "s5": "log",
        "s6": "mg/dL",
    },
    ranges={
        "age": (18, 90),
        "bmi": (15, 50),
        "bp": (50, 150),
        "s1": (80, 320),
        "s2": (30, 260),
        "s3": (15, 110),
        "s4": (1, 10),
        "s5": (3, 6.5),
        "s6": (50, 140),
    },
    bands={"age": (40, 60)},
)
_DIABETES_NOTES = (
    f"progression is high where the published score one year after baseline exceeds {HIGH:g}, a fixed limit "
    "near its median, not a clinical one",
    "favourable is low progression, the better health; where a high prediction earns more care, it is high",
    "the source does not say which sex its codes 1 and 2 are",
    "the source states the unit of age only; the other units are inferred from the values",
)


def load(dataset: Literal["diabetes", "digits"], plan: SplitPlan) -> Dataset:
    """Return scikit-learn's diabetes (442 patients, a binary table) or digits (1,797 images 8x8, 10 classes)."""
    require(dataset, ("diabetes", "digits"), "dataset")
    return _diabetes(plan) if dataset == "diabetes" else _digits(plan)


def _diabetes(plan: SplitPlan) -> Dataset:
    """Return the patients of Efron et al. (2004, Annals of Statistics 32) with a binary label."""
    from sklearn.datasets import load_diabetes

    bunch: Any = load_diabetes(scaled=False)
    frame = pd.DataFrame(bunch.data, columns=bunch.feature_names)
    frame["sex"] = [f"sex {int(code)}" for code in frame["sex"]]
    frame["progression"] = np.where(bunch.target > HIGH, "high", "low")
    return tables.from_frame(
        "diabetes",
        "binary",
        frame,
        None,
        _DIABETES,
        plan,
        source="scikit-learn load_diabetes",
        licence=LICENCE,
        sha256=_digest(bunch.data, bunch.target),
        notes=_DIABETES_NOTES,
    )


def _digits(plan: SplitPlan) -> Dataset:
    """Return the test images of the optical recognition of handwritten digits set (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x = (bunch.images / 16).astype(np.float32)
    return pixels.from_images(
        "digits",
        x,
        bunch.target,
        None,
        tuple(map(str, range(10))),
        plan,
        source="scikit-learn load_digits",
        licence=LICENCE,
        sha256=_digest(bunch.images, bunch.target),
        notes=("the 13 writers are not named, so one writer's digits may be in train and in test",),
    )


def _digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the arrays' bytes."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
