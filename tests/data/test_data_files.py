import gzip
import hashlib

import numpy as np
import pytest

from audit.data import files
from audit.errors import DataError


def test_a_missing_file_says_how_to_obtain_it(tmp_path):
    with pytest.raises(DataError, match="to obtain it: ask the publisher"):
        files.find(tmp_path / "no.csv", "ask the publisher")
    with pytest.raises(DataError, match="check the path"):
        files.find(tmp_path / "no.csv")


@pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.joblib", "A.PKL"])
def test_pickles_are_refused_before_they_are_opened(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n")
    with pytest.raises(DataError, match="is a pickle"):
        files.find(tmp_path / name)


def test_pickled_objects_in_npz_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], object))
    with pytest.raises(DataError, match="holds pickled objects"):
        files.read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_a_torn_npz_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError):
        files.read_npz(tmp_path / "a.npz")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        files.find(tmp_path)


def test_gzip_is_known_by_its_first_bytes_and_damage_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert files.read_bytes(path) == b"a,b\n1,2\n"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 99)[:-9])
    with pytest.raises(DataError, match="damaged gzip"):
        files.read_bytes(path)


def test_the_digest_of_two_files_is_that_of_the_lines_sha256sum_prints(tmp_path):
    one, two = tmp_path / "train.csv", tmp_path / "test.csv"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    lines = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in (one, two))
    assert files.digest(one) == hashlib.sha256(b"1").hexdigest()
    assert files.digest(one, two) == hashlib.sha256(lines.encode()).hexdigest()


def test_another_digest_than_the_declared_is_refused(tmp_path):
    files.verify("ab", None, "a.csv")
    files.verify("ab", "AB", "a.csv")
    with pytest.raises(DataError, match="sha256=ab of a.csv; expected cd"):
        files.verify("ab", "cd", "a.csv")


def test_one_file_cannot_be_both_train_and_test(tmp_path):
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_bytes(b"1")
    two.write_bytes(b"1")
    with pytest.raises(DataError, match="are the same file"):
        files.refuse_same(one, two)
