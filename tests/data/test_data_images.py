import gzip
import struct

import numpy as np
import pytest

from audit.data import images, pixels
from audit.data.roles import SplitPlan
from audit.errors import DataError

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (60, 4, 3), np.uint8)
Y = np.arange(60, dtype=np.uint8) % 3
NO_TEST = SplitPlan(validation=0.1, calibration=0.1)


def _idx(path, array, pack=bytes):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(pack(header + array.tobytes()))
    return path


def test_idx_files_become_nhwc_floats(tmp_path):
    paths = [
        _idx(tmp_path / "train-images.gz", X, gzip.compress),
        _idx(tmp_path / "train-labels", Y),
        _idx(tmp_path / "t10k-images", X[:12] // 2),
        _idx(tmp_path / "t10k-labels.gz", Y[:12], gzip.compress),
    ]
    data = images.load("bars", *paths, ("a", "b", "c"), NO_TEST, favourable="b")
    assert (data.task, data.modality, data.classes, data.favourable) == (
        "multiclass",
        "image",
        ("a", "b", "c"),
        1,
    )
    assert [len(split) for split in data.splits.values()] == [48, 6, 6, 12]
    assert data.test.x.dtype == np.float32
    np.testing.assert_allclose(data.test.x[..., 0], (X[:12] // 2) / 255, rtol=1e-6)
    assert data.test.y.tolist() == Y[:12].tolist()
    assert (float(data.low), float(data.high), float(data.scale)) == (0, 1, 1)
    assert data.provenance.source == "train-images.gz, train-labels, t10k-images, t10k-labels.gz"
    for split in data.splits.values():
        assert len(set(np.bincount(split.y))) == 1  # every class alike


def test_images_keep_their_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=100 * np.repeat(Y, 4).reshape(60, 2, 2), y=Y)
    data = images.load("a", tmp_path / "a.npz", None, None, None, (), SplitPlan(test=0.3))
    assert [len(split) for split in data.splits.values()] == [30, 6, 6, 18]
    for split in data.splits.values():
        assert ((split.x * 255).round().reshape(len(split), -1) == 100 * split.y[:, None]).all()
    assert data.classes == ("0", "1", "2")
    assert len({one for split in data.splits.values() for one in split.id}) == 60


def test_npz_with_test_arrays_and_colours(tmp_path):
    colour = RNG.random((60, 4, 4, 3))
    np.savez(tmp_path / "a.npz", x_train=colour, y_train=Y, x_test=colour[:9], y_test=Y[:9])
    data = images.load("a", tmp_path / "a.npz", None, None, None, (), NO_TEST)
    assert data.test.x.shape == (9, 4, 4, 3)
    np.testing.assert_allclose(data.test.x, colour[:9], rtol=1e-6)


def test_two_classes_are_a_binary_task():
    data = pixels.from_images("a", X, Y % 2, None, ("no", "yes"), SplitPlan())
    assert data.task == "binary"


def test_repeated_images_are_counted():
    data = pixels.from_images("a", X, Y, (X[:7], Y[:7]), (), SplitPlan(validation=0, calibration=0))
    assert data.provenance.repeated_in_test == 7
    relabelled = pixels.from_images(
        "a", X, Y, (X[:7], (Y[:7] + 1) % 3), (), SplitPlan(validation=0, calibration=0)
    )
    assert relabelled.provenance.repeated_in_test == 0


@pytest.mark.parametrize(
    ("x", "y", "classes", "words"),
    [
        (X[:50], Y, (), "whole numbers [50]"),
        (X, Y.astype(float), (), "whole numbers [60]"),
        (X, Y, ("a", "b"), "labels from 0 to 2; expected 0 to 1"),
        (X, Y.astype(int) - 1, (), "labels: from -1 to 1"),
        (X.reshape(60, 12), Y, (), "images of shape (60, 12)"),
        (np.zeros((60, 3, 8, 8)), Y, (), "[n, height, width, channels]"),
        (X.astype(float), Y, (), "finite floats from 0 to 1"),
        (np.full((60, 4, 4), np.nan), Y, (), "finite floats from 0 to 1"),
        (X, np.zeros(60, int), ("a", "b"), "one class only"),
        (X[:0], Y[:0], (), "images of shape (0, 4, 3, 1)"),
    ],
)
def test_arrays_unfit_for_an_audit_are_refused(x, y, classes, words):
    with pytest.raises(DataError) as error:
        pixels.from_images("a", x, y, None, classes, SplitPlan())
    assert words in str(error.value)


def test_a_ready_model_judges_every_image():
    data = pixels.from_images("a", X, Y, None, (), SplitPlan(by="none"))
    assert [len(split) for split in data.splits.values()] == [0, 0, 0, 60]
    assert "all 60 rows are judged" in data.provenance.notes[0]
    assert data.provenance.repeated_in_test is None
    held = pixels.from_images("a", X, Y, (1 - X, Y), (), SplitPlan(by="none"))
    assert [len(split) for split in held.splits.values()] == [48, 6, 6, 60]


def test_plans_that_images_cannot_obey_are_refused():
    with pytest.raises(DataError, match="split by=cluster for images"):
        pixels.from_images("a", X, Y, None, (), SplitPlan(by="cluster"))
    with pytest.raises(DataError, match="the test split is empty"):
        pixels.from_images("a", X, Y, None, (), SplitPlan(test=0))
    with pytest.raises(DataError, match="expected one shape"):
        pixels.from_images("a", X, Y, (X[:, :2], Y), (), SplitPlan())


def test_bad_files_are_refused(tmp_path):
    path = _idx(tmp_path / "images", X)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"holds 719 values; expected \(60, 4, 3\)"):
        images.read_idx(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match="is no IDX file"):
        images.read_idx(path)
    path.write_bytes(whole[:6])
    with pytest.raises(DataError, match="is no IDX file"):
        images.read_idx(path)
    path.write_bytes(whole)
    with pytest.raises(DataError, match="without its labels"):
        images.load("a", path, None, None, None, (), SplitPlan())
    with pytest.raises(DataError, match="to obtain it: ask"):
        images.load("a", tmp_path / "none", None, None, None, (), SplitPlan(), obtain="ask")
    np.savez(tmp_path / "a.npz", images=X)
    with pytest.raises(DataError, match="expected x_train and y_train, or x and y"):
        images.load("a", tmp_path / "a.npz", None, None, None, (), SplitPlan())
    labels = _idx(tmp_path / "labels", Y)
    with pytest.raises(DataError, match="are the same file"):
        images.load("a", path, labels, path, labels, (), SplitPlan())
