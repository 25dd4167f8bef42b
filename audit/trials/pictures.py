"""Images as PNG data in a table's cell: an input, what an attack made of it, the change."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audit.evidence import Column, Table
from audit.trials.search import NAMES


class Pair(NamedTuple):
    """An image x[height, width, channels] in [low, high], the changed one, its size in the norm, both classes."""

    norm: str
    x: np.ndarray
    moved: np.ndarray
    size: float
    true: str
    decided: str


def drawable(shape: tuple[int, ...]) -> bool:
    """Return whether one example of this shape is a grey or colour image."""
    return len(shape) == 3 and shape[2] in (1, 3)


def strip(pairs: Sequence[Pair], low: np.ndarray, high: np.ndarray, unit: str) -> Table:
    """Return the images beside their smallest successful perturbations; the change is stretched to be seen."""
    columns = (
        Column(name="norm", label="Norm", kind="text"),
        Column(name="size", label=f"Size {unit}".strip()),
        Column(name="true", label="True class", kind="text"),
        Column(name="decided", label="Decided as", kind="text"),
        Column(name="input", label="Input", kind="picture"),
        Column(name="moved", label="Perturbed", kind="picture"),
        Column(name="change", label="Change, stretched", kind="picture"),
    )
    return Table(
        name="pictures",
        title="The smallest successful perturbations",
        columns=columns,
        rows=tuple(_row(pair, low, high) for pair in pairs),
        note="Test rows themselves are shown because the configuration asks for it (pictures).",
    )


def data_uri(image: np.ndarray) -> str:
    """Return image[height, width, 1 or 3], values in [0, 1], as the data URI of a PNG (8 bits a channel)."""
    pixels = np.clip(np.round(np.nan_to_num(image) * 255), 0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _row(pair: Pair, low: np.ndarray, high: np.ndarray) -> tuple[str | float, ...]:
    """Return the table's row of one image."""
    change = pair.moved.astype(np.float64) - pair.x
    most = np.abs(change).max() or 1.0
    seen = (within(pair.x, low, high), within(pair.moved, low, high), 0.5 + change / (2 * most))
    return (NAMES[pair.norm], pair.size, pair.true, pair.decided, *(data_uri(image) for image in seen))


def within(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return images in [0, 1] of images in [low, high]; a value that can only be one thing is 0."""
    return (x - low) / np.where(high > low, high - low, np.float32(1))


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
