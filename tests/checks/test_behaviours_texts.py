"""Behavioural tests of texts, and written examples, against a model whose every answer is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import softmax

import audit
from audit import gate
from audit.behaviours.examples import filled
from audit.behaviours.texts import versions
from audit.behaviours.written import Invariance, Minimum
from audit.checks.behaviour_tests import BehaviourOptions, behaviour_tests
from audit.config import load
from audit.errors import ConfigError
from audit.evidence import CheckResult
from audit.evidence_policy import Policy
from audit.plan import plan
from audit.registry import Context
from audit.subject import Model, Subject, observe

CONTEXT = Context(key=None, seed=0)
CARD = "card lost stolen pin".split()
EVERY = "|".join(CARD)


def _found(subject: Subject, *tests, **more):
    options = BehaviourOptions.model_validate({"tests": tests, "rows": None, **more})
    findings = behaviour_tests(subject, options, CONTEXT)
    return {m.where["test"]: m.estimate for m in findings.measurements}, findings


def _decided(subject: Subject, texts) -> np.ndarray:
    """The class of each text by adding up its words in plain NumPy."""
    table = np.asarray(subject.model.params["table"])
    return table[subject.data.tokens.encode(list(texts))].sum(axis=1).argmax(axis=1)


def _changed(**given) -> Invariance:
    return Invariance.model_validate({"name": "t", "kind": "invariance", **given})


# ---------------------------------------------------------------- changes of texts


def test_whole_words_are_replaced_once_and_each_alternative_is_a_version():
    swap = _changed(replace={"rose": ["fell"], "fell": ["rose"], "Nokia|Elisa": ["Fiskars", "Nokia"]})
    assert versions(swap, "Nokia rose as Elisa fell, primrose") == {
        "fell, rose, Fiskars": "Fiskars fell as Fiskars rose, primrose",
        "fell, rose, Nokia": "Nokia fell as Nokia rose, primrose",
    }
    assert versions(_changed(replace={"Nokia": ["Nokia"]}), "Nokia rose") == {}
    grouped = _changed(replace={"(a|b) (rose)": ["x"], "(fell)": ["y"]})
    assert versions(grouped, "b rose, fell") == {"x, y": "x, y"}
    assert versions(_changed(before=["Hi."], after=["Bye.", "Thanks."]), "a card") == {
        "Hi. …": "Hi. a card",
        "… Bye.": "a card Bye.",
        "… Thanks.": "a card Thanks.",
    }


def test_a_row_breaks_an_invariance_when_any_version_turns_its_decision(text_subject):
    rows = text_subject.data.test
    test = {"name": "t", "kind": "invariance", "replace": {EVERY: ["euro", "hello"]}}
    about = np.array([any(word in one.split() for word in CARD) for one in rows.text])
    was, broken, each = _decided(text_subject, rows.text), np.zeros(len(rows), bool), []
    for other in ("euro", "hello"):
        swapped = [" ".join(other if word in CARD else word for word in one.split()) for one in rows.text]
        each.append(("t", other, int(about.sum()), int((_decided(text_subject, swapped) != was).sum())))
        broken |= _decided(text_subject, swapped) != was
    found, findings = _found(text_subject, test)
    assert found["t"].n == about.sum() < len(rows)
    assert found["t"].value == pytest.approx(broken[about].mean())
    assert 0 < found["t"].value < 1
    assert [row[:4] for row in findings.tables[1].rows] == each
    one = _found(text_subject, {**test, "replace": {EVERY: ["hello"]}})[0]["t"]
    assert one.value < found["t"].value


def test_what_the_model_cannot_read_is_not_counted(text_subject):
    """Twelve tokens are read: a phrase after a longer text changes nothing."""
    rows = text_subject.data.test
    long = replace(rows, text=np.array([f"{one} {'how ' * 9}".strip() for one in rows.text], object))
    long = replace(long, x=text_subject.data.tokens.encode(long.text))
    data = replace(text_subject.data, splits={**text_subject.data.splits, "test": long})
    subject = observe(text_subject.model, data)
    found, _ = _found(subject, {"name": "t", "kind": "invariance", "after": ["euro euro euro"]})
    assert found["t"].value is None and "no row" in found["t"].reason


def test_a_phrase_moves_the_score_of_its_class_one_way(text_subject):
    add = {"kind": "direction", "after": ["euro dollar"]}
    found, findings = _found(
        text_subject,
        {"name": "up", **add, "expect": "not_lower", "score_of": "rate"},
        {"name": "down", **add, "expect": "not_higher", "score_of": "rate"},
        {"name": "others", **add, "expect": "not_higher", "score_of": "card"},
    )
    assert [found[name].value for name in ("up", "down", "others")] == [0, 1, 0]
    worst = {row[0]: row[-1] for row in findings.tables[0].rows}
    logits = np.asarray(text_subject.outputs["test"], np.float64)
    rate, other = softmax(logits, axis=1)[:, 2], softmax(logits + [0, 0, 2], axis=1)[:, 2]
    assert worst["up"] == 0
    assert worst["down"] == pytest.approx((other - rate).max(), abs=1e-6)


def test_a_decision_needs_no_score_and_a_direction_does(text_subject):
    """Without a favourable class a multiclass task has no score of its own."""
    data = replace(text_subject.data, favourable=None)
    subject = Subject(text_subject.model, data, text_subject.outputs)
    found, findings = _found(subject, {"name": "t", "kind": "invariance", "before": ["please"]})
    assert found["t"].value == 0
    assert findings.tables[0].rows[0][-1] is None
    with pytest.raises(ConfigError, match="add score_of"):
        _found(subject, {"name": "t", "kind": "direction", "before": ["euro"], "expect": "not_lower"})


def test_texts_of_one_writer_count_as_one_cluster(text_subject):
    rows = text_subject.data.test
    writers = replace(rows, cluster=np.arange(len(rows)) // 20)
    data = replace(text_subject.data, splits={**text_subject.data.splits, "test": writers})
    subject = Subject(text_subject.model, data, text_subject.outputs)
    test = {"name": "t", "kind": "invariance", "replace": {EVERY: ["hello"]}}
    assert "6 clusters" in _found(subject, test)[0]["t"].method


# ---------------------------------------------------------------- written examples

PLAIN = [
    {"text": "my card is lost", "expect": "card"},
    {"text": "why is the euro rate new", "expect": ["rate", "transfer"]},
    {"text": "please send money", "expect": "card"},
]


def test_a_written_list_is_counted_and_has_no_sampling_error(text_subject):
    found, findings = _found(text_subject, {"name": "plain", "kind": "minimum", "examples": PLAIN})
    e = found["plain"]
    assert (e.value, e.low, e.high, e.n) == (pytest.approx(1 / 3), e.value, e.value, 3)
    assert "no sampling error" in e.method
    assert findings.tables[1].rows[0] == (
        "plain", "please send money", "card", 1, 1, "transfer", "",
    )  # fmt: skip
    assert any("no sample" in note for note in findings.not_measured)


@pytest.mark.parametrize(("limit", "word"), [(0.0, "FAIL"), (0.33, "FAIL"), (0.34, "PASS")])
def test_a_rule_on_a_written_list_is_decided_by_the_count(text_subject, limit, word):
    _, findings = _found(text_subject, {"name": "plain", "kind": "minimum", "examples": PLAIN})
    rule = {"id": "B", "measure": "behaviour.tests.violation_rate", "at_most": limit, "because": "x"}
    policy = Policy.model_validate({"name": "p", "rules": [rule]})
    result = CheckResult(check="behaviour.tests", area="behaviour", title="t", status="ok", findings=findings)
    (decision,), _, _ = gate.judge([result], policy, on=dt.date(2026, 1, 1))
    assert decision.verdict == word


SLOTS = {"item": ["card", "money", "rate"], "verb": ["lost", "pending"]}
FILLED = {
    "name": "made",
    "kind": "minimum",
    "examples": [
        {"text": "my {item} is {verb}, {item}", "expect": "card"},
        {"text": "the pin", "expect": "card"},
    ],
    "slots": SLOTS,
}


def test_few_fillings_are_all_tried_and_examples_count_alike(text_subject):
    test = Minimum.model_validate(FILLED)
    of, texts, drawn = filled(test, 0)
    assert not drawn and of.tolist() == [0] * 6 + [1]
    assert sorted(texts[:6]) == sorted(
        f"my {item} is {verb}, {item}" for item in SLOTS["item"] for verb in SLOTS["verb"]
    )
    failed = (_decided(text_subject, texts) != 0)[:6].mean()
    found, findings = _found(text_subject, FILLED)
    assert 0 < failed < 1
    assert found["made"].value == pytest.approx(failed / 2)
    assert found["made"].n == 7
    assert findings.tables[1].rows[0][3:5] == (6, round(6 * failed))


def test_many_fillings_are_drawn_evenly_and_bounded_exactly(text_subject):
    many = {
        **FILLED,
        "slots": {"item": SLOTS["item"], "verb": [*SLOTS["verb"], *(f"v{i}" for i in range(400))]},
    }
    test = Minimum.model_validate({**many, "draws": 1000})
    of, texts, drawn = filled(test, 3)
    assert drawn and len(texts) == 1000
    assert 0.45 < of.mean() < 0.55  # examples alike, though one makes 1206 texts and the other a single one
    assert {f"my {item}" for item in SLOTS["item"]} == {" ".join(t.split()[:2]) for t in texts if "my" in t}
    assert filled(test, 3)[1] == texts != filled(test, 4)[1]
    e = _found(text_subject, {**many, "draws": 1000})[0]["made"]
    assert "Clopper-Pearson" in e.method and e.low < e.value < e.high
    exact = np.mean([(_decided(text_subject, [f"my {i} is v1, {i}"]) != 0)[0] for i in SLOTS["item"]]) / 2
    assert e.low < exact < e.high


def test_rows_of_a_table_are_written_by_their_features(table_subject):
    """Income 2 or -2 decides, all else at the training rows' median and commonest region."""
    train = np.asarray(table_subject.data.splits["train"].x)
    seen = []

    def looks(params, x):
        seen.append(np.asarray(x))
        return x[:, :1] - 0.5 * x[:, 1:2]

    subject = observe(Model("f", looks, {}, outputs="logits", differentiable=False), table_subject.data)
    test = {
        "name": "rows",
        "kind": "minimum",
        "base": {"debt": 1.0},
        "examples": [
            {"set": {"income": 2.0}, "expect": "default"},
            {"set": {"income": -2.0, "region": "south"}, "expect": "repaid"},
            {"set": {"income": -2.0}, "expect": {"score_at_most": 0.05}},
        ],
    }
    found, findings = _found(subject, test, score_of="default")
    assert found["rows"].value == pytest.approx(1 / 3)  # 1 / (1 + exp(2.5)) = 0.076 is above 0.05
    assert findings.tables[0].rows[0][-1] == pytest.approx(1 / (1 + np.exp(2.5)) - 0.05, abs=1e-6)
    row = next(x for x in reversed(seen) if len(x) == 3)[0]
    assert row[:2].tolist() == [2.0, 1.0]
    assert row[2] in train[:, 2] and abs((train[:, 2] <= row[2]).mean() - 0.5) < 0.01
    assert row[4] == np.bincount(train[:, 4].astype(int)).argmax()


# ---------------------------------------------------------------- refusals

WORDS = {"name": "t", "kind": "invariance", "before": ["hello"]}


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ({"name": "t", "kind": "minimum", "examples": [{"text": "a", "expect": "crad"}]}, "'card'"),
        ({"name": "t", "kind": "invariance", "set": {"income": 1.0}}, "of features"),
        ({"name": "t", "kind": "monotone", "feature": "income", "expect": "rising"}, "of features"),
        ({**WORDS, "kind": "direction", "expect": "not_lower", "score_of": "crad"}, "'card'"),
    ],
)
def test_what_texts_have_not_is_one_line(text_subject, test, says):
    with pytest.raises(ConfigError, match=says) as refused:
        _found(text_subject, test)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (WORDS, "the data have none"),
        ({"name": "t", "kind": "minimum", "examples": [{"text": "a", "expect": "repaid"}]}, "have none"),
        (
            {"name": "t", "kind": "minimum", "examples": [{"set": {"incom": 1}, "expect": "repaid"}]},
            "'income'",
        ),
        (
            {"name": "t", "kind": "minimum", "examples": [{"set": {"income": 1}, "expect": "repayed"}]},
            "'repaid'",
        ),
    ],
)
def test_what_tables_have_not_is_one_line(table_subject, test, says):
    with pytest.raises(ConfigError, match=says):
        _found(table_subject, test)


def test_an_expected_class_of_a_number_is_refused(regression_subject):
    name = regression_subject.data.features[0].name
    test = {"name": "t", "kind": "minimum", "examples": [{"set": {name: 1.0}, "expect": "high"}]}
    with pytest.raises(ConfigError, match="score_at_least"):
        _found(regression_subject, test)


@pytest.mark.parametrize(
    ("test", "says"),
    [
        ({**WORDS, "set": {"income": 1.0}}, "set or add"),
        ({**WORDS, "when": {"income": {"at_least": 1}}}, "no when"),
        ({"name": "t", "kind": "invariance", "replace": {"(": ["a"]}}, "regular expression"),
        ({"name": "t", "kind": "invariance", "replace": {"a*": ["b"]}}, "words to find"),
        ({"name": "t", "kind": "invariance", "replace": {"a": []}}, "at least 1"),
        ({**FILLED, "slots": {"item": ["a"]}}, "unlike verb"),
        ({**FILLED, "slots": {**SLOTS, "other": ["a"]}}, "unlike other"),
        ({**FILLED, "base": {"income": 1}}, "no base"),
        ({"name": "t", "kind": "minimum", "examples": []}, "at least 1"),
        ({"name": "t", "kind": "minimum", "examples": [{"expect": "card"}]}, "text that is not blank"),
        (
            {"name": "t", "kind": "minimum", "examples": [PLAIN[0], {"set": {"a": 1}, "expect": "b"}]},
            "all of",
        ),
        ({"name": "t", "kind": "minimum", "examples": [{"text": "a", "expect": []}]}, "a class"),
    ],
)
def test_a_test_that_says_nothing_or_two_things_is_refused(test, says):
    with pytest.raises(ValidationError, match=says):
        BehaviourOptions.model_validate({"tests": [test]})


def test_a_run_and_a_plan_refuse_an_unknown_feature_before_they_train(table_subject, tmp_path, monkeypatch):
    config = {
        "name": "n",
        "model": {"network": "mlp", "train": {}},
        "checks": {"behaviour.tests": {"tests": [{"name": "t", "kind": "invariance", "add": {"incom": 1}}]}},
        "policy": {"name": "p", "rules": []},
    }
    monkeypatch.setattr("audit.pipeline.read_model", lambda *_: pytest.fail("trained"))
    with pytest.raises(ConfigError, match="perhaps 'income'"):
        audit.run(config, data=table_subject.data, out=tmp_path, reuse=False)
    with pytest.raises(ConfigError, match="perhaps 'income'"):
        plan(load(config), data=table_subject.data)
    assert not [f for f in tmp_path.iterdir() if (f / "evidence.json").exists()]


def test_a_model_that_reads_words_alone_keeps_an_unread_phrase(text_subject):
    deaf = Model(
        "deaf", lambda p, x: jnp.zeros((len(x), 3)) + jnp.asarray([[0.0, 1.0, 0.0]]), {}, outputs="logits"
    )
    subject = observe(deaf, text_subject.data)
    found, _ = _found(subject, {"name": "t", "kind": "invariance", "before": ["euro euro"]})
    assert found["t"].value == 0 and found["t"].n == 120
