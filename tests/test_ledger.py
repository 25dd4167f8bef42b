"""How often rows were judged: by content, whatever seed, order or folder; a repetition is no new judgement."""

from __future__ import annotations

import numpy as np
import pytest

import audit
from audit import ledger, row_digests, state
from audit.data.arrays import from_splits
from audit.evidence import Policy, Rule
from audit.subject import Split

RNG = np.random.default_rng(0)
ROWS = RNG.integers(0, 2**63, 500).astype(np.uint64)
RULE = Rule(id="a", measure="accuracy.overall.accuracy", at_least=0.6, because="b")


def policy(limit: float = 0.6, **more) -> Policy:
    return Policy(name="p", rules=(RULE.model_copy(update={"at_least": limit}),), **more)


def earlier(rows, model: str, p: Policy) -> int | None:
    """Return how many came before, and remember the look."""
    asked = ledger.look(rows, model, p)
    found = ledger.before(asked)
    ledger.add(asked)
    return found


def test_a_repetition_is_no_new_judgement_and_keeps_its_place():
    assert earlier(ROWS, "m1", policy()) == 0
    assert earlier(ROWS, "m1", policy()) == 0
    assert earlier(ROWS, "m2", policy()) == 1
    assert earlier(ROWS, "m2", policy(0.7)) == 2
    assert earlier(ROWS, "m1", policy()) == 0
    assert earlier(ROWS, "m2", policy()) == 1


def test_a_policy_is_what_it_asks_not_what_it_is_called():
    assert earlier(ROWS, "m", policy()) == 0
    renamed = policy(title="T", looks=3).model_copy(update={"name": "other"})
    assert earlier(ROWS, "m", renamed) == 0
    assert earlier(ROWS, "m", policy(alpha=0.1)) == 1


def test_rows_are_known_in_any_order_and_in_another_draw():
    assert earlier(ROWS, "m1", policy()) == 0
    assert earlier(RNG.permutation(ROWS), "m2", policy()) == 1
    half = np.r_[ROWS[:250], RNG.integers(0, 2**63, 250).astype(np.uint64)]
    assert earlier(half, "m3", policy()) == 2
    assert earlier(RNG.integers(0, 2**63, 500).astype(np.uint64), "m4", policy()) == 0


def test_without_a_state_folder_nothing_is_counted(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert state.folder() is None
    assert earlier(ROWS, "m1", policy()) is None
    assert ledger.concerns(None, 1) == ()


def data(order, n=300):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(n, 2)), rng.integers(0, 2, n)
    split = Split(x[order], y[order], np.arange(n)[order].astype(str))
    return from_splits("d", "binary", {"test": split}, classes=("n", "y"))


def test_digests_are_of_content_not_of_place():
    n = np.arange(300)
    assert (row_digests.of(data(n)) == row_digests.of(data(n[::-1]))).all()
    assert len(row_digests.of(data(n))) == 300


@pytest.mark.parametrize("looks", [1, 2])
def test_past_the_looks_declared_nothing_passes(tmp_path, looks):
    def run(shift: float, seed: int = 0):
        rng = np.random.default_rng(7)
        x = rng.normal(size=(2000, 1)).astype(np.float32)
        y = (x[:, 0] + 0.3 * rng.normal(size=2000) > 0).astype(int)
        rows = Split(x, y, np.arange(2000).astype(str))
        rules = [{"id": "a", "measure": "accuracy.overall.accuracy", "at_least": 0.8, "because": "b"}]
        return audit.run(
            {"name": "n", "seed": seed, "checks": {"accuracy.overall": {}},
             "policy": {"name": "p", "looks": looks, "rules": rules}},
            data=from_splits("d", "binary", {"test": rows}, classes=("n", "y")),
            model=audit.Model("m", lambda p, x: x * 5 + p, np.float32(shift)),
            out=tmp_path / str(shift + seed),
        )  # fmt: skip

    first = run(0.0)
    assert (first.verdict, first.volatile.earlier_judgements) == ("PASS", 0)
    second = run(0.01, seed=1)
    assert second.verdict == ("INCONCLUSIVE" if looks == 1 else "PASS")
    assert second.volatile.earlier_judgements == 1
    if looks == 1:
        (concern,) = second.concerns
        assert concern.name == "earlier_judgements" and "1 other model or policy" in concern.says
    assert run(0.0).verdict == "PASS"
    assert run(0.0).decisions[0].bound_level == pytest.approx(1 - 0.05 / looks)
