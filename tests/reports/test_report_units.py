"""The unit of eps stands beside every eps, on every page and in every export."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

import audit
from audit.rendering import RENDER

UNIT = "of the pixel range 0 to 255"


def linear(w, x):
    """Return log-odds[n, 1] of images."""
    return ((x.reshape(x.shape[0], -1) - 127.5) @ w)[:, None]


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """An audit of images of 0 to 255 by a single step, whose rule fails."""
    x = np.random.default_rng(0).integers(0, 256, size=(300, 3, 3, 1)).astype(np.float32)
    w = np.linspace(-1, 1, 9, dtype=np.float32)
    y = (linear(w, x)[:, 0] > 0).astype(int)
    data = audit.from_arrays("images", "binary", x, y, classes=("n", "y"), low=0, high=255)
    rule = {"id": "R", "measure": "robustness.fgsm.robust_accuracy", "where": {"norm": "linf", "eps": 0.125},
            "at_least": 0.99, "because": "the owner asks for it"}  # fmt: skip
    checks = {"robustness.fgsm": {"norms": ["linf"], "eps": [0.125]}}
    config = {"name": "levels", "checks": checks, "policy": {"name": "p", "rules": [rule]}}
    model = audit.Model("linear", apply=linear, params=w)
    return audit.run(config, model=model, data=data, out=tmp_path_factory.mktemp("runs"))


def test_the_record_holds_the_unit(record):
    assert record.facts.data.unit == UNIT
    assert [d.eps_unit for d in record.decisions] == [UNIT]
    assert UNIT in record.decisions[0].reason
    [result] = record.results
    assert all(m.eps_unit == UNIT for m in result.findings.measurements if "eps" in m.where)
    assert "eps " + UNIT in [column.label for column in result.findings.tables[0].columns]


@pytest.mark.parametrize("format_", sorted(RENDER))
def test_every_format_says_what_eps_counts(record, format_):
    content = RENDER[format_][1](record)
    if format_ == "parquet":
        content = str(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    text = content.decode().replace("\u00a0", " ")
    assert f"0.125 {UNIT}" in text
