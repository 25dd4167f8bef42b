"""Arrays beside the images of an NPZ file: class names, groups, and frames that stay together."""

import numpy as np
import pytest

from audit.data import images
from audit.data.images import Arrays
from audit.data.roles import SplitPlan
from audit.errors import DataError

RNG = np.random.default_rng(8)
N, M = 240, 30
HELD = {
    "x_train": RNG.integers(0, 256, (N, 4, 4, 3), np.uint8),
    "y_train": np.arange(N) // 10 % 3,
    "track_train": np.arange(N) // 10 + 1000,
    "size_train": np.stack([np.arange(N) % 90 + 20, np.full(N, 60)], axis=1).astype(np.int16),
    "light_train": np.array(["day", "night"])[np.arange(N) % 2],
    "x_test": RNG.integers(0, 256, (M, 4, 4, 3), np.uint8),
    "y_test": np.arange(M) % 3,
    "size_test": np.full((M, 2), 40, np.int16),
    "light_test": np.array(["day"] * M),
    "names": np.array(["stop", "yield", "keep right"]),
}
ARRAYS = Arrays("names", "track", {"size": "size", "light": "light"}, {"size": (45.0,)})
PLAN = SplitPlan(by="cluster", validation=0.2, calibration=0.2)


def _load(path, arrays=ARRAYS, plan=PLAN, held=HELD, **changes):
    np.savez(path / "signs.npz", **{**held, **changes})
    return images.load("signs", path / "signs.npz", None, None, None, (), plan, arrays=arrays)


def test_frames_of_one_track_stay_on_one_side_and_keep_their_groups(tmp_path):
    data = _load(tmp_path)
    assert data.classes == ("stop", "yield", "keep right")
    assert data.test.cluster is None  # the tracks of test images are not known
    rows = {tuple(x.ravel()): i for i, x in enumerate(HELD["x_train"])}
    seen = []
    for name in ("train", "validation", "calibration"):
        split = data.splits[name]
        place = np.array([rows[tuple((x.ravel() * 255).round().astype(int))] for x in split.x])
        tracks = HELD["track_train"][place]
        assert (split.y == HELD["y_train"][place]).all()
        assert (
            (split.groups["size"] == "45 and over") == (HELD["size_train"][place].min(axis=1) >= 45)
        ).all()
        assert (split.groups["light"] == HELD["light_train"][place]).all()
        assert len(set(split.cluster.tolist())) == len(set(tracks.tolist()))
        assert all(len(set(split.cluster[tracks == t].tolist())) == 1 for t in set(tracks.tolist()))
        seen.append(set(split.cluster.tolist()))
    assert len(set().union(*seen)) == sum(map(len, seen)) == 24
    assert abs(len(data.splits["train"]) - 0.6 * N) <= 15  # one track and a half
    assert set(data.test.groups["size"]) == {"under 45"}
    assert "1000" not in "".join(data.splits["train"].cluster.tolist()[:1])  # hashed


def test_test_images_with_clusters_of_their_own_keep_them(tmp_path):
    data = _load(tmp_path, track_test=np.arange(M) // 6)
    assert data.test.cluster is not None
    assert len(set(data.test.cluster.tolist())) == 5


def test_one_file_of_plain_names_is_split_by_cluster_too(tmp_path):
    held = {"x": HELD["x_train"], "y": HELD["y_train"], "track": HELD["track_train"]}
    data = _load(tmp_path, Arrays(cluster="track"), SplitPlan(by="cluster"), held)
    owners = [set(split.cluster.tolist()) for split in data.splits.values()]
    assert len(set().union(*owners)) == sum(map(len, owners)) == 24
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "changes", "words"),
    [
        (Arrays(cluster="trak"), {}, "array 'trak_train' or 'trak'"),
        (Arrays(classes="name", cluster="track"), {}, "did you mean 'names'"),
        (Arrays("names", "track"), {"names": np.array(["stop", "stop", "yield"])}, "distinct names"),
        (Arrays("names", "track"), {"names": np.array(["stop", "yield"])}, "labels from 0 to 2"),
        (Arrays(cluster="track", groups={"size": "size"}), {}, "bands, or one value an image"),
        (
            Arrays(cluster="track", groups={"l": "light"}, bands={"l": (2.0,)}),
            {},
            "holds <U5; expected numbers",
        ),
        (Arrays(cluster="track", groups={"s": "size"}, bands={"size": (2.0,)}), {}, "arrays.bands='size'"),
        (Arrays(cluster="track", groups={"s": "size"}, bands={"s": (5.0, 2.0)}), {}, "edges in rising order"),
        (Arrays(cluster="track"), {"track_train": np.arange(7)}, "of shape (7,)"),
        (Arrays(cluster="track", groups={"light": "light"}), {"light_test": np.array(["day"])}, "30 rows"),
        (Arrays(), {}, "cluster given: False"),
        (ARRAYS, {"y_train": HELD["y_train"].astype(float)}, "whole numbers"),
        (ARRAYS, {"y_train": HELD["y_train"].astype(str)}, "whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(tmp_path, arrays, changes, words):
    with pytest.raises(DataError) as error:
        _load(tmp_path, arrays, **changes)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_idx_files_hold_no_further_arrays(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\0\x08\1\0\0\0\2ab")
    (tmp_path / "b").write_bytes(b"\0\0\x08\1\0\0\0\2ba")
    with pytest.raises(DataError, match="an NPZ file; IDX files hold one array each"):
        images.load("a", tmp_path / "a", tmp_path / "b", None, None, (), PLAN, arrays=ARRAYS)
