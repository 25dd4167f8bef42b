"""robustness.text against brute force on a model that adds up words, and what it must not count or show."""

from dataclasses import replace

import numpy as np
import pytest

from audit.attacks.edits import edits_at, places
from audit.check_run import run_check
from audit.checks.robustness_text import TextOptions, text
from audit.clock import Clock
from audit.evidence_policy import Policy
from audit.metrics.edit_distance import damerau
from audit.registry import find
from audit.subject import Subject, observe
from audit.trials import texts

ALL = {"rows": None, "draws": 2, "words": 9, "tries": 99}


@pytest.fixture(scope="module")
def few(text_subject):
    """The first 30 test rows."""
    return _rows(text_subject, np.arange(30))


def _rows(subject, at):
    data = replace(subject.data, splits={"test": subject.data.test.take(at)})
    return Subject(subject.model, data, {"test": subject.outputs["test"][at]})


def _found(subject, context, **options):
    return text(subject, TextOptions(**(ALL | options)), replace(context, quick=False))


def _values(findings, name):
    return {(m.where["edit"], m.where["edits"]): m.estimate for m in findings.measurements if m.name == name}


def _decided(subject, given):
    """The class of each text by adding up its words in plain NumPy."""
    table = np.asarray(subject.model.params["table"])
    return table[subject.data.tokens.encode(given)].sum(axis=1).argmax(axis=1)


def _brute_force(subject, kind):
    """Which test rows stay right whatever single edit is made."""
    stands = []
    for one, y in zip(subject.data.test.text, subject.data.test.y, strict=True):
        every = [one, *(edited for p in range(places(one, kind)) for edited in edits_at(one, kind, p))]
        stands.append(bool((_decided(subject, every) == y).all()))
    return np.array(stands)


def test_a_search_among_all_single_word_edits_finds_the_exact_accuracy(text_subject, context):
    found = _values(_found(text_subject, context, kinds=["word"], edits=[1, 2]), "robust_accuracy")
    exact = _brute_force(text_subject, "word")
    assert found["word", 1].value == exact.mean()
    assert 0 < found["word", 1].value < (text_subject.predictions() == text_subject.data.test.y).mean()
    assert found["word", 2].value <= found["word", 1].value
    assert found["word", 1].side == "at most"


def test_a_search_among_all_single_character_edits_finds_the_exact_accuracy(few, context):
    found = _values(_found(few, context, kinds=["character"], edits=[1]), "robust_accuracy")
    assert found["character", 1].value == _brute_force(few, "character").mean()


def test_random_word_edits_have_the_accuracy_of_all_edits_on_average(text_subject, context):
    found = _values(_found(text_subject, context, kinds=["word"], edits=[1], draws=100), "edited_accuracy")
    expected = []
    for one, y in zip(text_subject.data.test.text, text_subject.data.test.y, strict=True):
        each = [
            (_decided(text_subject, edits_at(one, "word", p)) == y).mean() for p in range(places(one, "word"))
        ]
        expected.append(np.mean(each))
    assert found["word", 1].value == pytest.approx(np.mean(expected), abs=0.01)
    assert found["word", 1].n == 120


def test_every_version_shown_is_decided_wrongly_and_within_its_edits(few, context):
    findings = _found(few, context, edits=[1, 2], examples=500)
    table = next(t for t in findings.tables if t.name == "examples")
    truth = dict(zip(few.data.test.text, few.data.test.y, strict=True))
    assert len(table.rows) > 10
    for kind, edits, before, after in table.rows:
        apart = (before, after) if kind == "characters" else (before.split(), after.split())
        assert 0 < damerau(*apart) <= edits
        assert _decided(few, [after])[0] != truth[before]
    counted = sum(round(e.value * e.n) for (_, k), e in _values(findings, "attack_success").items() if k == 2)
    assert len(table.rows) == counted


def test_what_a_rerun_does_not_confirm_is_not_counted(few, context, monkeypatch):
    def liar(t, kind, most, words, tries, ctx):
        other = [t.text[(i + 1) % len(t.text)] for i in range(len(t.text))]  # decided wrongly, but far away
        return other, np.ones(len(other), int), 1.0, 0, True

    def idle(t, kind, budgets, draws, ctx):
        n = len(t.text)
        return np.ones((draws, len(budgets), n), bool), t.text, np.full(n, texts.NEVER), 0

    monkeypatch.setattr(texts, "_search", liar)
    monkeypatch.setattr(texts, "_at_random", idle)
    found = _values(_found(few, context, edits=[1]), "attack_success")
    assert all(e.value == 0 for e in found.values())


def test_the_order_of_the_texts_changes_nothing(few, context):
    turned = _rows(few, np.random.default_rng(0).permutation(30))
    a, b = (_found(s, context, tries=5, words=2, examples=99) for s in (few, turned))
    assert a.tables[-1] == b.tables[-1]
    for one, other in zip(a.measurements, b.measurements, strict=True):
        assert one.estimate.value == pytest.approx(other.estimate.value, abs=1e-12)
        assert one.estimate.low == pytest.approx(other.estimate.low, abs=1e-9)


def test_a_search_whose_edits_do_not_reach_the_model_cannot_pass(few, context):
    deaf = replace(few.data.tokens, encode=lambda given: np.full((len(given), 12), 2, np.int32))
    data = replace(few.data, tokens=deaf)
    subject = Subject(few.model, data, few.outputs)
    found = _values(_found(subject, context, edits=[1]), "robust_accuracy")
    assert all("signs that the attack works are missing" in e.doubt for e in found.values())
    sound = _values(_found(few, context, edits=[1]), "robust_accuracy")
    assert all(not e.doubt for e in sound.values())


def test_time_that_runs_out_is_said_and_bars_a_pass(few, context):
    late = replace(context, expired=lambda: True, quick=False)
    findings = text(few, TextOptions(**ALL), late)
    assert all("time budget" in e.doubt for e in _values(findings, "robust_accuracy").values())


def test_no_text_leaves_the_check_unasked(few, context):
    written = _found(few, context).model_dump_json()
    assert not any(one in written for one in few.data.test.text)


def test_a_model_that_is_never_right_has_no_success_to_estimate(few, context):
    wrong = replace(few.model, params={"table": -few.model.params["table"]})
    subject = observe(wrong, few.data)
    found = _found(_rows(subject, np.flatnonzero(subject.predictions() != subject.data.test.y)), context)
    assert all(e.value is None for e in _values(found, "attack_success").values())
    assert all(e.value == 0 for e in _values(found, "robust_accuracy").values())


def _reason(name, subject):
    check = find(name)
    result, _, _ = run_check(
        check,
        subject,
        check.options(),
        0,
        True,
        None,
        {},
        None,
        Clock(lambda *_: None, {}, None),
        Policy(name="p"),
    )
    return result.status, result.reason


@pytest.mark.parametrize("name", ["robustness.pgd", "robustness.minimum", "explanation.gradients"])
def test_attacks_by_gradient_are_skipped_on_texts_with_the_reason(name, text_subject):
    status, reason = _reason(name, text_subject)
    assert status == "skipped"
    assert "gradients through the model" in reason


@pytest.mark.parametrize("name", ["explanation.shapley", "explanation.trust"])
def test_explanations_of_numbers_are_skipped_on_texts(name, text_subject):
    assert _reason(name, text_subject) == ("skipped", "it needs inputs that are numbers, not words")


def test_a_table_has_no_texts_to_edit(table_subject):
    assert _reason("robustness.text", table_subject) == ("skipped", "it needs texts and their tokens")
