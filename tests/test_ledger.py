"""How often rows were judged: by content, whatever seed, order or folder; a repetition is no new judgement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import audit
from audit import ledger, row_digests, state
from audit.data.arrays import from_splits
from audit.evidence import Policy, Rule
from audit.subject import Dataset, DecisionRule, Feature, Split, observe

RNG = np.random.default_rng(0)
NONE = np.zeros(0, np.uint64)


def known(n: int = 500) -> ledger.Known:
    """Return rows known by their lines."""
    return ledger.Known(RNG.integers(0, 2**63, n).astype(np.uint64), NONE)


ROWS = known()
RULE = Rule(id="a", measure="accuracy.overall.accuracy", at_least=0.6, because="b")


def policy(limit: float = 0.6, **more) -> Policy:
    return Policy(name="p", rules=(RULE.model_copy(update={"at_least": limit}),), **more)


def earlier(rows, model: str, p: Policy) -> int | None:
    """Return how many came before, and remember the look."""
    asked = ledger.look(rows, model, p)
    ledger.add(asked)
    found = ledger.before(asked)
    return None if found is None else found.earlier


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
    other = RULE.model_copy(update={"id": "z", "measure": "accuracy.overall.auc"})
    both = policy().model_copy(update={"rules": (RULE, other)})
    assert earlier(ROWS, "n", both) == 1
    assert earlier(ROWS, "n", both.model_copy(update={"rules": (other, RULE)})) == 1
    advised = (RULE, other.model_copy(update={"severity": "advisory"}))
    assert earlier(ROWS, "m", policy().model_copy(update={"rules": advised})) == 0
    assert earlier(ROWS, "m", policy(alpha=0.1)) == 2


def test_looks_declared_after_the_first_judgement_count_for_nothing():
    for model in "abc":
        earlier(ROWS, model, policy())
    found = ledger.before(ledger.look(ROWS, "c", policy(looks=10)))
    assert (found.earlier, found.allowed) == (2, 1)
    (concern,) = ledger.concerns(found, 10)
    assert "the policy of the first of them allows one look" in concern.says
    fresh = known()
    for model in "abc":
        earlier(fresh, model, policy(looks=3))
    found = ledger.before(ledger.look(fresh, "c", policy(looks=3)))
    assert (found.earlier, found.allowed) == (2, 3) and ledger.concerns(found, 3) == ()
    assert ledger.concerns(ledger.before(ledger.look(fresh, "d", policy(looks=9))), 9) != ()


def test_rows_are_known_in_any_order_and_in_another_draw():
    assert earlier(ROWS, "m1", policy()) == 0
    assert earlier(ledger.Known(RNG.permutation(ROWS.lines), NONE), "m2", policy()) == 1
    half = ledger.Known(np.r_[ROWS.lines[:250], known(250).lines], NONE)
    assert earlier(half, "m3", policy()) == 2
    assert earlier(known(), "m4", policy()) == 0


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
    first, last = row_digests.of(data(n)), row_digests.of(data(n[::-1]))
    assert (first.contents == last.contents).all() and len(first.contents) == 300
    assert len(first.lines) == 0


def test_rows_too_coarse_to_be_known_again_are_not_counted():
    coarse = ledger.Known(NONE, NONE)
    assert earlier(coarse, "m1", policy()) is None
    assert earlier(coarse, "m2", policy()) is None
    rows = data(np.arange(300))
    flat = replace(rows, splits={"test": replace(rows.test, x=np.round(rows.test.x > 0).astype(np.float32))})
    assert len(row_digests.of(flat).contents) == 0


def test_the_same_lines_are_the_same_rows_whatever_is_declared_of_them():
    import pandas as pd

    from audit.data import tables
    from audit.data.roles import Roles, SplitPlan

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "y": rng.integers(0, 2, 200)})
    frame["sex"] = np.where(rng.random(200) < 0.5, "f", "m")

    def rows(numeric, sensitive=()):
        roles = Roles("y", positive="1", numeric=numeric, sensitive=sensitive)
        return row_digests.of(tables.from_frame("t", "binary", frame, None, roles, SplitPlan(by="none")))

    assert earlier(rows(("a", "b")), "m1", policy()) == 0
    assert earlier(rows(("a",)), "m2", policy()) == 1
    assert earlier(rows((), ("sex",)), "m3", policy()) == 2


def test_a_damaged_memory_neither_crashes_nor_forgets():
    earlier(ROWS, "m1", policy())
    earlier(known(), "m1", policy())
    folder = state.folder() / ledger.FOLDER
    for rows in folder.glob("*/rows.npz"):
        rows.write_bytes(b"")
    for look in folder.glob("*/look-*"):
        look.write_text("")
    assert earlier(ROWS, "m2", policy()) == 1


def judged(apply, order=None, **more) -> str:
    """Return what a model gives on 300 rows, as a digest."""
    rows = data(np.arange(300) if order is None else order)
    return row_digests.of_judged(rows, observe(audit.Model("m", apply, **more), rows))


def test_a_model_is_what_it_gives_however_it_is_handed_over():
    first = judged(lambda p, x: 3 * x[:, :1])
    assert first == judged(lambda p, x: 3 * x[:, :1], np.arange(300)[::-1])
    assert first == judged(lambda p, x: 3 * x[:, :1] + 1e-6, outputs="logits")
    scores = {"test": np.asarray(3 * data(np.arange(300)).test.x[:, :1], np.float64)}
    assert first == judged(None, scores=scores, outputs="logits")
    assert first != judged(lambda p, x: 3.3 * x[:, :1])
    assert first != judged(lambda p, x: 3 * x[:, :1] + 0.2)
    assert first != judged(lambda p, x: 3 * x[:, :1], decision=DecisionRule("threshold", 0.6))


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


def test_a_record_judged_elsewhere_keeps_the_looks_it_knows_of(tmp_path, monkeypatch):
    def run(shift: float):
        return audit.run(
            {"name": "n", "checks": {"accuracy.overall": {}},
             "policy": {"name": "p", "rules": [{**RULE.model_dump(exclude={"at_most"}), "at_least": 0.3}]}},
            data=data(np.arange(300)),
            model=audit.Model("m", lambda p, x: x * 5 + p, np.float32(shift), outputs="logits"),
            out=tmp_path,
        )  # fmt: skip

    rows = data(np.arange(300))
    assert rows.test.x.shape[1] == 2
    narrow = from_splits(
        "d", "binary", {"test": replace(rows.test, x=rows.test.x[:, :1])}, classes=("n", "y")
    )
    monkeypatch.setitem(globals(), "data", lambda order: narrow)
    first, second = run(0.0), run(0.4)
    assert [len(r.concerns) for r in (first, second)] == [0, 1]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    for record, policies in ((second, (policy(0.2), second.policy)), (first, (policy(0.2),))):
        for other in policies:
            doubts, earlier = ledger.judged_again(record, other)
            assert [c.name for c in doubts] == ["earlier_judgements"] and earlier >= 1
    assert ledger.judged_again(first, first.policy)[0] == ()
    raised = first.policy.model_copy(update={"looks": 9})
    assert ledger.judged_again(second, raised)[0] != ()  # looks raised afterwards


def test_policies_that_require_something_else_are_two():
    asked = policy().model_copy(update={"requires": ("fairness.groups",)})
    assert ledger.policy_digest(asked) != ledger.policy_digest(policy())


def test_content_is_of_names_and_minus_nothing_is_nothing():
    rng = np.random.default_rng(1)
    x = np.c_[rng.normal(size=80), rng.integers(1, 3, 80)].astype(np.float32)
    x[0, 0] = 0.0
    y = rng.integers(0, 2, 80)

    def rows(x, categories):
        features = (Feature("a"), Feature("kind", "categorical", categories=categories))
        split = Split(x, y, np.arange(80).astype(str))
        return row_digests.of(
            Dataset("d", "binary", "table", {"test": split}, classes=("n", "y"), features=features)
        )

    other = x.copy()
    other[0, 0], other[:, 1] = -0.0, 3 - x[:, 1]
    assert (rows(x, ("u", "v")).contents == rows(other, ("v", "u")).contents).all()
    assert not np.array_equal(rows(x, ("u", "v")).contents, rows(x, ("u", "w")).contents)
