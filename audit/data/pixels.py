"""Arrays of images with class labels -> Dataset of float32 NHWC in [0, 1]."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from audit.data import repeats, splits
from audit.data.bounds import refuse_narrow
from audit.data.labels import favourable_index, numbered, refuse_one_class, without_rows
from audit.data.roles import SplitPlan
from audit.errors import DataError
from audit.subject import Dataset, Provenance, Split

CHANNELS = (1, 2, 3, 4)
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known of each image besides its label: groups {attribute: text[n]} and what images share."""

    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    cluster: np.ndarray | None = None


def from_images(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    test: tuple[np.ndarray, np.ndarray] | None,
    classes: Sequence[str],
    plan: SplitPlan,
    *,
    source: str = "",
    licence: str = "",
    sha256: str = "",
    favourable: str | None = None,
    notes: tuple[str, ...] = (),
    beside: Mapping[str, Beside] | None = None,
) -> Dataset:
    """Return the dataset of images x[n, height, width(, channels)] (uint8, or floats in [0, 1]) and labels y[n].

    Classes are numbered from 0; without names they are called by their numbers. beside: groups and clusters of
    the images under 'data', and of test images of their own under 'test'. Raises DataError.
    """
    beside = beside or {}
    clustered = "data" in beside and beside["data"].cluster is not None
    asked = plan.by == "cluster"
    if plan.by not in ("fraction", "cluster", "none") or (plan.by != "none" and asked != clustered):
        raise DataError(
            f"split by={plan.by} for images, cluster given: {clustered}",
            "fraction, or cluster with an array of clusters",
            "or give the test images their own file",
        )
    tables = {"data": (x, y)} if test is None else {"data": (x, y), "test": test}
    tables = {origin: _checked(*pair, origin) for origin, pair in tables.items()}
    names = numbered([labels for _, labels in tables.values()], classes, "the labels")
    for origin, (_, labels) in tables.items():
        if labels.min() < 0 or labels.max() >= len(names):
            given = f"{origin} labels from {labels.min()} to {labels.max()}"
            raise DataError(given, f"0 to {len(names) - 1}", "mend classes")
    shapes = {pair[0].shape[1:] for pair in tables.values()}
    if len(shapes) > 1:
        raise DataError(f"train and test images have shapes {sorted(shapes)}", "one shape")
    salt = splits.salt_of(b"".join(_fingerprint(*pair) for pair in tables.values()))
    made = _divide(tables, plan, salt, beside)
    return Dataset(
        name=name,
        task="binary" if len(names) == 2 else "multiclass",
        modality="image",
        splits=made,
        target="class",
        classes=names,
        favourable=favourable_index(favourable, names),
        low=np.zeros((), np.float32),
        high=np.ones((), np.float32),
        scale=np.ones((), np.float32),
        provenance=Provenance(
            source=source,
            licence=licence,
            sha256=sha256,
            **repeats.counted(made),
            notes=(
                *notes,
                *without_rows(np.concatenate([split.y for split in made.values()]), names),
                *splits.notes(_parts(made), plan),
            ),
            salt=salt,
        ),
    )


def _checked(x: np.ndarray, y: np.ndarray, origin: str) -> Pair:
    """Return images with a channel axis and int32 labels; DataError where they cannot be used."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[-1] not in CHANNELS or not x.size:
        raise DataError(
            f"{origin} images of shape {x.shape}", "[n, height, width] or [n, height, width, channels]"
        )
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise DataError(
            f"{origin} labels: {y.dtype}{list(y.shape)}", f"whole numbers [{len(x)}], one an image"
        )
    if x.dtype != np.uint8 and not (x.dtype.kind == "f" and x.min() >= 0 and x.max() <= 1):
        raise DataError(
            f"{origin} images: {x.dtype}", "uint8, or finite floats from 0 to 1", "divide them first"
        )
    whole = 255.0 if x.dtype == np.uint8 else 1.0
    refuse_narrow(
        f"{origin} images",
        float(x.min()),
        float(x.max()),
        0.0,
        whole,
        "give bytes from 0 to 255, or floats from 0 to 1",
    )
    return x, y.astype(np.int32)


def _divide(
    tables: Mapping[str, Pair], plan: SplitPlan, salt: str, beside: Mapping[str, Beside]
) -> dict[str, Split]:
    """Return the four splits; only the rows of a split are copied to floats."""
    made = {}
    y = tables["data"][1]
    shared = beside["data"].cluster if "data" in beside else None
    units = splits.row_numbers("data", len(y)) if shared is None else shared
    part = splits.draw(units, splits.strata(y, "multiclass"), plan, test="test" not in tables)
    for name in reversed(splits.NAMES):
        made[name] = _split("data", tables, np.flatnonzero(part == name), salt, beside)
    if "test" in tables:
        made["test"] = _split("test", tables, np.arange(len(tables["test"][1])), salt, beside)
    if not len(made["test"]):
        raise DataError("the test split is empty", "images in it", "change the split's fractions")
    which = "train" if len(made["train"]) else "test"
    refuse_one_class(made[which].y, f"the {which} split")
    return made


def _parts(made: Mapping[str, Split]) -> np.ndarray:
    """Return the split's name of every row."""
    return np.repeat(list(made), [len(split) for split in made.values()])


def _split(
    origin: str, tables: Mapping[str, Pair], rows: np.ndarray, salt: str, beside: Mapping[str, Beside]
) -> Split:
    """Return these rows of a table as a split."""
    (x, y), known = tables[origin], beside.get(origin, Beside())
    ids = splits.hash_ids(splits.row_numbers(origin, len(y))[rows], salt)
    shared = None if known.cluster is None else splits.hash_ids(known.cluster[rows].astype(str), salt)
    groups = {name: values[rows] for name, values in known.groups.items()}
    return Split(_floats(x[rows]), y[rows], ids, groups=groups, cluster=shared)


def _floats(x: np.ndarray) -> np.ndarray:
    """Return images as float32 in [0, 1]."""
    return np.divide(x, 255, dtype=np.float32) if x.dtype == np.uint8 else x.astype(np.float32)


def _fingerprint(x: np.ndarray, y: np.ndarray) -> bytes:
    """Return a digest of images and labels."""
    return hashlib.sha256(x.tobytes()).digest() + hashlib.sha256(y.tobytes()).digest()
