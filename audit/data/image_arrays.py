"""Arrays beside the images of an NPZ file: the classes' names, groups, and what images share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audit.data import files, names
from audit.data.columns import band_names
from audit.data.pixels import Beside
from audit.data.roles import require
from audit.errors import DataError
from audit.names import MISSING, name_of


@dataclass(frozen=True)
class Arrays:
    """Names of an NPZ file's arrays: NAME_train and NAME_test where those are there, else NAME.

    classes: the classes' names in the order of the labels. cluster: what images share. groups: attribute and
    array, of texts or numbers; of an array [n, k] each row's smallest number counts. bands: edges that turn an
    attribute's numbers into groups.
    """

    classes: str | None = None
    cluster: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def class_names(given: Arrays, path: Path) -> tuple[str, ...]:
    """Return the classes' names, none where no array holds them."""
    if given.classes is None:
        return ()
    arrays = _npz(path)
    require(given.classes, arrays, "arrays.classes")
    found = tuple(map(name_of, np.ravel(arrays[given.classes])))
    if len(set(found)) < len(found) or not all(found):
        raise DataError(f"arrays.classes={given.classes!r} holds {found[:6]}", "distinct names")
    return found


def beside(given: Arrays, paths: Mapping[str, Path], *, alone: str = "train") -> dict[str, Beside]:
    """Return groups and clusters of the images under 'data', and of 'test' where they have their own.

    An attribute must be there for all; clusters may be known of the first alone. alone: what the arrays of 'data' are
    called, 'test' where there are test images alone. Raises DataError.
    """
    for attribute in given.bands:
        require(attribute, given.groups, "arrays.bands")
    found = {}
    for origin, path in paths.items():
        arrays, suffix = _npz(path), "_test" if origin == "test" else f"_{alone}"
        n = len(_of(arrays, "y", suffix, path))
        groups = {
            name: _groups(_of(arrays, array, suffix, path), name, given, n)
            for name, array in given.groups.items()
        }
        found[origin] = Beside(groups, _cluster(arrays, given, suffix, path, n, needed=origin == "data"))
    return found


def _npz(path: Path) -> Mapping[str, np.ndarray]:
    """Return an NPZ file's arrays."""
    if path.suffix.lower() != ".npz":
        raise DataError(f"arrays of path={str(path)!r}", "an NPZ file", "IDX files hold one array each")
    return files.read_npz(path)


def _of(arrays: Mapping[str, np.ndarray], name: str, suffix: str, path: Path) -> np.ndarray:
    """Return NAME_train or NAME_test, else NAME; DataError where neither is there."""
    long = name + suffix
    if long in arrays:
        return arrays[long]
    require(name, arrays, f"array {long!r} or {name!r} of {path.name}:")
    return arrays[name]


def _cluster(
    arrays: Mapping[str, np.ndarray], given: Arrays, suffix: str, path: Path, n: int, *, needed: bool
) -> np.ndarray | None:
    """Return what images share as text[n]; None where it is not declared, or not known of test images."""
    name = given.cluster
    if name is None or (not needed and name + suffix not in arrays):
        return None
    values = _of(arrays, name, suffix, path)
    if values.shape != (n,):
        raise DataError(f"arrays.cluster={name!r} of shape {values.shape}", f"({n},), one an image")
    return names.of(values)


def _groups(values: np.ndarray, attribute: str, given: Arrays, n: int) -> np.ndarray:
    """Return the group[n] of each image as text: its value, or the band that its smallest number lies in."""
    if values.ndim not in (1, 2) or len(values) != n or not values.size:
        raise DataError(f"arrays.groups: {attribute} of shape {values.shape}", f"{n} rows, one an image")
    if attribute not in given.bands:
        if values.ndim == 2:
            raise DataError(
                f"arrays.groups: {attribute} of shape {values.shape}", "bands, or one value an image"
            )
        return names.of(values, f"arrays.groups: {attribute}")
    if values.dtype.kind not in "iuf":
        raise DataError(f"arrays.bands: {attribute} holds {values.dtype}", "numbers")
    least, edges = values.reshape(n, -1).astype(np.float64).min(axis=1), given.bands[attribute]
    if not edges or any(a >= b for a, b in zip(edges, edges[1:], strict=False)):
        raise DataError(f"arrays.bands: {attribute}={tuple(edges)}", "one or more edges in rising order")
    whole = values.dtype.kind in "iu" and all(edge == round(edge) for edge in edges)
    bands = np.array([*band_names(tuple(edges), whole), MISSING])
    return bands[np.where(np.isnan(least), len(edges) + 1, np.digitize(least, edges))]
