"""The smallest perturbation as a check: exact on a logistic model, pictures only where asked for."""

import base64
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from audit.checks.robustness_minimum import MinimumOptions, minimum
from audit.trials import hygiene
from audit.trials.pictures import data_uri
from reports.grids import as_grid

OPTIONS = MinimumOptions(norms=("linf",), eps=(0.1, 0.3), rows=None, probes=False)


@pytest.fixture
def full(context):
    return replace(context, quick=False)


def test_on_a_logistic_model_accuracy_at_each_radius_is_the_closed_form(table_subject, full):
    found = minimum(table_subject, OPTIONS, full)
    w, b = np.asarray(table_subject.model.params["w"], float), float(table_subject.model.params["b"])
    test = table_subject.data.test
    sign, x = np.where(test.y == 1, 1.0, -1.0), test.x.astype(float)
    free = w * np.array([1, 1, 0, 1, 0])  # years is immutable, region categorical
    for m in (m for m in found.measurements if m.name == "robust_accuracy"):
        moved = np.clip(x - m.where["eps"] * sign[:, None] * np.sign(free), -4, 4)
        exact = int((sign * (x @ w + b) - sign * ((x - moved) @ free) > 0).sum())
        assert abs(round(m.estimate.value * m.estimate.n) - exact) <= 2 and m.estimate.side == "at most"
    curve = found.tables[0]
    values = [row[2] for row in curve.rows]
    assert curve.rows[0][1] == 0.0 and (np.diff(values) <= 0).all()
    assert all(t.name != "pictures" for t in found.tables)


def test_pictures_are_shown_only_where_asked_for(image_subject, full):
    asked = OPTIONS.model_copy(update={"pictures": 2, "rows": 40, "steps": 30})
    found = minimum(image_subject, asked, full)
    strip = next(t for t in found.tables if t.name == "pictures")
    sizes = [row[1] for row in strip.rows]
    assert len(strip.rows) == 2 and sizes == sorted(sizes) and all(row[2] != row[3] for row in strip.rows)
    cells = as_grid(strip).lines[0].cells
    assert [str(c.svg).startswith('<img alt="" src="data:image/png') for c in cells[4:]] == [True] * 3
    hostile = strip.model_copy(update={"rows": ((*strip.rows[0][:4], 'x"><script>', "", ""),)})
    assert all(cell.svg is None for cell in as_grid(hostile).lines[0].cells)
    without = minimum(image_subject, asked.model_copy(update={"pictures": 0}), full)
    assert all(t.name != "pictures" for t in without.tables)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_the_pixels(channels):
    image = np.random.default_rng(0).random((3, 5, channels))
    data = base64.b64decode(data_uri(image).split(",")[1])
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and struct.unpack(">II", data[16:24]) == (5, 3)
    start = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[start - 8 : start - 4])[0]
    lines = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(3, -1)
    assert (lines[:, 0] == 0).all()
    assert np.abs(lines[:, 1:].reshape(image.shape) / 255 - image).max() <= 0.5 / 255 + 1e-9
    check = struct.unpack(">I", data[start + length : start + length + 4])[0]
    assert check == zlib.crc32(b"IDAT" + data[start : start + length])


def test_what_a_probe_fells_is_in_the_measure_the_curve_and_the_median_alike(
    table_subject, full, monkeypatch
):
    def fells_all(s, norm, eps, standing):
        return hygiene.Probed([], standing, 0, 0)

    monkeypatch.setattr(hygiene, "probe", fells_all)
    options = OPTIONS.model_copy(update={"probes": True, "eps": (0.1, 0.3, 1.0)})
    found = minimum(table_subject, options, full)
    robust = {m.where["eps"]: m.estimate.value for m in found.measurements if m.name == "robust_accuracy"}
    assert robust[0.1] > 0.3 and robust[0.3] == robust[1.0] == 0.0
    assert [row[2] for row in found.tables[0].rows if row[1] >= 0.3] == [0.0]
    median = next(m.estimate.value for m in found.measurements if m.name == "median_size")
    assert median <= 0.3
