"""What eps counts, and rows in an order that hides them: images in other units, a sorted file of late classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hostile import Case, run

import audit
from audit.subject import Split

EPS = 8 / 255  # of the pixel range: the linear model below errs on rows whose score lies within 8 of 0
MEAN, DEVIATION = np.array([0.4, 0.6], np.float32), np.array([0.2, 0.3], np.float32)  # a channel


def config(limit: float, eps: float = EPS, check: str = "fgsm", **options: Any) -> dict[str, Any]:
    """Return an audit whose one rule asks for this robust accuracy; a single step is exact on a linear model."""
    where = {"norm": "linf", "eps": eps}
    rule = {"id": "R", "measure": f"robustness.{check}.robust_accuracy", "where": where, "at_least": limit}
    checks = {f"robustness.{check}": {"norms": ["linf"], "eps": [eps], "rows": None, **options}}
    policy = {"name": "p", "rules": [{**rule, "because": "t"}]}
    return {"name": "units", "checks": checks, "policy": policy}


@cache
def levels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images[n, 6, 6, 2] in levels 0 to 255, their labels[n], and the weights[72] that decide them.

    Every row is decided rightly; where eps counts levels (8/255 of one) nearly all hold out, at 8 levels half do.
    """
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(1200, 6, 6, 2)).astype(np.float32)
    w = rng.normal(size=72).astype(np.float32)
    w /= np.abs(w).sum()
    s = (x.reshape(-1, 72) - 127.5) @ w
    return x[abs(s) > 1], (s[abs(s) > 1] > 0).astype(int), w


def truth() -> float:
    """Return the exact robust accuracy of the linear model at EPS (no pixel's bound binds by more than a little)."""
    x, _, w = levels()
    return float((abs((x.reshape(-1, 72) - 127.5) @ w) > 8).mean())


def linear(centre: Any, unit: Any) -> audit.Model:
    """Return the model of levels() for images that are (level - centre) / unit."""
    centre, unit = (np.reshape(np.asarray(a, np.float32), (1, 1, 1, -1)) for a in (centre, unit))
    return audit.Model("linear", apply=_linear, params=(levels()[2], centre, unit))


def _linear(params: Any, x: Any) -> Any:
    """Return the log-odds[n, 1] of images in another unit."""
    w, centre, unit = params
    x = x.reshape(x.shape[0], 6, 6, 2)
    return (((x * unit + centre).reshape(x.shape[0], -1) - 127.5) @ w)[:, None]


def images(x: np.ndarray, **bounds: Any) -> Any:
    """Return the images as data."""
    return audit.from_arrays("images", "binary", x, levels()[1], classes=("n", "y"), **bounds)


def drawn(folder: Path, limit: float, centre: Any, unit: Any, **bounds: Any) -> tuple[int, str]:
    """Audit the images as (level - centre) / unit, with these bounds."""
    made: Mapping[str, Any] = {"model": linear(centre, unit)}
    try:
        data = images((levels()[0] - np.float32(centre)) / np.float32(unit), **bounds)
    except audit.AuditError as error:
        return 2, str(error)
    return run(config(limit), folder, data=data, **made)


def raw(folder: Path, limit: float) -> tuple[int, str]:
    """Audit images in 0 to 255."""
    return drawn(folder, limit, 0.0, 1.0, low=0.0, high=255.0)


def standardised(folder: Path, limit: float) -> tuple[int, str]:
    """Audit images standardised a channel, whose bounds are those of 0 and 255."""
    centre, unit = 255 * MEAN, 255 * DEVIATION
    return drawn(folder, limit, centre, unit, low=-MEAN / DEVIATION, high=(1 - MEAN) / DEVIATION)


def of_bytes(folder: Path, limit: float) -> tuple[int, str]:
    """Audit images of bytes, whose bounds nobody needs to declare."""
    return run(config(limit), folder, model=linear(0.0, 1.0), data=images(levels()[0].astype(np.uint8)))


def from_file(folder: Path) -> tuple[int, str]:
    """Audit a file of bytes that hold 0 and 1."""
    x, y, _ = levels()
    np.savez(folder / "images.npz", x=(x[..., 0] > 127).astype(np.uint8), y=y)
    given = {
        "data": {"source": "images", "path": str(folder / "images.npz")},
        "model": {"network": "cnn", "train": {"epochs": 1}},
    }
    return run({**config(0.1), **given}, folder)


# ---------------------------------------------------------------- other arrays


def series(folder: Path, **given: Any) -> tuple[int, str]:
    """Audit series [n, 36, 2] of levels."""
    x, y, _ = levels()
    how = {"modality": "series", "low": 0.0, "high": 255.0, **given}
    try:
        data = audit.from_arrays("series", "binary", x.reshape(-1, 36, 2), y, classes=("n", "y"), **how)
    except audit.AuditError as error:
        return 2, str(error)
    return run(config(truth() - 0.15), folder, model=linear(0.0, 1.0), data=data)


def table(folder: Path, limit: float, scale: float = 1.0) -> tuple[int, str]:
    """Audit a column of standard deviation 100 that decides at 0; features are named and say no deviation.

    Exact robust accuracy at eps 0.1, ten of its own units: P(|z| > 0.1) = .92; at eps 0.1 of those units, 1.
    """
    z = np.random.default_rng(1).normal(size=(3000, 1))
    x = np.where(abs(z) > 0.01, 100 * z, 100.0).astype(np.float32)
    data = audit.from_arrays("table", "binary", x, (x[:, 0] > 0).astype(int), classes=("n", "y"), low=-600.0,
                             high=600.0, features=[audit.Feature("pay", scale=scale)])  # fmt: skip
    model = audit.Model("sign", apply=lambda p, x: x * p, params=np.float32(0.01))
    return run(config(limit, 0.1), folder, model=model, data=data)


# ---------------------------------------------------------------- a sorted file


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the digits' images[n, 8, 8, 1] in [0, 1] sorted by class, their labels, and a linear model's weights."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import RidgeClassifier

    x, y = load_digits(return_X_y=True)
    order = np.argsort(y, kind="stable")
    x, y = (x[order] / 16).astype(np.float32), y[order]
    fitted = RidgeClassifier(alpha=1.0).fit(x, y)
    return x.reshape(-1, 8, 8, 1), y, np.vstack([fitted.coef_.T, fitted.intercept_]).astype(np.float32)


def late(hide_from: int) -> audit.Model:
    """Return the linear model; decisions for classes from this number on have no gradient."""
    return audit.Model("late", apply=_late, params=(digits()[2], np.int32(hide_from)))


def _late(params: Any, x: Any) -> Any:
    """Return the logits[n, 10] of the linear model, without gradient for late classes."""
    w, hide_from = params
    out = 8 * (x.reshape(x.shape[0], -1) @ w[:-1] + w[-1:])
    hidden = out.argmax(axis=1, keepdims=True) >= hide_from
    return jnp.where(hidden, jax.lax.stop_gradient(out), out)


def sorted_rows(folder: Path, limit: float, hide_from: int = 10) -> tuple[int, str]:
    """Audit the digits, sorted by class, at eps 0.05."""
    x, y, _ = digits()
    test = Split(x=x, y=y, id=np.array([f"{i}" for i in range(len(y))]))
    data = audit.from_splits("digits", "multiclass", {"test": test}, low=0.0, high=1.0)
    asked = config(limit, 0.05, "pgd", rows=600, steps=10, loss="margin")
    return run(asked, folder, model=late(hide_from), data=data)


CASES = (
    Case("images of 0 to 255 take eps as a share", 1, lambda f: raw(f, 0.8), "of the pixel range 0 to 255"),
    Case("standardised images take eps as a share", 1, lambda f: standardised(f, 0.8), "each channel's pixel range"),
    Case("images of bytes are 0 to 255", 1, lambda f: of_bytes(f, 0.8)),
    Case("values in 0 to 1 declared as 0 to 255", 2,
         lambda f: drawn(f, 0.1, 0.0, 255.0, low=0.0, high=255.0), "0 to 255"),
    Case("images of 0 to 255 without bounds", 2, lambda f: drawn(f, 0.1, 0.0, 1.0), "declare low and high"),
    Case("standardised images without bounds", 2,
         lambda f: drawn(f, 0.1, 255 * MEAN, 255 * DEVIATION), "declare low and high"),
    Case("bytes of 0 and 1 in a file", 2, from_file, "from 0 to 1 in a pixel range of 0 to 255"),
    Case("series whose bounds have no unit", 2, series, "scale="),
    Case("a unit without a scale", 2, lambda f: series(f, unit="mV"), "scale="),
    Case("named features without a deviation take eps in deviations", 1, lambda f: table(f, 0.97)),
    Case("gradients hidden for late classes, rows sorted", 3,
         lambda f: sorted_rows(f, 0.25, 5), "signs that the attack works"),
)  # fmt: skip
HONEST = (
    Case("images of 0 to 255 far inside the limit", 0, lambda f: raw(f, truth() - 0.15)),
    Case("the same images drawn to 0 to 1", 0,
         lambda f: drawn(f, truth() - 0.15, 0.0, 255.0, low=0.0, high=1.0)),
    Case("standardised images with bounds a channel", 0, lambda f: standardised(f, truth() - 0.15)),
    Case("images of bytes without bounds", 0, lambda f: of_bytes(f, truth() - 0.15)),
    Case("series with a declared scale", 0, lambda f: series(f, scale=255.0, unit="of 255 levels")),
    Case("named features in their deviations", 0, lambda f: table(f, 0.85)),
    Case("named features in a declared scale", 0, lambda f: table(f, 0.97, scale=2.0)),
    Case("an honest model on sorted rows", 0, lambda f: sorted_rows(f, 0.05)),
)  # fmt: skip
