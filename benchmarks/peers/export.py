"""What the peers' script needs of an audit: trained weights, the very rows, radii and budgets, in one .npz file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from audit.assemble import read_data, read_model
from audit.check_run import context
from audit.config import Loaded, load
from audit.digests import dataset_digest
from audit.metrics.robustness import movable_scale
from audit.metrics.sampling import sample
from audit.subject import Dataset, run_model
from audit.subject_unit import eps_scale
from audit.trials.search import radii
from benchmarks.peers.victims import weights
from models.mlp import MLP, MLPOptions

ATTACKS = ("robustness.fgsm", "robustness.pgd", "robustness.autoattack", "robustness.minimum")
AGREE = 1e-3  # of the outputs rebuilt elsewhere, relative and absolute


def export(config: Path, run: Path, path: Path, **how: Any) -> None:
    """Write the job of a finished run: arrays by name, weights as 'weights/...', and 'how', a JSON text."""
    loaded = load(config)
    data = read_data(loaded)
    trained = load(config, ("model.train=null", f"model.weights={run / 'weights'}"))
    model = read_model(trained, data, dataset_digest(data), None, lambda done, total: None).model
    train = loaded.config.model.train if loaded.config.model else None
    assert train is not None
    parts = {
        "network": loaded.config.model.network if loaded.config.model else "",
        "classes": len(data.classes),
    }
    more = {**parts, **how, "checks": _checks(loaded), "train": train.model_dump(mode="json"), "agree": AGREE}
    more |= _columns(data) if data.modality == "table" else {}
    given = {f"weights/{name}": a for name, a in _weights(model.params).items()} | _rows(loaded, data)
    given["outputs"] = run_model(model, data.test.x)
    np.savez(path, allow_pickle=False, how=np.asarray(json.dumps(more)), **given)


def _weights(params: Any) -> dict[str, np.ndarray]:
    """Return every array of the network, what does not train too."""
    return {**weights(params), **weights({"params": params["constants"]})}


def _rows(loaded: Loaded, data: Dataset) -> dict[str, np.ndarray]:
    """Return the splits, groups, bounds and units, and the indices of the rows that each check draws."""
    train, shape = data.splits["train"], data.test.x.shape[1:]
    given = {"x": data.test.x, "y": data.test.y, "train_x": train.x, "train_y": train.y}
    given |= {f"groups/{name}": np.asarray(values, str) for name, values in data.test.groups.items()}
    given["scale"] = movable_scale(eps_scale(data), data.features, shape)
    given |= {k: np.broadcast_to(np.asarray(getattr(data, k), np.float32), shape) for k in ("low", "high")}
    for name, options in loaded.options.items():
        seed = context(name, loaded.config.seed, False, None, {}, lambda done, total: None).seed
        if name in ATTACKS:
            given[f"rows/{name}"] = sample(data.test.id, options.rows, seed)
        if name == "explanation.shapley":
            given[f"rows/{name}"] = _drawn(data.test.id, options.rows, seed)
            given["background"] = train.x[_drawn(train.id, options.background, seed)]
    return given


def _drawn(ids: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Return the rows that the explanation's check draws."""
    return np.argsort(ids, kind="stable")[np.random.default_rng(seed).permutation(len(ids))[:rows]]


def _checks(loaded: Loaded) -> dict[str, Any]:
    """Return each check's options, an attack's with its norms and radii as it tries them."""
    found = {}
    for name, options in loaded.options.items():
        found[name] = options.model_dump(mode="json")
        if name in ATTACKS:
            found[name]["radii"] = radii(options)
    return found


def _columns(data: Dataset) -> dict[str, Any]:
    """Return how the perceptron reads a table: numeric and categorical columns, the column of each bin."""
    columns = tuple(len(f.categories) + 1 if f.kind == "categorical" else 0 for f in data.features)
    net = MLP(columns, 1, MLPOptions(), np.asarray(data.splits["train"].x), rngs=_rngs())
    numeric: Any = next(part for part in net.parts if hasattr(part, "of"))
    named = {"numeric": [j for j, c in enumerate(columns) if c == 0], "sizes": [c for c in columns if c]}
    return {**named, "categorical": [j for j, c in enumerate(columns) if c], "bins": list(numeric.of)}


def _rngs() -> Any:
    """Return random streams for a network whose weights do not matter."""
    from flax import nnx

    return nnx.Rngs(jax.random.key(0))
