# pyright: reportMissingImports=false
"""Accuracy, fairness, explanation and calibration as a user glues them together: sklearn, fairlearn, shap, netcal."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch

from benchmarks.peers.network import Network

Arrays = dict[str, np.ndarray]


def inputs(x: np.ndarray) -> torch.Tensor:
    """Return a table as it is, images[n, h, w, c] as [n, c, h, w]."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x, np.float32))


def run(network: Network, x: torch.Tensor) -> np.ndarray:
    """Return outputs[n, k]."""
    with torch.no_grad():
        return torch.cat([network(part) for part in x.split(1024)]).numpy()


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Return probabilities[n, classes]."""
    logits = torch.from_numpy(outputs).double()
    logits = torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits
    return torch.softmax(logits, 1).numpy()


def accuracy(network: Network, given: Arrays, how: dict[str, Any]) -> dict[str, float]:
    """Return accuracy, and the area under the curve of two classes."""
    from sklearn.metrics import accuracy_score, roc_auc_score

    p = probabilities(run(network, inputs(given["x"])))
    more = {"auc": float(roc_auc_score(given["y"], p[:, 1]))} if p.shape[1] == 2 else {}
    return {"accuracy": float(accuracy_score(given["y"], p.argmax(1))), **more}


def fairness(network: Network, given: Arrays, how: dict[str, Any], n_boot: int) -> dict[str, float]:
    """Return the impact ratio of every attribute, from bootstrapped frames of six rates; pairs of attributes too."""
    import pandas as pd
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score, precision_score

    precision: Any = partial(precision_score, zero_division=0)  # pyright: ignore[reportArgumentType]
    groups = pd.DataFrame({k.removeprefix("groups/"): v for k, v in given.items() if k.startswith("groups/")})
    rates: dict[str, Any] = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "positive_predictive_value": precision,
        "false_omission_rate": lambda y, chosen: 1 - precision(y, chosen, pos_label=0),
        "accuracy": accuracy_score,
    }
    chosen, found = probabilities(run(network, inputs(given["x"]))).argmax(1), {}
    for axes in [[name] for name in groups] + [list(pair) for pair in combinations(groups, 2)]:
        frame = MetricFrame(metrics=rates, y_true=given["y"], y_pred=chosen, sensitive_features=groups[axes],
                            n_boot=n_boot, ci_quantiles=[0.025, 0.975], random_state=0)  # fmt: skip
        for ends in (frame.difference_ci, frame.ratio_ci):
            ends()
        if len(axes) == 1:
            found[f"impact_ratio {axes[0]}"] = float(np.asarray(frame.ratio()["selection_rate"]))
    return found


def explanation(network: Network, given: Arrays, how: dict[str, Any]) -> dict[str, float]:
    """Return the mean |Shapley value| of every player on the audit's rows, by shap's permutation explainer."""
    import shap

    rows, background = given["x"][given["rows/explanation.shapley"]], given["background"]
    column = None if rows.ndim == 2 else run(network, inputs(rows)).argmax(1)

    def margin(x: np.ndarray) -> np.ndarray:
        outputs = torch.from_numpy(run(network, inputs(x)))
        if outputs.shape[1] == 1:
            return outputs[:, 0].numpy()
        rest = [
            torch.cat([outputs[:, :k], outputs[:, k + 1 :]], 1).logsumexp(1) for k in range(outputs.shape[1])
        ]
        return (outputs - torch.stack(rest, 1)).numpy()

    side = how["checks"]["explanation.shapley"]["patches"]
    players = np.arange(rows.shape[1]) if rows.ndim == 2 else _patches(rows.shape[1:3], side)

    def fill(mask: np.ndarray, row: np.ndarray) -> np.ndarray:
        here = np.asarray(mask, bool)[players]
        own = rows[int(row[0])]
        return np.where(here[..., None] if rows.ndim == 4 else here, own, background)

    count = int(players.max()) + 1
    asked = np.repeat(
        np.arange(len(rows), dtype=float)[:, None], count, axis=1
    )  # which row, for every player
    explainer = shap.PermutationExplainer(margin, fill, seed=0)
    answer: Any = explainer(asked, max_evals=10 * (2 * count + 1), silent=True)  # pyright: ignore
    values = np.asarray(answer.values)
    if column is not None:
        values = np.take_along_axis(values, column[:, None, None], axis=2)[:, :, 0]
    return {f"player {k}": float(v) for k, v in enumerate(np.abs(values).mean(0))}


def _patches(shape: tuple[int, int], side: int) -> np.ndarray:
    """Return the player of each pixel: patches of equal size, side by side."""
    row, column = (np.arange(extent) * side // extent for extent in shape)
    return row[:, None] * side + column[None]


def calibration(network: Network, given: Arrays, how: dict[str, Any]) -> dict[str, float]:
    """Return the expected calibration error over 15 bins, of all rows and in every group of 100 or more."""
    from netcal.metrics import ECE

    p = probabilities(run(network, inputs(given["x"])))
    binary, y = p.shape[1] == 2, given["y"]
    confidence, came_true = (p[:, 1], y == 1) if binary else (p.max(1), p.argmax(1) == y)
    measure = ECE(bins=15)
    for groups in (v for k, v in given.items() if k.startswith("groups/")):
        for name in np.unique(groups):
            at = groups == name
            if at.sum() >= how["checks"]["calibration.reliability"]["group_rows"]:
                measure.measure(confidence[at], came_true[at].astype(int))
    return {"ece_15": float(measure.measure(confidence, came_true.astype(int)))}
