"""Run folders are whole or absent, and a changed record or sidecar is refused."""

import datetime as dt
import hashlib
import json

import pytest

from audit import store
from audit.errors import StoreError
from audit.evidence import (
    Artifact,
    CheckResult,
    DataFacts,
    Facts,
    Findings,
    ModelFacts,
    Policy,
    Record,
    Volatile,
)
from audit.opening import open_run


def record(**changes):
    data = DataFacts(name="d", task="binary", modality="table", target="y", classes=("a", "b"), favourable="a",
                     splits={"test": 3})  # fmt: skip
    model = ModelFacts(name="m", network="n", parameters=1, outputs="logits", decision="argmax",
                       differentiable=True, sha256="0")  # fmt: skip
    volatile = Volatile(started=dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    values = dict(tool="t", name="A name / with parts", config={}, facts=Facts(data=data, model=model), results=(),
                  policy=Policy(name="p"), decisions=(), verdict="NOT-ESTIMABLE", exit_code=3,
                  digests={"test": "abc"}, volatile=volatile)  # fmt: skip
    return Record(**{**values, **changes})


def with_file(data=b"bytes"):
    artifact = Artifact(name="f", media_type="x/y", path="c/f.bin", sha256=hashlib.sha256(data).hexdigest())
    return CheckResult(
        check="c", area="data", title="c", status="ok", findings=Findings(artifacts=(artifact,))
    )


def test_a_run_is_written_whole_and_opens_equal(tmp_path):
    written = record(results=(with_file(),))
    folder = store.write(tmp_path, written, {"c/f.bin": b"bytes", "report.html": b"<p>"})
    assert folder.name.startswith("20260102T030405000Z-a-name-with-parts-")
    assert open_run(folder) == written
    assert store.list_runs(tmp_path) == [folder]
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == "NOT-ESTIMABLE"


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def interrupt(folder):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path, record(), {}, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_record_is_refused(tmp_path):
    folder = store.write(tmp_path, record(), {})
    path = folder / store.EVIDENCE
    path.write_text(path.read_text().replace("NOT-ESTIMABLE", "PASS"))
    with pytest.raises(StoreError, match=r"not as it was written: evidence\.json: verdict was changed"):
        open_run(folder)


def test_a_changed_or_absent_sidecar_is_refused(tmp_path):
    folder = store.write(tmp_path, record(results=(with_file(),)), {"c/f.bin": b"bytes"})
    (folder / "c/f.bin").write_bytes(b"other")
    with pytest.raises(StoreError, match=r"f\.bin"):
        open_run(folder)
    (folder / "c/f.bin").unlink()
    with pytest.raises(StoreError, match=r"f\.bin"):
        open_run(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "jax-audit/record/99"}', '{"schema": "jax-audit/record/1"}']
)
def test_what_is_no_record_is_refused(tmp_path, text):
    (tmp_path / store.EVIDENCE).write_text(text)
    with pytest.raises(StoreError):
        open_run(tmp_path)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no evidence"):
        open_run(tmp_path / "nowhere")


def test_the_digest_ignores_the_volatile_block_alone():
    assert record().digest == record(volatile=Volatile()).digest
    assert record().digest != record(name="other").digest


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        store.write(tmp_path / "file", record(), {})
