"""Grad-CAM's heat as a table of patches, averaged over rows; and, where asked for, pictures of rows beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit import stats
from audit.attribution.gradcam import upsampled
from audit.attribution.players import totals
from audit.evidence import Column, Scalar, Table
from audit.games.game import Game
from audit.trials.pictures import data_uri


def table(maps: np.ndarray, game: Game) -> Table:
    """Return each patch's mean share of a row's heat maps[n, h, w], with its interval over rows."""
    height, width = game.groups.shape
    heat = totals(upsampled(maps[..., None], height, width), game.groups)[:, :, 0]
    whole = heat.sum(axis=1)
    there = whole > 0
    share = heat[there] / whole[there, None]
    cluster = None if game.rows.cluster is None else game.rows.cluster[there]
    rows: list[tuple[Scalar, ...]] = []
    for p, name in enumerate(game.names):
        found = stats.mean(share[:, p], cluster=cluster, low=0.0, high=1.0)
        rows.append((name, found.value, found.low, found.high))
    cold = int((~there).sum())
    return Table(
        name="grad_cam",
        title="Where the last convolution speaks for the output (Grad-CAM)",
        kind="importance",
        columns=(
            Column(name="feature", label="patch", kind="text"),
            Column(name="value", label="mean share of heat", kind="rate"),
            Column(name="low", label="low", kind="rate"),
            Column(name="high", label="high", kind="rate"),
        ),
        rows=tuple(sorted(rows, key=lambda row: -float(row[1] or 0.0))),
        note=f"Mean over {int(there.sum())} rows, with a 95 % interval over rows; {cold} rows have no heat.",
    )


def pictures(x: np.ndarray, size: np.ndarray, maps: np.ndarray | None, told: Sequence[str]) -> Table:
    """Return images x[n, h, w, 1 or 3] in [0, 1] beside |value|[n, h, w] and, where there is one, the heat map."""
    columns = [
        Column(name="explained", label="Explained class", kind="text"),
        Column(name="input", label="Input", kind="picture"),
        Column(name="gradients", label="|Gradients|, stretched", kind="picture"),
    ]
    shown = [x, _stretched(size)]
    if maps is not None:
        columns.append(Column(name="heat", label="Grad-CAM, stretched", kind="picture"))
        shown.append(_stretched(maps))
    return Table(
        name="pictures",
        title="Rows and what their outputs rest on",
        columns=tuple(columns),
        rows=tuple((name, *(data_uri(each[i]) for each in shown)) for i, name in enumerate(told)),
        note="Test rows themselves are shown because the configuration asks for it (pictures).",
    )


def _stretched(maps: np.ndarray) -> np.ndarray:
    """Return maps[n, h, w] as images[n, h, w, 1], each one's largest value 1."""
    most = maps.max(axis=(1, 2), keepdims=True)
    return (maps / np.where(most > 0, most, 1.0))[..., None]
