"""The unit that eps, noise and radii count in, and so how far one of it moves each input."""

from __future__ import annotations

import numpy as np

from audit.subject import Dataset

DECLARED = "of the declared scale"
FEATURES = "of each feature's declared scale"
OWN = "of the inputs' own unit"


def eps_scale(data: Dataset) -> np.ndarray | None:
    """Return how far 1 of eps moves each input, broadcastable to one example; None where the features say it.

    It is the declared scale; without one, for images it is the range of a pixel.
    """
    if data.scale is not None or data.modality != "image":
        return data.scale
    ends = pixel_range(data)
    return None if ends is None else ends[1] - ends[0]


def eps_unit(data: Dataset) -> str:
    """Return what eps counts, as words that follow its number: 'of the pixel range 0 to 255'."""
    if data.unit:
        return data.unit
    ends = pixel_range(data) if data.modality == "image" else None
    if ends is not None:
        low, high = ends
        return _pixels(low, high) if data.scale is None or _same(data.scale, high - low) else DECLARED
    if data.features:
        own = [f.scale if f.mutable and f.kind == "numeric" else 0.0 for f in data.columns]
        on = "train" if len(data.splits.get("train", ())) else "test"
        return f"standard deviations on {on}" if data.scale is None or _same(data.scale, own) else DECLARED
    return OWN if data.scale is None or _same(data.scale, 1.0) else DECLARED


def pixel_range(data: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the least and the largest value of images: declared, or 0 and 1 where every value lies between them.

    None where nothing is declared and values lie outside [0, 1], so that nobody knows what a pixel may be.
    """
    if data.low is not None and data.high is not None:
        return np.asarray(data.low, np.float32), np.asarray(data.high, np.float32)
    least, most = values_of(data)
    return (np.zeros((), np.float32), np.ones((), np.float32)) if least >= 0 and most <= 1 else None


def values_of(data: Dataset) -> tuple[float, float]:
    """Return the least and the largest value of all splits' inputs, in one array."""
    held = [np.asarray(split.x) for split in data.splits.values() if len(split)]
    return min(float(x.min()) for x in held), max(float(x.max()) for x in held)


def _pixels(low: np.ndarray, high: np.ndarray) -> str:
    """Return the range of a pixel in words."""
    if np.ptp(low) == 0 and np.ptp(high) == 0:
        return f"of the pixel range {low.flat[0]:g} to {high.flat[0]:g}"
    whole = all(size == 1 for array in (low, high) for size in array.shape[:-1])
    return "of each channel's pixel range" if whole else "of each pixel's range"


def _same(scale: np.ndarray, other: object) -> bool:
    """Tell whether two scales are the same, to single precision."""
    try:
        return np.allclose(*np.broadcast_arrays(scale, np.asarray(other, np.float32)), rtol=1e-5, atol=0)
    except ValueError:
        return False
