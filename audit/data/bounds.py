"""The bounds of inputs held in Python, and the unit that eps counts in: declared, or known of images and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from audit.errors import DataError
from audit.subject import Feature, Modality, Split

NARROW = 1 / 32  # images whose values take less of the declared range are in another unit than it
ROUNDING = 1e-6  # of a bound: what single precision may put a value beyond it
NARROW_TODO = "declare the low and high that these values have"


class Bounds(NamedTuple):
    """Lowest and highest values and the scale, float32 and broadcastable to one example, and the unit in words."""

    low: np.ndarray | None = None
    high: np.ndarray | None = None
    scale: np.ndarray | None = None
    unit: str = ""


def bounds(
    given: Mapping[str, Split],
    made: Mapping[str, Split],
    modality: Modality,
    features: Sequence[Feature],
    low: Any,
    high: Any,
    scale: Any,
    unit: str,
) -> Bounds:
    """Return the bounds of ready splits, all None where there are none; uint8 images are 0 to 255. Raises DataError.

    Without a scale, eps is a share of an image's pixel range, or counts the features' standard deviations.
    """
    if low is None and high is None and modality == "image" and bytes_of(given):
        low, high = 0, 255
    if scale is None and unit:
        raise DataError(f"unit={unit!r} without a scale", "scale=, what 1 of that unit is", "give both")
    if low is None and high is None:
        if scale is not None:
            raise DataError("a scale without bounds", "low, high and scale together", "give low and high")
        return Bounds()
    if low is None or high is None or isinstance(made["test"].x, Mapping):
        raise DataError("bounds", "both low and high, for inputs in one array")
    low, high = (_fitting(name, a, made) for name, a in (("low", low), ("high", high)))
    _refuse_outside(made, low, high)
    if modality == "image":
        _refuse_narrow(made, low, high)
    if scale is not None:
        scale = _fitting("scale", scale, made)
        if (scale < 0).any():
            raise DataError("scale below 0", "scale at least 0; 0 holds an input fixed")
        return Bounds(low, high, scale, unit)
    if modality == "image":
        return Bounds(low, high, high - low)
    if not features:
        raise DataError(
            f"low and high without a scale for {modality} inputs",
            "scale=, what 1 of eps is of each input",
            "give scale=1 where eps counts in the inputs' own unit",
        )
    own = [f.scale if f.mutable and f.kind == "numeric" else 0.0 for f in features]
    return Bounds(low, high, np.asarray(own, np.float32))


def bytes_of(given: Mapping[str, Split]) -> bool:
    """Tell whether every split's inputs are bytes, 0 to 255."""
    return all(getattr(split.x, "dtype", None) == np.uint8 for split in given.values())


def refuse_narrow(where: str, least: float, most: float, low: float, high: float, todo: str) -> None:
    """Raise DataError where images from `least` to `most` take next to nothing of their range."""
    if 0 < most - least < NARROW * (high - low):  # where all is one value nobody can tell
        raise DataError(
            f"{where} from {least:g} to {most:g} in a pixel range of {low:g} to {high:g}",
            "values that take more of it, since eps is a share of it",
            todo,
        )


def _refuse_narrow(made: Mapping[str, Split], low: np.ndarray, high: np.ndarray) -> None:
    """Raise DataError where the images of all splits take next to nothing of the declared range."""
    held = [split.x for split in made.values() if len(split)]
    least, most = min(float(x.min()) for x in held), max(float(x.max()) for x in held)
    refuse_narrow("images", least, most, float(low.min()), float(high.max()), NARROW_TODO)


def _refuse_outside(made: Mapping[str, Split], low: np.ndarray, high: np.ndarray) -> None:
    """Raise DataError where bounds cross or an input lies outside them."""
    if (low > high).any():
        raise DataError("low above high", "low at most high")
    slack = ROUNDING * np.maximum(np.abs(low), np.abs(high))
    outside = sum(int(((split.x < low - slack) | (split.x > high + slack)).sum()) for split in made.values())
    if outside:
        raise DataError(
            f"{outside} input values outside low and high", "every value inside", "widen the bounds"
        )


def _fitting(name: str, value: Any, made: Mapping[str, Split]) -> np.ndarray:
    """Return a value as float32; DataError where it does not fit one example or is not finite."""
    array, shape = np.asarray(value, np.float32), made["test"].x.shape[1:]
    try:
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits or not np.isfinite(array).all():
        raise DataError(f"{name} of shape {array.shape}", f"finite, broadcastable to one example {shape}")
    return array
